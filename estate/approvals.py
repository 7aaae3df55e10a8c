"""Approvals: a human's signed word over one proposal digest and the digest of the diff that was shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from estate import manifests
from estate.changes import ApplyManifest, Change, DeleteObject, ReserveCapacity
from estate.conditions import Condition, Value
from estate.effects import Step
from estate.identities import Subject
from estate.ids import Digest, IncidentId, InstallationId, TenantId
from estate.objects import Held
from estate.records import Model, Record, Time
from estate.things import ThingKind
from estate.words import Word

__all__ = ["Approval", "Diff", "DiffLine", "Word", "diff_line"]


class Approval(Record):
    """The payload of a DSSE envelope signed by the approver's own key."""

    kind: Literal["placet.approval"] = "placet.approval"
    v: Literal[1] = 1
    installation: InstallationId
    incident: IncidentId
    proposal: Digest
    diff: Digest
    word: Word
    approver: Subject
    reason: str = ""
    at: Time


class DiffLine(Model):
    """One step as an approver sees it: the change in words, and each field from what to what."""

    step: int
    change: str
    before: tuple[tuple[str, Value], ...]
    after: tuple[tuple[str, Value], ...]
    undo: str


class Diff(Record):
    """What an approver is shown. For an approver of one tenant it holds that tenant's part only."""

    kind: Literal["placet.diff"] = "placet.diff"
    v: Literal[1] = 1
    proposal: Digest
    tenant: TenantId | None = None
    lines: tuple[DiffLine, ...]
    elsewhere: int = 0
    """Steps that concern other tenants only, and are not shown."""


def diff_line(step: Step) -> DiffLine:
    """One step in an approver's words; of an object all that it states, because nobody reads a digest."""
    undo = step.inverse.reason if step.inverse.kind == "NoInverse" else step.inverse.describe()
    return DiffLine(
        step=step.number,
        change=step.change.describe(),
        before=tuple(_told(step.preconditions, _stated(step.change, after=False))),
        after=tuple(_told(step.postconditions, _stated(step.change, after=True))),
        undo=undo,
    )


def _told(conditions: Iterable[Condition], stated: tuple[tuple[str, Value], ...]) -> Iterator[tuple[str, Value]]:
    for condition in conditions:
        if condition.about.kind in _STATED and condition.equals is not None:
            yield from stated
        else:
            yield f"{condition.about}.{condition.field.value}", condition.equals


_STATED = frozenset({ThingKind.OBJECT, ThingKind.RESERVATION})


def _stated(change: Change, *, after: bool) -> tuple[tuple[str, Value], ...]:
    match change:
        case ApplyManifest() if after:
            return manifests.lines(change.manifest)
        case ApplyManifest(before=Held() as held) | DeleteObject(before=held) if not after:
            return manifests.lines(held.manifest)
        case ReserveCapacity() if after:
            return change.terms.lines()
        case _:
            return ()
