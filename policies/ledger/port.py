"""The Ledger port: append-only RFC 6962 logs, one per tenant and an install log over their checkpoints.

Gate, executor and console append here *before* the next thing may happen; agents never hold it. `append` is
idempotent by `key`: the second append of one key changes nothing and returns the first entry, which is what makes
a warrant single-use and a step happen once. A `Fence` with a lower token than one seen before is refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from estate.canonical import Json
from estate.errors import NeverRetry
from estate.identities import Subject
from estate.ids import Digest, IncidentId, TenantId


class EntryKind(StrEnum):
    """What a leaf may say. Final values: they stand in leaves for ever."""

    PROPOSED = "proposed"
    DECIDED = "decided"
    APPROVED = "approved"
    DENIED = "denied"
    ISSUED = "issued"
    CONSUMED = "consumed"
    RESUMED = "resumed"
    STEP_STARTED = "step-started"
    STEP_APPLIED = "step-applied"
    STEP_FAILED = "step-failed"
    UNDO_STARTED = "undo-started"
    UNDO_APPLIED = "undo-applied"
    UNDO_FAILED = "undo-failed"
    NOTIFIED = "notified"
    PRESERVED = "preserved"
    CANARY_STARTED = "canary-started"
    CANARY_PASSED = "canary-passed"
    OUTCOME = "outcome"
    POST_CHECKED = "post-checked"
    FROZEN = "frozen"
    MODE_SET = "mode-set"
    EXCEPTED = "excepted"
    GLASS = "glass"
    RATIFIED = "ratified"
    ENROLLED = "enrolled"
    FACTS_LOADED = "facts-loaded"
    BUNDLE_LOADED = "bundle-loaded"
    COMMANDED = "commanded"
    KEY_TAKEN = "key-taken"
    HEARTBEAT = "heartbeat"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Fence:
    """A fencing token for a scope (an execution): appends under an older token are refused."""

    scope: str
    token: int


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry to be. `body` goes to the content store; the leaf holds only its salted hash."""

    kind: EntryKind
    at: datetime
    by: Subject
    body: Mapping[str, Json]
    key: str
    """Idempotency: unique over the whole ledger, e.g. `consumed:<nonce>`, `step:<proposal>:2:do:started`."""
    incident: IncidentId | None = None
    proposal: Digest | None = None
    projections: Mapping[TenantId, Mapping[str, Json]] = field(default_factory=dict)
    """For each tenant concerned, its own part only: one leaf in that tenant's log."""
    fence: Fence | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the install log as it stands, with its body."""

    index: int
    kind: EntryKind
    at: datetime
    by: str
    key: str
    incident: IncidentId | None
    proposal: Digest | None
    leaf: bytes
    leaf_hash: bytes
    body: Mapping[str, Json]
    salt: bytes = b""
    """What ties body and author to the leaf; none once they were erased."""


@dataclass(frozen=True, slots=True)
class Appended:
    """The entry under this key, and whether this call made it."""

    entry: Entry
    created: bool


class Fenced(NeverRetry):
    """Another holder with a newer token has taken over this scope; stop at once."""


class Ledger(Protocol):
    """The durable, fencing, tamper-evident record. Every method may raise `RetryLater` when storage is busy."""

    async def append(self, draft: Draft) -> Appended:
        """Make the entry durable (and its tenants' projections, in the same transaction).

        Raises:
            Fenced: `draft.fence` is older than one already seen for its scope.
        """

    async def find(self, key: str) -> Entry | None:
        """The entry with that idempotency key."""

    def entries(
        self,
        *,
        kind: EntryKind | None = None,
        incident: IncidentId | None = None,
        proposal: Digest | None = None,
        after: int = -1,
    ) -> AsyncIterator[Entry]:
        """Entries of the install log with index above `after`, in order, narrowed by what is given (indexed)."""

    def export(self) -> AsyncIterator[bytes]:
        """The export, line by line (see `policies.ledger.exports`), of one consistent moment."""

    async def close(self) -> None:
        """Release the storage."""
