"""What a leaf says, version 1: final from the first commit, because leaves stand for ever.

A leaf holds ids and salted hashes, never a body and never a person. `by` names a process plainly and a human as a
salted hash; body, salt and the human's name are the `Content`, which can be erased while every proof still holds.
`prev` is the root of the log before this leaf, so that a change names the entry it was made in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from estate import canonical
from estate.canonical import Json
from estate.errors import BadInput
from estate.identities import Subject, SubjectKind
from estate.ids import Digest, IncidentId, InstallationId, Sha256, TenantId
from estate.records import Model, Record, Time
from policies.ledger.port import EntryKind

SALT_BYTES = 32
HUMAN = f"{SubjectKind.HUMAN.value}:"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._/\-]{0,511}")

ORIGIN = r"^placet/[a-z0-9\-]+/(?:install|tenant/[a-z0-9\-]+)$"
Origin = Annotated[str, StringConstraints(pattern=ORIGIN)]


def install_origin(installation: InstallationId) -> str:
    """The name of the install log."""
    return f"placet/{installation}/install"


def tenant_origin(installation: InstallationId, tenant: TenantId) -> str:
    """The name of a tenant's log."""
    return f"placet/{installation}/tenant/{tenant}"


class TenantHead(Model):
    """A tenant's log after its projection of an entry of the install log."""

    origin: Origin
    size: int = Field(ge=0)
    root: Sha256


class Leaf(Record):
    """One leaf. Its canonical bytes are what the Merkle tree hashes."""

    kind: Literal["placet.leaf"] = "placet.leaf"
    v: Literal[1] = 1
    log: Origin
    index: int = Field(ge=0)
    prev: Sha256
    at: Time
    entry: EntryKind
    incident: IncidentId | None
    proposal: Digest | None
    by: str
    key: str
    body: Sha256
    tenants: tuple[TenantHead, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """What a leaf only hashes: the erasable part."""

    salt: bytes
    body: bytes
    """Canonical JSON."""
    by: str
    """The subject in plain, whoever it is."""

    @classmethod
    def of(cls, body: Mapping[str, Json], by: Subject | str, salt: bytes) -> Content:
        """The content of a leaf. Raises BadInput: the body has no canonical form."""
        return cls(salt=salt, body=canonical.dumps(dict(body)), by=str(by))

    @property
    def body_hash(self) -> Digest:
        """What the leaf's `body` must say: SHA-256(salt ‖ body)."""
        return canonical.digest(self.salt + self.body)

    @property
    def signed_by(self) -> str:
        """What the leaf's `by` must say: a process plainly, a human as SHA-256(salt ‖ `by:` ‖ subject)."""
        if not self.by.startswith(HUMAN):
            return self.by
        return HUMAN + canonical.digest(self.salt + b"by:" + self.by.encode())

    @property
    def read_body(self) -> Mapping[str, Json]:
        """The body as JSON."""
        body = canonical.loads(self.body)
        if not isinstance(body, dict):
            raise BadInput("a stored body is not an object")
        return body


def check_key(key: str) -> str:
    """`key`, which stands in leaves in plain.

    Raises:
        BadInput: it could hold a name or an address: only letters, digits and `:._/-` may stand in it.
    """
    if not _KEY.fullmatch(key):
        raise BadInput(f"ledger key `{key[:64]}` may hold only letters, digits and `:._/-`; use a digest in its place")
    return key
