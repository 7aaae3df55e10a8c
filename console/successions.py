"""A key of gate or ledger that is replaced while its process runs: the process's part.

`placet rotate` puts the new key beside the old one and has an administrator enrol it. The process that signs takes it
once it has been enrolled for so long that everybody who verifies knows it, and says so in the ledger. Refused: a file
that no administrator's word is for. The old key verifies on until an administrator ends it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from console.state import StateDirectory
from estate.canonical import Json
from estate.clocks import Clock
from estate.errors import PlacetError, RetryLater
from estate.identities import Subject, SubjectKind
from estate.ids import InstallationId, KeyId
from policies import recording
from policies.enrolments import Enrolments
from policies.ledger.port import Draft, EntryKind, Ledger
from policies.signing.port import Signer

SETTLES: Final = timedelta(seconds=3)
"""Between hearing of a new key and signing with it: settings are in force everywhere well within a second."""
_EVERY_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


def process(installation: InstallationId, role: str) -> Subject:
    """For whom a role's key speaks, in the enrolments."""
    if role == "gate":
        return recording.gate(installation)
    return Subject(kind=SubjectKind.CONSOLE, issuer=installation, name=role)


def name_of(role: str, second: bool) -> str:
    """What a role's key is called in the ledger."""
    return f"{role}-second" if second else role


def taken(role: str, key: KeyId, by: Subject, clock: Clock, **more: Json) -> Draft:
    """The entry that a role signs with that key from now on."""
    body: dict[str, Json] = {"role": role, "key": key, **more}
    return Draft(EntryKind.KEY_TAKEN, clock(), by, body, f"key-taken:{role}:{key}")


@dataclass(frozen=True, slots=True)
class Succession:
    """One role's key in one directory."""

    state: StateDirectory
    role: str
    subject: Subject
    enrolments: Enrolments
    clock: Clock
    load: Callable[[Path], Signer]
    """Reads a key's file."""
    settles: timedelta = SETTLES
    second: bool = False
    """Whether it is the role's second, post-quantum key."""

    @property
    def path(self) -> Path:
        """The key's file."""
        return self.state.second_key_path(self.role) if self.second else self.state.key_path(self.role)

    @property
    def called(self) -> str:
        """The key's name in the ledger."""
        return name_of(self.role, self.second)

    def due(self) -> Signer | None:
        """The new key that lies there, if an administrator has enrolled it for this role."""
        path = self.path.with_suffix(".next")
        if not path.exists():
            return None
        signer = self.load(path)
        return signer if signer.key_id in self.enrolments.keys_of(self.subject) else None

    def take(self) -> None:
        """Put the new key's file in the place of the old one, which stays beside it until it is ended."""
        take(self.path)

    def draft(self, key: KeyId, **more: Json) -> Draft:
        """The entry that this role signs with that key from now on."""
        return taken(self.called, key, self.subject, self.clock, **more)

    async def follow(self, ledger: Ledger, use: Callable[[Signer], Awaitable[dict[str, Json]]]) -> None:
        """Take every new key that is due, until cancelled. `use` signs with it, has its file taken, and says more."""
        if self.path.with_suffix(".old").exists():  # it may have died before it said so
            await self._say(ledger, self.draft(self.load(self.path).key_id))
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                signer = await asyncio.to_thread(self.due)
                if signer is None:
                    continue
                await asyncio.sleep(self.settles.total_seconds())
                draft = self.draft(signer.key_id, **await use(signer))
            except PlacetError as error:
                log.error("new key not taken", role=self.called, reason=str(error))
                continue
            await self._say(ledger, draft)
            log.info("new key taken", role=self.called, key=signer.key_id)

    async def _say(self, ledger: Ledger, draft: Draft) -> None:
        while True:
            try:
                await ledger.append(draft)
                return
            except RetryLater:
                await asyncio.sleep(_EVERY_SECONDS)


def take(path: Path) -> None:
    """Put the new key's file in the place of the old one. Killed in the middle, the same again ends it."""
    old = path.with_suffix(".old")
    old.unlink(missing_ok=True)
    old.hardlink_to(path)
    path.with_suffix(".next").replace(path)
