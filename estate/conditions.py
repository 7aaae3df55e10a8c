"""Typed facts about one thing: the preconditions and postconditions of a change.

A condition names the thing, the uid its system gave it, a field of a closed set, and the value that a decision read
(precondition) or that verification expects (postcondition).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from estate.ids import NodeId, Uid, WorkloadId
from estate.records import Model
from estate.snapshots import Snapshot
from estate.things import Thing, ThingKind
from estate.workloads import Workload

type Value = None | bool | int | str | tuple[str, ...]


class Field(StrEnum):
    """What a condition may speak of."""

    CORDONED = "cordoned"
    HEALTH = "health"
    POWER_CAP_WATTS = "power_cap_watts"
    CLUSTER = "cluster"
    REPLICAS = "replicas"
    BINDINGS = "bindings"


class Condition(Model):
    """`about`, known by `uid`, has `equals` in `field`."""

    about: Thing
    uid: Uid
    field: Field
    equals: Value


class Miss(Model):
    """A condition that does not hold, with what was found instead."""

    condition: Condition
    found: Value
    fault: str


def written_bindings(workload: Workload) -> tuple[str, ...]:
    """The bindings as sorted text: one form for condition and diff.

    `replica@node:index,index`, or `node×devices` for each replica of a counted workload.
    """
    if workload.counted:
        return tuple(sorted(f"{b.node}×{len(b.accelerators)}" for b in workload.bindings))
    return tuple(
        f"{b.replica}@{b.node}:{','.join(str(i) for i in sorted(b.accelerators))}"
        for b in sorted(workload.bindings, key=lambda b: b.replica)
    )


def read(snapshot: Snapshot, about: Thing, field: Field) -> tuple[Uid | None, Value]:
    """The uid and value that the snapshot has; the uid is None when the thing is unknown."""
    match about.kind, field:
        case ThingKind.NODE, Field.CORDONED | Field.HEALTH | Field.POWER_CAP_WATTS | Field.CLUSTER:
            node = snapshot.node(NodeId(about.id))
            return (node.uid, getattr(node, field.value)) if node else (None, None)
        case ThingKind.WORKLOAD, Field.REPLICAS | Field.CLUSTER:
            workload = snapshot.workload(WorkloadId(about.id))
            return (workload.uid, getattr(workload, field.value)) if workload else (None, None)
        case ThingKind.WORKLOAD, Field.BINDINGS:
            workload = snapshot.workload(WorkloadId(about.id))
            return (workload.uid, written_bindings(workload)) if workload else (None, None)
        case _:
            return None, None


def observed(snapshot: Snapshot, about: Thing, *fields: Field) -> tuple[Condition, ...]:
    """The conditions that are true of the snapshot now, in the order of `fields`; none when the thing is unknown."""
    found = ((field, *read(snapshot, about, field)) for field in fields)
    return tuple(Condition(about=about, uid=u, field=f, equals=value) for f, u, value in found if u is not None)


def misses(snapshot: Snapshot, conditions: Iterable[Condition]) -> tuple[Miss, ...]:
    """Those that do not hold, in order."""
    return tuple(m for c in conditions if (m := _miss(snapshot, c)) is not None)


def _miss(snapshot: Snapshot, condition: Condition) -> Miss | None:
    uid, value = read(snapshot, condition.about, condition.field)
    if uid is None:
        return Miss(condition=condition, found=None, fault="is gone")
    if uid != condition.uid:
        return Miss(condition=condition, found=str(uid), fault="was replaced (another uid)")
    if value != condition.equals:
        return Miss(condition=condition, found=value, fault="has another value")
    return None
