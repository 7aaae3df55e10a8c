"""Typed facts about one thing: the preconditions and postconditions of a change.

A condition names the thing, the uid its system gave it, a field of a closed set, and the value that a decision read
(precondition) or that verification expects (postcondition).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from estate import layouts
from estate.ids import NodeId, ObjectId, Uid, WorkloadId
from estate.objects import ABSENT, MADE, is_expected
from estate.records import Model
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.things import Thing, ThingKind
from estate.uses.clusters import MachineGroup
from estate.uses.reservations import WORD, Reservation
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
    """Which replicas are bound: of a workload, of a workload on one node (a resident), or of everybody on a node."""
    TAINTS = "taints"
    FORM = "form"
    """What Placet holds of an object, by its digest; None where the object is not there."""
    LAYOUT = "layout"
    """How the accelerators of a node are cut: how many devices of each size."""
    TERMS = "terms"
    """What was reserved, by its digest; None where the reservation is not there."""
    MACHINES = "machines"
    """How many machines a group shall have."""
    MACHINES_READY = "machines_ready"
    """How many of them work."""


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


def told(condition: Condition, value: Value) -> str:
    """A value of the condition's field as everybody concerned may read it.

    What stands on a node is the business of several tenants: of that, only how much there is.
    """
    if condition.about.kind is ThingKind.NODE and isinstance(value, tuple) and condition.field is Field.BINDINGS:
        return f"{len(value)} bound"
    return str(value)


def written_bindings(workload: Workload, on: NodeId | None = None) -> tuple[str, ...]:
    """The bindings (on one node, or everywhere) as sorted text: one form for condition and diff.

    `replica@node:index,index`, or `node×devices` for each replica of a counted workload.
    """
    bindings = workload.bindings if on is None else workload.on(on)
    if workload.counted:
        return tuple(sorted(f"{b.node}×{len(b.accelerators)}" for b in bindings))
    return tuple(
        f"{b.replica}@{b.node}:{','.join(str(i) for i in sorted(b.accelerators))}"
        for b in sorted(bindings, key=lambda b: b.replica)
    )


def written_residents(snapshot: Snapshot, node: NodeId) -> tuple[str, ...]:
    """Everything bound to `node` as sorted text: the workload, a space, and what `written_bindings` says of it."""
    return tuple(f"{w.id} {text}" for w in snapshot.workloads_on(node) for text in written_bindings(w, node))


def read(snapshot: Snapshot, about: Thing, field: Field) -> tuple[Uid | None, Value]:
    """The uid and value that the snapshot has; the uid is None when the thing is unknown."""
    match about.kind:
        case ThingKind.NODE:
            return _of_node(snapshot, NodeId(about.id), field)
        case ThingKind.WORKLOAD:
            return _of_workload(snapshot, WorkloadId(about.id), field)
        case ThingKind.RESIDENT:
            workload, _, node = about.id.partition("@")
            return _of_workload(snapshot, WorkloadId(workload), field, NodeId(node))
        case ThingKind.RESERVATION if field is Field.TERMS:
            return of_reservation(snapshot.stock.get(Ref(WORD, about.id)))
        case ThingKind.MACHINE_GROUP:
            return _of_group(snapshot.stock.get(Ref(about.kind.value, about.id)), field)
        case ThingKind.OBJECT if field is Field.FORM:
            seen = snapshot.object(ObjectId(about.id))
            return (seen.uid, seen.value) if seen is not None else (None, None)
        case _:
            return None, None


def of_reservation(found: object) -> tuple[Uid | None, Value]:
    """The uid and value of a reservation, or of none."""
    return (MADE, found.terms.digest) if isinstance(found, Reservation) else (None, None)


def _of_group(found: object, field: Field) -> tuple[Uid | None, Value]:
    """Of a group that no cluster shows nobody knows which one is meant."""
    if not isinstance(found, MachineGroup) or found.uid is None:
        return None, None
    match field:
        case Field.MACHINES:
            return found.uid, found.wanted
        case Field.MACHINES_READY:
            return found.uid, found.ready or 0
        case _:
            return None, None


def _of_node(snapshot: Snapshot, name: NodeId, field: Field) -> tuple[Uid | None, Value]:
    node = snapshot.node(name)
    match field:
        case _ if node is None:
            return None, None
        case Field.CORDONED | Field.HEALTH | Field.POWER_CAP_WATTS | Field.CLUSTER:
            return node.uid, getattr(node, field.value)
        case Field.TAINTS:
            return node.uid, tuple(sorted(str(t) for t in node.taints))
        case Field.LAYOUT:
            return node.uid, layouts.sizes(node)
        case Field.BINDINGS:
            return node.uid, written_residents(snapshot, name)
        case _:
            return None, None


def _of_workload(
    snapshot: Snapshot, name: WorkloadId, field: Field, on: NodeId | None = None
) -> tuple[Uid | None, Value]:
    workload = snapshot.workload(name)
    match field:
        case _ if workload is None:
            return None, None
        case Field.BINDINGS:
            return workload.uid, written_bindings(workload, on)
        case Field.REPLICAS | Field.CLUSTER if on is None:
            return workload.uid, getattr(workload, field.value)
        case _:
            return None, None


def observed(snapshot: Snapshot, about: Thing, *fields: Field) -> tuple[Condition, ...]:
    """The conditions that are true of the snapshot now, in the order of `fields`; none when the thing is unknown."""
    found = ((field, *read(snapshot, about, field)) for field in fields)
    return tuple(Condition(about=about, uid=u, field=f, equals=value) for f, u, value in found if u is not None)


def absent(about: Thing) -> Condition:
    """The condition that a workload is not there."""
    return Condition(about=about, uid=ABSENT, field=Field.REPLICAS, equals=None)


def absent_node(about: Thing) -> Condition:
    """The condition that a node is not there."""
    return Condition(about=about, uid=ABSENT, field=Field.CORDONED, equals=None)


def lasting(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Of conditions in order, those that still count after all of them: the last of any that speak of the same.

    Bindings are told of a workload, of its replicas on one node, or of a whole node. Whoever moves a replica to a node
    after it was emptied does not break the promise that it was emptied, and the other way round.
    """
    last: tuple[Condition, ...] = ()
    for condition in conditions:
        last = (*unspoken(last, condition), condition)
    return last


