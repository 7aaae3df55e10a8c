"""Which rules are in force, as the ledger says: each bundle once, and never an older one after a newer.

The gate calls `activate` before it decides anything, an executor `check` before it decides again. Old rules are the
cheapest way to make something lawful again, so a bundle is refused whose version is below the last one's, or that was
in force before and was replaced since. Who means to go back raises the old rules' `VERSION`, or says in the profile's
`summary` why, and so makes them new.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from estate.canonical import Json
from estate.errors import Denied
from estate.identities import Subject
from estate.ids import Digest
from policies.ledger.port import Draft, EntryKind, Ledger


class Versioned(Protocol):
    """A loaded law by its name and its number (`policies.bundle.Bundle`)."""

    @property
    def digest(self) -> Digest:
        """Its name."""

    @property
    def version(self) -> int:
        """Its number, which rises with every release of rules."""


@dataclass(frozen=True, slots=True)
class Active:
    """The bundle that the ledger says is in force, and those that were before it."""

    digest: Digest | None = None
    version: int = 0
    replaced: frozenset[Digest] = frozenset()

    def fault(self, bundle: Versioned) -> str | None:
        """Why that bundle may not follow, or None."""
        if bundle.version < self.version:
            return f"version {bundle.version} is older than version {self.version}, which is in force"
        if bundle.digest in self.replaced:
            return f"`{bundle.digest}` was in force before and was replaced by `{self.digest}`"
        return None


async def active(ledger: Ledger) -> Active:
    """What the ledger says."""
    found = Active()
    async for entry in ledger.entries(kind=EntryKind.BUNDLE_LOADED):
        digest, version = Digest(str(entry.body.get("digest"))), entry.body.get("version")
        before = found.replaced | ({found.digest} if found.digest is not None else set())
        found = Active(digest, max(found.version, version if isinstance(version, int) else 0), before)
    return found


async def check(ledger: Ledger, bundle: Versioned) -> None:
    """Refuse rules that are older than those in force. Raises Denied."""
    if fault := (await active(ledger)).fault(bundle):
        raise Denied(
            f"the rules cannot be used: {fault}; install the newer release, or raise their `VERSION`; to go back to a "
            "profile, write it to a file (`placet policy profile NAME > ours.yaml`) and give it another `summary`"
        )


async def activate(ledger: Ledger, bundle: Versioned, by: Subject, at: datetime) -> None:
    """Put a bundle in force; one that is in force already changes nothing. Raises Denied, as `check`."""
    await check(ledger, bundle)
    body: dict[str, Json] = {"digest": bundle.digest, "version": bundle.version}
    await ledger.append(Draft(EntryKind.BUNDLE_LOADED, at, by, body, f"bundle-loaded:{bundle.digest}"))
