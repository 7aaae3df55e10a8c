"""The proposal played on the estate of the decision: what is in flight first, then each step in turn.

Pure. `deciding` uses it; the kernel does not (it plays for itself).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from estate import conditions, effects
from estate.changes import Footprint, ScaleMachineGroup
from estate.effects import Effect, Step
from estate.ids import NodeId, RackId
from estate.results import Refusal
from estate.snapshots import Snapshot
from policies import domains, forecasts
from policies.domains import Counts


@dataclass(frozen=True)
class Play:
    """The steps that could be laid out, the estate before each and after it, and why the next could not be."""

    base: Snapshot
    asked: tuple[Step, ...]
    steps: tuple[Step, ...]
    states: tuple[Snapshot, ...]
    """The estate after each of `steps`."""
    footprint: Footprint
    refusal: Refusal | None

    @property
    def after(self) -> Snapshot:
        """The estate after the last step that could be laid out."""
        return self.states[-1] if self.states else self.base

    def before(self, index: int) -> Snapshot:
        """The estate before the step at `index`."""
        return self.states[index - 1] if index else self.base

    @cached_property
    def matches(self) -> bool:
        """Whether the steps are exactly those that were proposed."""
        return self.refusal is None and self.steps == self.asked

    @cached_property
    def unplayed(self) -> dict[NodeId, int]:
        """The watts that the steps beyond the refusal wanted to add to each node, as proposed."""
        return forecasts.wanted(self.after, self.asked[len(self.steps) :])

    @cached_property
    def disturbed(self) -> Counts:
        """How many of the steps disturb each failure domain; those beyond the refusal as they are named."""
        laid = (domains.disturbed(s.change, self.before(n), self.states[n]) for n, s in enumerate(self.steps))
        beyond = (domains.disturbed(s.change, self.after) for s in self.asked[len(self.steps) :])
        return domains.counted((*laid, *beyond))

    @property
    def _ordered(self) -> Iterable[RackId]:
        groups = (s.change.group for s in self.asked if isinstance(s.change, ScaleMachineGroup))
        pools = (self.base.facts.pool.get(g) for g in groups)
        return (r for p in pools if p is not None for r in p.racks)

    @cached_property
    def racks(self) -> tuple[RackId, ...]:
        """The racks whose nodes are touched, or that machines may come into, by id."""
        nodes = {*self.footprint.nodes, *self.unplayed}
        touched = {r for n in nodes if (r := self.base.rack_of(n)) is not None}
        return tuple(sorted(touched | set(self._ordered)))


def play(
    snapshot: Snapshot,
    steps: Sequence[Step],
    in_flight: Iterable[Step] = (),
    first: int = 1,
    effect: Effect = effects.effect,
) -> Play:
    """Lay out the changes of `steps`, each on the estate that the one before leaves, until one is refused."""
    running = base = joined(snapshot, in_flight)
    laid: list[Step] = []
    states: list[Snapshot] = []
    footprints: list[Footprint] = []
    refusal: Refusal | None = None
    for number, step in enumerate(steps, start=first):
        result = effects.lay_out((step.change,), running, effect)
        if isinstance(result, Refusal):
            refusal = result
            break
        (made,) = result.value.steps
        laid.append(made if number == made.number else made.model_copy(update={"number": number}))
        footprints.append(result.value.footprint)
        running = result.value.after
        states.append(running)
    return Play(base, tuple(steps), tuple(laid), tuple(states), _together(footprints), refusal)


def joined(snapshot: Snapshot, in_flight: Iterable[Step]) -> Snapshot:
    """The estate once what is in flight has arrived. A step that is observed already, or can no longer arrive, adds
    nothing.
    """
    running = snapshot
    for step in in_flight:
        if not conditions.misses(running, step.postconditions):
            continue
        result = effects.effect(step.change, running)
        if not isinstance(result, Refusal):
            running = result.value
    return running


def _together(footprints: Sequence[Footprint]) -> Footprint:
    return Footprint(
        nodes=tuple(sorted({n for f in footprints for n in f.nodes})),
        workloads=tuple(sorted({w for f in footprints for w in f.workloads})),
        tenants=tuple(sorted({t for f in footprints for t in f.tenants})),
        disrupted_replicas=sum(f.disrupted_replicas for f in footprints),
    )
