"""Read one Redfish property: numbers that may be null, and states that say whether there is anything to read.

A property that is null is blank (the service has no value now). A member whose `Status.State` is `Absent` is not
there at all: its readings are absent, whatever numbers its service still sends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from estate import canonical
from estate.errors import BadInput
from tools.payloads import reading
from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Presence, Writing
from tools.payloads.facts.statements import (
    Attribute,
    Condition,
    Fact,
    Relation,
    Statement,
    Status,
    Tie,
    Witness,
)

_HEALTH = {"OK": Status.TRUE, "Warning": Status.FALSE, "Critical": Status.FALSE}
_NOT_THERE = frozenset({"Absent"})
_LARGEST = 1e18


@dataclass(slots=True)
class Page:
    """What one resource states, as it is read."""

    witness: Witness
    facts: list[Fact]
    readings: Writing

    def say(self, subject: Mention, attribute: Attribute, value: str | int | None) -> None:
        """An attribute, if it is said."""
        if value is not None and value != "":
            self.facts.append(Statement(subject, attribute, value, self.witness))

    def tie(self, subject: Mention, tie: Tie, other: Mention | None) -> None:
        """A relation, if there is the other."""
        if other is not None:
            self.facts.append(Relation(subject, tie, other, self.witness))

    def measure(self, subject: Mention, metric: Metric, value: float | None, presence: Presence) -> None:
        """A value of a member that is `presence`: MEASURED where it is there."""
        there = presence is Presence.MEASURED
        self.readings.add(subject, metric, value if there else None, presence if not there else Presence.BLANK)

    def judge(self, subject: Mention, type: str, true: bool) -> None:
        """A condition that is true or false."""
        self.facts.append(Condition(subject, type, Status.TRUE if true else Status.FALSE, self.witness))

    def state(self, subject: Mention, member: reading.Fields) -> Presence:
        """Its condition; whether its numbers count."""
        status = member.within("Status")
        state, health = status.text("State", ""), status.text("Health", "")
        if state in _NOT_THERE:
            return Presence.ABSENT
        if state or health:
            self.facts.append(
                Condition(
                    subject,
                    "Healthy",
                    _HEALTH.get(health, Status.UNKNOWN),
                    self.witness,
                    reason=reading.name(health),
                    message=canonical.clean_text(state),
                )
            )
        return Presence.MEASURED


def number(fields: reading.Fields, name: str) -> float | None:
    """A number, or None where the service has none.

    Raises:
        BadInput: it is something else.
    """
    value = fields.raw(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{fields.place(name)}: expected a number or null, found `{reading.shown(value)}`")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not abs(found) <= _LARGEST:
        raise BadInput(f"{fields.place(name)}: `{reading.shown(value)[:40]}` is out of range")
    return found


def text(fields: reading.Fields, name: str) -> str:
    """A name; empty where there is none."""
    return reading.name(fields.text(name, ""))


def link(fields: reading.Fields, name: str) -> str:
    """The path that a reference points at; empty where there is none."""
    return path(fields.within(name).text("@odata.id", ""))


def path(text: str) -> str:
    """A path within a service without its fragment; empty for anything that is none."""
    found = reading.name(text).partition("#")[0].rstrip("/")
    return found if found.startswith("/") else ""


def fragment(text: str) -> str:
    """Which part of a resource a reference points at: `PowerSupplies/0`; empty for all of it."""
    return reading.name(text.partition("#")[2]).strip("/")
