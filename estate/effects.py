"""`effect` says what a change does; `lay_out` turns ordered changes into steps with conditions and inverses.

Twin, rehearsal, gate, kernel and executor all use these two; nobody else decides what a change does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from estate import conditions
from estate.changes import Change, Footprint, NoInverse, ScaleMachineGroup
from estate.changes.kinds import node_thing, workload_thing
from estate.conditions import Condition, Field
from estate.records import Model
from estate.results import Ok, Refusal, Result
from estate.snapshots import Snapshot
from estate.things import Thing, ThingKind


class Step(Model):
    """One change with what was read before it, what must be true after it, and what undoes it."""

    number: int
    change: Change
    preconditions: tuple[Condition, ...]
    postconditions: tuple[Condition, ...]
    inverse: Change | NoInverse


@dataclass(frozen=True, slots=True)
class Layout:
    """Ordered steps, the joint footprint, and the estate that they lead to."""

    steps: tuple[Step, ...]
    footprint: Footprint
    after: Snapshot


type Effect = Callable[[Change, Snapshot], Result[Snapshot]]


def effect(change: Change, snapshot: Snapshot) -> Result[Snapshot]:
    """The estate after `change`, or why it has no effect on `snapshot`."""
    return change.effect(snapshot)


def once() -> Effect:
    """`effect`, computed once for a change of an estate, for as long as whoever asks holds on to it.

    For one decision, in which several parties ask the same. Equal is what is the very same object.
    """
    known: dict[tuple[int, int], tuple[Change, Snapshot, Result[Snapshot]]] = {}

    def remembered(change: Change, snapshot: Snapshot) -> Result[Snapshot]:
        key = id(change), id(snapshot)
        if (found := known.get(key)) is None:
            found = known[key] = change, snapshot, effect(change, snapshot)  # held, so that no id is used again
        return found[2]

    return remembered


def written(change: Change, before: Snapshot) -> tuple[Thing, ...]:
    """Everything that `change` writes, its target first: whoever stores an effect stores these and nothing else."""
    workloads = (workload_thing(w) for w in change.disrupts(before))
    gone = (node_thing(n) for n in (change.leaving if isinstance(change, ScaleMachineGroup) else ()))
    return tuple(dict.fromkeys((change.target(), *workloads, *gone)))


def lay_out(changes: Iterable[Change], snapshot: Snapshot, effect: Effect = effect) -> Result[Layout]:
    """The steps of `changes` in order, each on the estate that the one before leaves."""
    steps: list[Step] = []
    footprint = Footprint()
    running = snapshot
    for number, change in enumerate(changes, start=1):
        result = effect(change, running)
        if isinstance(result, Refusal):
            return result
        steps.append(_step(number, change, running, result.value))
        footprint = _joined(footprint, change.footprint(running))
        running = result.value
    return Ok(Layout(tuple(steps), footprint, running))


def lasting(steps: Iterable[Step]) -> tuple[Condition, ...]:
    """Of what the steps leave true, in order, what still counts after all of them.

    A gang that a step stops begins anew wherever it finds room: what an earlier one said of the places of its other
    members counts no more.
    """
    left: tuple[Condition, ...] = ()
    for step in steps:
        for mate in _stopped_beside(step):
            left = conditions.unspoken(left, mate)
        left = conditions.lasting((*left, *step.postconditions))
    return left


def _stopped_beside(step: Step) -> Iterator[Condition]:
    """The members of gangs that the step found elsewhere: of them it promises nothing."""
    promised = {c.about for c in step.postconditions}
    for read in step.preconditions:
        if read.about.kind is ThingKind.RESIDENT and read.field is Field.BINDINGS and read.about not in promised:
            yield read


def _step(number: int, change: Change, before: Snapshot, after: Snapshot) -> Step:
    return Step(
        number=number,
        change=change,
        preconditions=change.preconditions(before),
        postconditions=change.postconditions(after),
        inverse=change.inverse(before),
    )


def _joined(one: Footprint, other: Footprint) -> Footprint:
    return Footprint(
        nodes=tuple(sorted({*one.nodes, *other.nodes})),
        workloads=tuple(sorted({*one.workloads, *other.workloads})),
        tenants=tuple(sorted({*one.tenants, *other.tenants})),
        disrupted_replicas=one.disrupted_replicas + other.disrupted_replicas,
    )
