"""`effect` says what a change does; `lay_out` turns ordered changes into steps with conditions and inverses.

Twin, rehearsal, gate, kernel and executor all use these two; nobody else decides what a change does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from estate.changes import Change, Footprint, NoInverse
from estate.changes.kinds import workload_thing
from estate.conditions import Condition
from estate.records import Model
from estate.results import Ok, Refusal, Result
from estate.snapshots import Snapshot
from estate.things import Thing


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


def effect(change: Change, snapshot: Snapshot) -> Result[Snapshot]:
    """The estate after `change`, or why it has no effect on `snapshot`."""
    return change.effect(snapshot)


def written(change: Change, before: Snapshot) -> tuple[Thing, ...]:
    """Everything that `change` writes, its target first: whoever stores an effect stores these and nothing else."""
    workloads = (workload_thing(w) for w in change.disrupts(before))
    return tuple(dict.fromkeys((change.target(), *workloads)))


def lay_out(changes: Iterable[Change], snapshot: Snapshot) -> Result[Layout]:
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