def unspoken(conditions: Iterable[Condition], by: Condition) -> tuple[Condition, ...]:
    """Those that do not speak of what `by` speaks of."""
    return tuple(c for c in conditions if not _speak_of_the_same(c, by))


def _speak_of_the_same(one: Condition, other: Condition) -> bool:
    if ABSENT in (one.uid, other.uid):
        return _whose(one) == _whose(other)
    if one.field is not other.field:
        return False
    if one.about == other.about or one.field is not Field.BINDINGS:
        return one.about == other.about
    if ThingKind.NODE in (one.about.kind, other.about.kind):
        return not _nodes_told_of(one).isdisjoint(_nodes_told_of(other))
    whole = ThingKind.WORKLOAD in (one.about.kind, other.about.kind)
    return whole and _whose(one) == _whose(other)


def _whose(condition: Condition) -> str:
    """The workload that it is about, or whose replicas; of anything else itself."""
    about = condition.about
    of = about.id.partition("@")[0] if about.kind is ThingKind.RESIDENT else about.id
    kind = ThingKind.WORKLOAD if about.kind is ThingKind.RESIDENT else about.kind
    return f"{kind}/{of}"


def _nodes_told_of(condition: Condition) -> set[str]:
    """The nodes of whose replicas a condition on bindings tells."""
    match condition.about.kind:
        case ThingKind.NODE:
            return {condition.about.id}
        case ThingKind.RESIDENT:
            return {condition.about.id.partition("@")[2]}
        case _:
            texts = condition.equals if isinstance(condition.equals, tuple) else ()
            return {(t.partition("@")[2] or t).partition(":")[0].partition("×")[0] for t in texts}


def misses(snapshot: Snapshot, conditions: Iterable[Condition]) -> tuple[Miss, ...]:
    """Those that do not hold, in order. What nobody looked at, an object's place, is for the live read to tell."""
    return tuple(m for c in conditions if (m := _miss(snapshot, c)) is not None)


def _miss(snapshot: Snapshot, condition: Condition) -> Miss | None:
    return missed(condition, *read(snapshot, condition.about, condition.field))


def missed(condition: Condition, uid: Uid | None, value: Value) -> Miss | None:
    """What a condition finds otherwise in this uid and value; None where it holds."""
    if condition.about.kind is ThingKind.OBJECT and condition.field is Field.FORM:
        return _object_miss(condition, uid, value)
    if condition.uid == ABSENT:
        return Miss(condition=condition, found=str(uid), fault="is there already") if uid is not None else None
    if uid is None:
        return Miss(condition=condition, found=None, fault="is gone")
    if not is_expected(uid, condition.uid):
        return Miss(condition=condition, found=str(uid), fault="was replaced (another uid)")
    if value != condition.equals:
        return Miss(condition=condition, found=value, fault="has another value")
    return None


def _object_miss(condition: Condition, uid: Uid | None, value: Value) -> Miss | None:
    if uid is None or (is_expected(uid, condition.uid) and value == condition.equals):
        return None
    if uid == ABSENT:
        return Miss(condition=condition, found=None, fault="is gone")
    if condition.uid == ABSENT:
        return Miss(condition=condition, found=value, fault="is there already")
    if not is_expected(uid, condition.uid):
        return Miss(condition=condition, found=str(uid), fault="was replaced (another uid)")
    return Miss(condition=condition, found=value, fault="has another value")
