"""The bodies of the entries that an execution writes in the ledger. `recording` writes them, `journal` folds them.

Each is a record of its own kind and version: the journal is read for as long as the ledger is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from estate.ids import Digest, ExecutionId, ExecutorId
from estate.kept import Kept
from estate.notices import Notice
from estate.obligations import Canary, Check
from estate.records import Record


class Wrote(StrEnum):
    """Whether a failed step reached the world."""

    NO = "no"
    YES = "yes"
    """It was applied, and verification did not find its effect."""
    UNKNOWN = "unknown"
    """The connection was lost on the way; a live read tells."""


class Trouble(StrEnum):
    """Why an undo did not happen."""

    FORBIDDEN = "forbidden"
    IMPOSSIBLE = "impossible"
    FAULT = "fault"


class Claim(Record):
    """The body of `consumed` and `resumed` entries: who executes this warrant, under which fencing token."""

    kind: Literal["placet.journal.claim"] = "placet.journal.claim"
    v: Literal[1] = 1
    execution: ExecutionId
    audience: ExecutorId
    holder: str
    token: int
    warrant: Digest
    envelope: str
    """The signed warrant itself, so that an execution can be resumed from the ledger alone."""


class StepNote(Record):
    """The body of every step and undo entry."""

    kind: Literal["placet.journal.step"] = "placet.journal.step"
    v: Literal[1] = 1
    execution: ExecutionId
    step: int
    change: str
    wrote: Wrote | None = None
    """On `step-failed` only."""
    trouble: Trouble | None = None
    """On `undo-failed` only."""
    reason: str = ""


class NoticeNote(Record):
    """The body of a `notified` entry: who was told what before the first step."""

    kind: Literal["placet.journal.notice"] = "placet.journal.notice"
    v: Literal[1] = 1
    execution: ExecutionId
    notice: Notice


class KeptNote(Record):
    """The body of a `preserved` entry: what stood before the first step. The leaf holds the digest of all of it."""

    kind: Literal["placet.journal.kept"] = "placet.journal.kept"
    v: Literal[1] = 1
    execution: ExecutionId
    things_digest: Digest
    things: tuple[Kept, ...]


class CanaryNote(Record):
    """The body of both entries of a canary: that it began to soak, and that it held."""

    kind: Literal["placet.journal.canary"] = "placet.journal.canary"
    v: Literal[1] = 1
    execution: ExecutionId
    canary: Canary


class PostChecked(Record):
    """The body of a `post-checked` entry: whether what was verified has lasted."""

    kind: Literal["placet.journal.post-check"] = "placet.journal.post-check"
    v: Literal[1] = 1
    execution: ExecutionId
    checks: tuple[Check, ...]
    held: bool
    faults: tuple[str, ...] = ()
