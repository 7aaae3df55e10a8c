"""The people who use this machine: their keys, which of them is speaking, and the enrolments they can sign.

A private key stays where it was made. An enrolment is an administrator's signed word that a public key speaks for a
subject; it reaches the running system as a signed control through the front door.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from console.state import StateDirectory, write_private
from estate.errors import BadInput
from estate.identities import Enrolment, Role, Subject, SubjectKind
from estate.ids import InstallationId, TenantId
from policies.keyrings import KEY_BYTES, key_id_of
from policies.signing.files import FileSigner
from policies.signing.port import Signer

ENROLLED_FOR = timedelta(days=365)
PROCESS_FOR = timedelta(days=3650)
"""A process does not come to ask for its key to be renewed: that is `placet rotate`, when somebody wants it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A person with a key on this machine."""

    subject: Subject
    signer: Signer


def person(installation: InstallationId, name: str) -> Subject:
    """A local person: the installation is the issuer.

    Raises:
        BadInput: that is no name (or would be a path).
    """
    try:
        return Subject(kind=SubjectKind.HUMAN, issuer=installation, name=name)
    except ValidationError as error:
        raise BadInput(f"`{name}` is not a name; use lower-case letters, digits and `._@-`") from error


def load(state: StateDirectory, name: str | None = None) -> Identity:
    """The named identity, or the one that `placet login` chose.

    Raises:
        BadInput: there is no such key; the message names those there are.
    """
    record = state.record()
    wanted = name or current(state)
    subject, path = person(record.id, wanted), state.identity_path(wanted)
    if not path.exists():
        known = ", ".join(f"`{i}`" for i in state.identities()) or "nobody"
        raise BadInput(f"no key of `{wanted}` here (there is {known}); run `placet enrol {wanted}` or use `--as`")
    return Identity(subject, FileSigner.load(path))


def current(state: StateDirectory) -> str:
    """Whom `placet login` chose last.

    Raises:
        BadInput: nobody was chosen and more than one key is here.
    """
    chosen = state.root / "keys" / "identity"
    if chosen.exists():
        return chosen.read_text().strip()
    known = state.identities()
    if len(known) == 1:
        return known[0]
    raise BadInput("nobody is logged in here; run `placet login NAME` or use `--as NAME`")


def choose(state: StateDirectory, name: str) -> None:
    """Make `name` the identity of this machine. Raises BadInput when there is no such key."""
    load(state, name)
    write_private(state.root / "keys" / "identity", f"{name}\n".encode())


def make(state: StateDirectory, name: str) -> tuple[Identity, bool]:
    """The identity of that name, made where it is missing; and whether it was made now."""
    subject = person(state.record().id, name)
    path = state.identity_path(name)
    if path.exists():
        return Identity(subject, FileSigner.load(path)), False
    return Identity(subject, FileSigner.create(path)), True


def enrolment(
    subject: Subject,
    public_key: bytes,
    roles: tuple[Role, ...],
    tenants: tuple[TenantId, ...],
    now: datetime,
    revoked: bool = False,
) -> Enrolment:
    """The record that binds a key to a person, or to a process, for a year."""
    if subject.kind is SubjectKind.HUMAN and len(public_key) != KEY_BYTES:
        raise BadInput(f"the public key has {len(public_key)} bytes, an Ed25519 key has {KEY_BYTES}; copy it again")
    return Enrolment(
        installation=InstallationId(subject.issuer),
        subject=subject,
        key_id=key_id_of(public_key),
        public_key=base64.b64encode(public_key).decode(),
        roles=roles,
        tenants=tenants,
        enrolled_at=now,
        valid_until=now + (ENROLLED_FOR if subject.kind is SubjectKind.HUMAN else PROCESS_FOR),
        revoked=revoked,
    )
