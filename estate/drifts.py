"""Drifts: where something is not as it should be, who made it so, whether it matters, and what would put it right.

Made by `tools.drift`, published and kept by the inventory, read by people and minds. Pure data: a drift changes nothing
and is no permission to change anything.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from estate import canonical
from estate.changes import Change
from estate.hands import Hand
from estate.ids import ClusterId, Digest, TenantId
from estate.observations import EventType, Severity
from estate.records import Record
from estate.things import Thing


class Matter(StrEnum):
    """What a drift bears on; which field bears on what stands in `tools.drift.matters`."""

    SECURITY = "security"
    ISOLATION = "isolation"
    CAPACITY = "capacity"
    PLACEMENT = "placement"
    COSMETIC = "cosmetic"

    @property
    def severity(self) -> Severity:
        """How loud its event is."""
        return _SEVERITIES[self]

    @property
    def event(self) -> EventType:
        """What its event is called."""
        return EventType.PLACEMENT_DRIFTED if self is Matter.PLACEMENT else EventType.CONFIG_DRIFTED


_SEVERITIES = {
    Matter.SECURITY: Severity.CRITICAL,
    Matter.ISOLATION: Severity.CRITICAL,
    Matter.CAPACITY: Severity.WARNING,
    Matter.PLACEMENT: Severity.WARNING,
    Matter.COSMETIC: Severity.INFO,
}


class Basis(StrEnum):
    """Who says how it should be."""

    PLACET = "placet"
    """What Placet itself applied last, kept in the object."""
    KUBECTL = "kubectl"
    """What `kubectl apply` applied last, kept in the object."""
    DECLARED = "declared"
    """An object that somebody declared elsewhere: a repository, a template, a rendered chart."""
    ESTATE_FILE = "estate-file"
    FACTS = "facts"
    """The signed law base."""
    TEMPLATE = "template"
    """What a cluster, or a service on it, is made from."""


class Drift(Record):
    """One field that is not as one basis says. Values are JSON text; null means absent."""

    kind: Literal["placet.drift"] = "placet.drift"
    v: Literal[1] = 1
    about: Thing
    called: str
    """What people call the thing: `Deployment tenant-a/serve`."""
    cluster: ClusterId | None = None
    namespace: str = ""
    tenants: tuple[TenantId, ...] = ()
    """Whose it is by signed fact; empty: nobody's but the operators'."""
    basis: Basis
    path: str
    """Empty: the whole thing."""
    desired: str | None
    observed: str | None
    by: Hand | None = None
    """None: nothing records it; an API server keeps no trace of whoever takes a field away."""
    matter: Matter
    why: str
    """Why it matters as it does."""
    restoring: Change | None = None
    no_change: str = Field(default="", max_length=1000)
    """Why no typed change restores it; empty where one does."""

    @property
    def key(self) -> Digest:
        """The same for as long as that field drifts from that basis, whatever it is changed to meanwhile."""
        return canonical.digest_of([str(self.about), self.basis.value, self.path])

    @property
    def says(self) -> tuple[str | None, ...]:
        """What is news of it: the values, and whose hand it was."""
        return (self.desired, self.observed, self.by.manager if self.by else None)

    def told(self) -> str:
        """The drift in one line."""
        field = f"{self.path} of " if self.path else ""
        hand = f", changed by {self.by}" if self.by else ""
        remedy = self.restoring.describe() if self.restoring else self.no_change
        return (
            f"{field}{self.called} is {_short(self.observed)} where {self.basis.value} says {_short(self.desired)}"
            f"{hand}; {self.matter.value}: {self.why}; to restore: {remedy}"
        )


def _short(value: str | None) -> str:
    if value is None:
        return "absent"
    return f"`{value}`" if len(value) <= 80 else f"`{value[:77]}...`"
