"""What would let an ask in: one thing changed, the question put again, and kept only if everything then fits.

Called by `explaining` and `offers`. A search without one constraint finds the nodes that miss it least; the change is
made to the estate or to the ask (`making`), and the engine places again under all constraints. So each relaxation was
computed, and says in figures what it takes. The law is none: no axis of sovereignty is ever relaxed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from estate import changes as estate_changes
from estate import pledges
from estate.records import Model, later
from estate.snapshots import Snapshot
from tools.placement import relaxing, yielding
from tools.placement.attempts import Attempt
from tools.placement.constraints import sizes
from tools.placement.constraints.devices import least_limit
from tools.placement.constraints.kinds import AXES, Constraint
from tools.placement.constraints.rules import models_on
from tools.placement.constraints.table import RULES, mentioned
from tools.placement.offering import recutting
from tools.placement.offering.aside import MOVED_FOR, aside
from tools.placement.offering.cases import Case, Change
from tools.placement.offering.making import APPLIED, least_memory, rails, with_contract
from tools.placement.offering.ordering import orders
from tools.placement.port import Ask, Placement
from tools.placement.searching import search

_THEIRS = frozenset(
    {
        Constraint.AVOID,
        Constraint.SITE,
        Constraint.NVLINK,
        Constraint.TOGETHER,
        Constraint.SPREAD,
        Constraint.MODEL,
        Constraint.MEMORY,
        Constraint.LIMIT,
        Constraint.SIZE,
        Constraint.LOCALITY,
        Constraint.RAILS,
        Constraint.CLUSTER,
    }
)
"""What whoever asks can change by themselves."""


class Relaxation(Model):
    """One change that would let it in."""

    constraint: str
    """What it relaxes; `replicas` where less is asked for."""
    says: str
    """In the hardware's words."""
    plain: str
    """In the contract's own words; empty where only the platform's people can do it."""
    changes: tuple[estate_changes.Change, ...] = later(())
    """What a proposal would hold to bring it about, where a change is there for it."""


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A relaxation with the estate and the ask that it leads to, and the homes that are found there."""

    relaxation: Relaxation
    snapshot: Snapshot
    ask: Ask
    placement: Placement

    @property
    def theirs(self) -> bool:
        """Whether whoever asks can do it by themselves."""
        return bool(self.relaxation.plain)


def relaxations(case: Case) -> Iterator[Relaxed]:
    """Every single change that was found to let it in, from the cheapest; less of the same comes late, more machines
    last.
    """
    concerned = mentioned(case.wish)
    for constraint in (c for c in Constraint if c in concerned):
        if constraint not in AXES.values():
            yield from _one(case, constraint)
        if constraint is Constraint.FREE:
            yield from _yielded(case)
    yield from _recut(case)
    yield from _fewer(case)
    yield from _ordered(case)


def _one(case: Case, constraint: Constraint) -> Iterator[Relaxed]:
    if constraint is Constraint.CLUSTER:
        yield from _whole(case)
        return
    attempt = search(case.wish, constraint, relaxing.misses(case.wish, constraint))
    if not attempt.complete:
        return
    if constraint in MOVED_FOR and (found := aside(case, constraint)) is not None:
        yield from _tried(case, constraint, found.words(), "", (found.snapshot, case.ask))
    says, easing = relaxing.words(case.wish, attempt, constraint), RULES[constraint].eased
    if easing is not None:
        eased = easing(case.wish, attempt)
        changed = pledges.revised(case.snapshot, case.workload, eased.over)
        yield from _tried(case, constraint, says, eased.says, (changed, case.ask))
        return
    yield from _tried(case, constraint, says, _plain(case, attempt, constraint), APPLIED[constraint](case, attempt))


def _tried(case: Case, constraint: Constraint | str, says: str, plain: str, change: Change) -> Iterator[Relaxed]:
    """The relaxation, if everything fits once it is made."""
    answer = case.engine.place(*change)
    if isinstance(answer, Placement):
        yield Relaxed(Relaxation(constraint=str(constraint), says=says, plain=plain), *change, answer)


def _whole(case: Case) -> Iterator[Relaxed]:
    """All of it together in another cluster, and so perhaps in another region."""
    if case.wish.whole:
        return
    ask = replace(case.ask, replicas=tuple(range(case.workload.replicas)))
    answer = case.engine.place(case.snapshot, ask)
    if isinstance(answer, Placement):
        at = answer.bindings[0].node
        node, site = case.snapshot.node(at), case.snapshot.site_of(at)
        assert node is not None, "it was placed there"
        every = f"move all {case.workload.replicas} replicas of `{case.workload.id}` together"
        says, plain = f"{every} to cluster `{node.cluster}` at `{site}`", f"{every} to the region {site}"
        yield Relaxed(
            Relaxation(constraint=str(Constraint.CLUSTER), says=says, plain=plain), case.snapshot, ask, answer
        )


def _fewer(case: Case) -> Iterator[Relaxed]:
    """As many replicas as fit, and replicas as large as fit."""
    attempt = search(case.wish)
    if attempt.bindings:
        few = replace(case.ask, replicas=tuple(sorted(case.ask.replicas))[: len(attempt.bindings)])
        says = f"ask for {len(few.replicas)} instead of {attempt.wanted} replicas"
        yield from _tried(case, "replicas", says, says, (case.snapshot, few))
    needed = case.wish.needed
    for size in range(needed - 1, 0, -1):
        snapshot = with_contract(case, accelerators_per_replica=size)
        says = f"ask for {size} instead of {needed} accelerators in each replica"
        found = list(_tried(case, "replicas", says, says, (snapshot, case.ask)))
        if found:
            yield found[0]
            return


def _recut(case: Case) -> Iterator[Relaxed]:
    """Boards that nobody holds are cut, or cut anew, into what is asked for: by a change of Placet's if one does."""
    for recut, answer in recutting.told(case):
        told = Relaxation(
            constraint=str(Constraint.SIZE), says=recut.says, plain="", changes=(recut.change,) if recut.change else ()
        )
        yield Relaxed(told, recut.snapshot, case.ask, answer)
        return
    for recut in recutting.by_hand(case):
        if found := list(_tried(case, Constraint.SIZE, recut.says, "", (recut.snapshot, case.ask))):
            yield found[0]
            return


