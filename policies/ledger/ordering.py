"""No append, no warrant; no warrant, no change: the order of entries that a whole ledger must show.

`policies.ledger.verifying` asks this of every entry of the install log, in order. It needs leaves only, so that a
ledger whose bodies were erased is still held to it; whether a decision was a permit stands in the body, and an erased
one is taken at its word. Step numbers stand in the keys (`step:<proposal>:<number>:do:started`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from estate.canonical import Json
from estate.ids import Digest
from policies.ledger.port import EntryKind

_NEEDS = {
    EntryKind.DECIDED: (EntryKind.PROPOSED,),
    EntryKind.APPROVED: (EntryKind.PROPOSED,),
    EntryKind.DENIED: (EntryKind.PROPOSED,),
    EntryKind.ISSUED: (EntryKind.DECIDED,),
    EntryKind.CONSUMED: (EntryKind.ISSUED,),
    EntryKind.RESUMED: (EntryKind.CONSUMED,),
    EntryKind.STEP_STARTED: (EntryKind.CONSUMED,),
    EntryKind.STEP_FAILED: (EntryKind.CONSUMED,),
    EntryKind.NOTIFIED: (EntryKind.CONSUMED,),
    EntryKind.PRESERVED: (EntryKind.CONSUMED,),
    EntryKind.CANARY_STARTED: (EntryKind.CONSUMED, EntryKind.STEP_APPLIED),
    EntryKind.CANARY_PASSED: (EntryKind.CANARY_STARTED,),
    EntryKind.OUTCOME: (EntryKind.CONSUMED,),
    EntryKind.POST_CHECKED: (EntryKind.OUTCOME,),
}
"""What must stand before an entry of a proposal. A step may fail before it was started: nothing was written then."""

_STEP_NEEDS = {
    EntryKind.STEP_APPLIED: (EntryKind.STEP_STARTED,),
    EntryKind.UNDO_STARTED: (EntryKind.STEP_STARTED,),
    EntryKind.UNDO_APPLIED: (EntryKind.UNDO_STARTED, EntryKind.STEP_FAILED),
    EntryKind.UNDO_FAILED: (EntryKind.STEP_STARTED, EntryKind.STEP_FAILED),
}
"""What must stand before an entry of the same step: any one of these."""

_OWED = frozenset({EntryKind.NOTIFIED, EntryKind.PRESERVED, EntryKind.CANARY_STARTED, EntryKind.CANARY_PASSED})
_ONCE = frozenset(
    {EntryKind.PROPOSED, EntryKind.ISSUED, EntryKind.CONSUMED, EntryKind.OUTCOME, EntryKind.POST_CHECKED, *_OWED}
)
_STEPS = frozenset({EntryKind.STEP_STARTED, EntryKind.STEP_FAILED, *_STEP_NEEDS})
_EXECUTES = frozenset({EntryKind.ISSUED, EntryKind.CONSUMED, EntryKind.RESUMED, *_OWED, *_STEPS})


class Placed(Protocol):
    """What of a leaf its order depends on."""

    @property
    def key(self) -> str:
        """Its key, unique over the ledger."""

    @property
    def entry(self) -> EntryKind:
        """What it says."""

    @property
    def proposal(self) -> Digest | None:
        """What it is about."""


@dataclass(slots=True)
class _Course:
    """How far one proposal has come."""

    seen: set[EntryKind] = field(default_factory=set)
    permitted: bool = False
    steps: set[tuple[int, EntryKind]] = field(default_factory=set)


class Order:
    """The courses of all proposals so far."""

    def __init__(self) -> None:
        self._courses: dict[Digest, _Course] = {}
        self._keys: set[str] = set()

    def fault(self, leaf: Placed, *, permitted: bool) -> str | None:
        """Why this entry may not stand here, or None; `permitted` is what a decision says."""
        if leaf.key in self._keys:
            return f"key `{leaf.key}` stands in an earlier entry already"
        self._keys.add(leaf.key)
        if leaf.proposal is None:
            return f"`{leaf.entry.value}` names no proposal" if leaf.entry in {*_NEEDS, *_STEP_NEEDS} else None
        course = self._courses.setdefault(leaf.proposal, _Course())
        fault = _fault_of_proposal(leaf, course) or _fault_of_step(leaf, course)
        _advance(course, leaf, permitted)
        return fault


def _fault_of_proposal(leaf: Placed, course: _Course) -> str | None:
    kind = leaf.entry
    if kind in _ONCE and kind in course.seen:
        return f"`{kind.value}` a second time for one proposal"
    if kind in _EXECUTES and EntryKind.OUTCOME in course.seen:
        return f"`{kind.value}` after the outcome"
    for needed in _NEEDS.get(kind, ()):
        if needed not in course.seen:
            return f"`{kind.value}` without `{needed.value}` before it"
    if kind is EntryKind.ISSUED and not course.permitted:
        return "`issued` without a permit as the last decision before it"
    return None


def _fault_of_step(leaf: Placed, course: _Course) -> str | None:
    if leaf.entry not in _STEPS:
        return None
    number = step_of(leaf.key)
    if number is None:
        return f"`{leaf.entry.value}` whose key names no step"
    needed = _STEP_NEEDS.get(leaf.entry, ())
    if needed and not any((number, kind) in course.steps for kind in needed):
        return f"`{leaf.entry.value}` of step {number} without `{needed[0].value}` before it"
    return None


def _advance(course: _Course, leaf: Placed, permitted: bool) -> None:
    course.seen.add(leaf.entry)
    if leaf.entry is EntryKind.DECIDED:
        course.permitted = permitted
    if (number := step_of(leaf.key)) is not None:
        course.steps.add((number, leaf.entry))


def permits(body: Mapping[str, Json]) -> bool:
    """Whether the body of a decision says that it was a permit."""
    verdict = body.get("verdict")
    return isinstance(verdict, dict) and verdict.get("decision") == "permit"


def step_of(key: str) -> int | None:
    """The number of the step that a key names, or None."""
    parts = key.split(":")
    if len(parts) < 5 or parts[0] != "step" or parts[-2] not in {"do", "undo"}:
        return None
    number = parts[-3]
    return int(number) if number.isascii() and number.isdigit() else None
