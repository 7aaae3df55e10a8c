"""`placet rotate`: a new key for the gate or the ledger, and an end for the old one; with everything stopped.

`console.renewing` does it while everything runs. Here, on the whole installation while nothing of it does, an
administrator's two signed words, that the new key is the role's and that the old one is not any more, become entries of
the ledger; then the key file is replaced. What the old key signed before that stands; whatever it signs later is
refused. For whoever verifies exports the ledger's `.vkey` says up to which size the old key signed. Interrupted at any
point, it goes on where it was.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from console import identities, successions
from console.identities import Identity
from console.installations import Installation
from console.state import StateDirectory, write_private
from console.successions import Succession
from estate.errors import BadInput
from estate.ids import KeyId
from policies.enrolments import PAYLOAD_TYPE, Enrolments
from policies.keyrings import KEY_BYTES
from policies.ledger.archives import Archive
from policies.ledger.notes import read_checkpoint
from policies.ledger.verifier_keys import Scheme, VerifierKey, ledger_name
from policies.signing.files import FileSigner, MldsaFileSigner
from policies.signing.port import Signer
from policies.signing.sealing import seal

ROLES = ("gate", "ledger")


@dataclass(frozen=True, slots=True)
class Rotation:
    """Which key of which role, and who signs for it."""

    installation: Installation
    speaker: Identity
    role: str
    second: bool = False
    """The second, post-quantum key, which is made where there is none."""

    def __post_init__(self) -> None:
        if self.installation.role is not None:
            raise BadInput(f"`{self.installation.state.root}` holds one role only; rotate where `init` was run")
        if self.role not in ROLES:
            raise BadInput(f"`{self.role}` has no key that is rotated here; there are {', '.join(ROLES)}")

    @property
    def path(self) -> Path:
        """The key file."""
        state = self.installation.state
        return state.second_key_path(self.role) if self.second else state.key_path(self.role)

    @property
    def kind(self) -> type[FileSigner] | type[MldsaFileSigner]:
        """Whose files these are."""
        return MldsaFileSigner if self.second else FileSigner

    @property
    def next(self) -> Path:
        """Where the new key lies until the ledger knows it."""
        return self.path.with_suffix(".next")

    @property
    def old(self) -> Path:
        """Where the old key lies while both verify."""
        return self.path.with_suffix(".old")

    @property
    def is_remote(self) -> bool:
        """Whether the new key lies in a key service that the settings name."""
        return not self.second and self.role in self.installation.config.remote_keys

    def replace(self) -> None:
        """Put the new file in the place of the old one, of which nothing is left."""
        if self.is_remote:
            self.path.unlink(missing_ok=True)
        else:
            self.next.replace(self.path)


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new key, and the old one if there was one."""

    new: KeyId
    old: KeyId | None


async def rotate(rotation: Rotation, archive: Archive, now: datetime) -> Rotated:
    """Put a new key in the place of the old one.

    Raises:
        BadInput: this is one role's directory, or a role whose key is not rotated here.
        Denied: the speaker is no administrator.
    """
    made, old = await asyncio.to_thread(keys, rotation)
    if rotation.role == "ledger":
        until = await _signed_up_to(archive) if old is not None and not rotation.second else None
        await asyncio.to_thread(write_verifier_keys, rotation.installation, made, old, until)
    enrolments = Enrolments(
        rotation.installation.record.id, rotation.installation.record.administrator_key, rotation.installation.clock
    )
    await enrolments.load(archive)
    left = [rotation.kind.load(rotation.old)] if rotation.old.exists() else []  # of a rotation that was not ended
    ended = [*([old] if old is not None else []), *left]
    for signer, revoked in ((made, False), *((key, True) for key in ended)):
        envelope = word(rotation, signer, now, revoked=revoked)
        await archive.append(enrolments.admit(envelope, now).draft(now))
    await asyncio.to_thread(rotation.replace)
    rotation.old.unlink(missing_ok=True)
    return Rotated(made.key_id, old.key_id if old is not None else None)


def keys(rotation: Rotation) -> tuple[Signer, Signer | None]:
    """The new key and the old one. A key of a service is new wherever a file of the role's is left."""
    old = rotation.kind.load(rotation.path) if rotation.path.exists() else None
    if rotation.is_remote:
        return rotation.installation.signer(rotation.role), old
    made = rotation.kind.load(rotation.next) if rotation.next.exists() else rotation.kind.create(rotation.next)
    return made, old


def word(rotation: Rotation, signer: Signer, now: datetime, *, revoked: bool) -> bytes:
    """An administrator's signed word on a key of the role."""
    subject = successions.process(rotation.installation.record.id, rotation.role)
    record = identities.enrolment(subject, signer.public_key, (), (), now, revoked)
    return seal(record.canonical(), PAYLOAD_TYPE, rotation.speaker.signer)


async def _signed_up_to(archive: Archive) -> int:
    """The size of the last checkpoint that the old key signs."""
    notes = [read_checkpoint(note) for note in await archive.checkpoint()]
    return next(c.head.size for c in notes if c.origin.endswith("/install"))


def write_verifier_keys(installation: Installation, made: Signer, old: Signer | None, until: int | None) -> None:
    """The `.vkey` with the new key; an old ledger's key stays with its end, an old second key goes."""
    state, name = installation.state, ledger_name(installation.record.id)
    scheme = Scheme.NOTE if len(made.public_key) == KEY_BYTES else Scheme.COSIGNATURE_MLDSA44
    known = VerifierKey.parse_all(state.ledger_key_path.read_text())
    dead = {signer.public_key for signer in (made, old) if signer is not None}
    lines = [key for key in known if key.public_key not in dead]
    if old is not None and until is not None:
        lines.append(VerifierKey(name, old.public_key, scheme, until))
    lines.append(VerifierKey(name, made.public_key, scheme))
    write_private(state.ledger_key_path, "".join(f"{key}\n" for key in lines).encode())


@dataclass(frozen=True, slots=True)
class LedgerSuccession(Succession):
    """The ledger's key in the console's directory, where whoever verifies is told of it too."""

    installation: Installation = field(kw_only=True)

    def make_known(self, signer: Signer, until: int) -> None:
        """The new key stands in `ledger.vkey`, and the old one with its end, before the new one signs anything."""
        old = self.load(self.path)
        write_verifier_keys(self.installation, signer, old, None if self.second else until)
        self.take()


def finish(installation: Installation) -> None:
    """Take a ledger's key that was made known and not yet taken: its process died in between."""
    state = installation.state
    kinds: tuple[tuple[Path, type[FileSigner] | type[MldsaFileSigner]], ...] = (
        (state.key_path("ledger"), FileSigner),
        (state.second_key_path("ledger"), MldsaFileSigner),
    )
    for path, kind in kinds:
        following = path.with_suffix(".next")
        if following.exists() and kind.load(following).public_key in {k.public_key for k in _known(state)}:
            successions.take(path)


def _known(state: StateDirectory) -> tuple[VerifierKey, ...]:
    return VerifierKey.parse_all(state.ledger_key_path.read_text()) if state.ledger_key_path.exists() else ()