def _ordered(case: Case) -> Iterator[Relaxed]:
    """Machines ordered of a group that facts know, with the change that orders them."""
    for order in orders(case):
        for found in _tried(case, "machines", order.says, "", (order.snapshot, case.ask)):
            told = found.relaxation.model_copy(update={"changes": (order.change,)})
            yield replace(found, relaxation=told)


def _yielded(case: Case) -> Iterator[Relaxed]:
    """Work of a lower priority that may be stopped, stopped."""
    found = yielding.preemption(case.engine, case.wish)
    if found is not None:
        yield from _tried(case, Constraint.FREE, found.preemption.says, "", (found.snapshot, case.ask))


def _plain(case: Case, attempt: Attempt, constraint: Constraint) -> str:
    """What the holder of the contract would have to accept; empty where it is not theirs to change."""
    if constraint not in _THEIRS:
        return ""
    columns, rows = case.wish.columns, np.array(attempt.rows)
    match constraint:
        case Constraint.SITE:
            sites = sorted({columns.names.sites[columns.site[r]] for r in attempt.rows})
            return f"allow the region {', '.join(sites)}"
        case Constraint.MODEL:
            return f"accept the model {', '.join(models_on(columns, rows))}"
        case Constraint.MEMORY:
            return f"accept accelerators of {least_memory(case, rows)} MiB"
        case Constraint.LIMIT:
            return f"accept accelerators that are limited to {least_limit(case.wish, attempt)} W"
        case Constraint.SIZE:
            return f"accept {sizes.called(sizes.instead(case.wish))}"
        case Constraint.LOCALITY:
            return "accept accelerators that are not all near to each other"
        case Constraint.RAILS:
            return f"accept {rails(case, attempt)} rails for each replica"
        case Constraint.TOGETHER:
            return "accept replicas that stand further apart"
        case Constraint.SPREAD:
            return "accept replicas that may fail together"
        case Constraint.NVLINK:
            return "accept accelerators that are not all directly connected"
        case _:
            return "do not rule out so many places"
