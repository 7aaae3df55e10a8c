"""Who acts: people, and the processes of Placet. A quorum counts subjects, never keys."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import StringConstraints

from estate.ids import InstallationId, KeyId, TenantId
from estate.records import Model, Record, Time, later
from estate.words import Role

__all__ = ["Enrolment", "Role", "Subject", "SubjectKind"]


class SubjectKind(StrEnum):
    """What kind of actor a subject is."""

    HUMAN = "human"
    AGENT = "agent"
    GATE = "gate"
    EXECUTOR = "executor"
    INVENTORY = "inventory"
    CONSOLE = "console"


class Subject(Model):
    """An actor, unique by (issuer, name). The issuer of a local enrolment is the installation."""

    kind: SubjectKind
    issuer: str
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@\-]{0,126}$")]

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.issuer}/{self.name}"


class Enrolment(Record):
    """An administrator's word that a public key speaks for a subject. Signed, and in the ledger."""

    kind: Literal["placet.enrolment"] = "placet.enrolment"
    v: Literal[1] = 1
    installation: InstallationId
    subject: Subject
    key_id: KeyId
    public_key: str
    """The raw 32-byte Ed25519 public key in standard base64."""
    roles: tuple[Role, ...]
    tenants: tuple[TenantId, ...] = ()
    """The tenants this person speaks for; empty speaks for none."""
    enrolled_at: Time
    valid_until: Time
    revoked: bool = False
    person: str = later("", max_length=200)
    """The natural person, where several accounts are one's: quorums count them once. Empty: they have this one."""

    @property
    def human(self) -> str:
        """Whom quorums count: the natural person as far as an administrator said, else the account itself."""
        return self.person or f"{self.subject.issuer}/{self.subject.name}"
