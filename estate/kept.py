"""What stood before a change: things as JSON text, word for word as their system gave them.

Text and not a form, because an object of somebody's may hold what has no canonical form (a float, a character that
turns a line around), and must be kept all the same. The digest is over the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from estate import canonical
from estate.effects import Step
from estate.ids import Digest, NodeId, ObjectId, WorkloadId
from estate.records import Model
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.things import Thing, ThingKind

ABSENT = "null"


class Kept(Model):
    """One thing as it stood."""

    about: Thing
    state: str
    """JSON in ASCII; `null` where nothing was there."""

    @classmethod
    def of(cls, about: Thing, form: Any) -> Kept:
        """A thing by any form that JSON can write."""
        return cls(about=about, state=json.dumps(form, sort_keys=True, separators=(",", ":")))


def digest_of(things: Iterable[Kept]) -> Digest:
    """The one name of all of them, in their order."""
    return canonical.digest_of([t.json_form() for t in things])


def named(steps: Iterable[Step]) -> tuple[Thing, ...]:
    """The things that the steps write, each once: their targets, and the workloads of which they read the places."""
    found = (t for s in steps for t in (s.change.target(), *(_workload(w) for w in workloads_of(s))))
    return tuple(dict.fromkeys(found))


def workloads_of(step: Step) -> tuple[WorkloadId, ...]:
    """The workloads of which a step's conditions speak, sorted."""
    found: set[str] = set()
    for condition in (*step.preconditions, *step.postconditions):
        match condition.about.kind:
            case ThingKind.WORKLOAD:
                found.add(condition.about.id)
            case ThingKind.RESIDENT:
                found.add(condition.about.id.partition("@")[0])
            case ThingKind.NODE if isinstance(condition.equals, tuple) and condition.field == "bindings":
                found.update(text.partition(" ")[0] for text in condition.equals)
            case _:
                continue
    return tuple(sorted(WorkloadId(w) for w in found))


def seen(snapshot: Snapshot, about: Thing) -> Kept:
    """A thing as an estate shows it."""
    match about.kind:
        case ThingKind.NODE:
            found: Any = snapshot.node(NodeId(about.id))
        case ThingKind.OBJECT:
            found = snapshot.object(ObjectId(about.id))
        case ThingKind.RESERVATION | ThingKind.MACHINE_GROUP:
            found = snapshot.stock.get(Ref(about.kind.value, about.id))
        case _:
            found = snapshot.workload(WorkloadId(about.id))
    return Kept.of(about, None if found is None else found.json_form())


def _workload(name: WorkloadId) -> Thing:
    return Thing(kind=ThingKind.WORKLOAD, id=name)
