"""A plan in words and numbers: what was gained against the bound, each move with its reason, what is still short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from estate import gangs
from estate.changes import CopyWorkload, CordonNode
from estate.ids import ClusterId, NodeId, TenantId
from estate.law import DisruptionConsent
from estate.snapshots import Snapshot
from estate.workloads import Binding
from tools.placement import relaxing
from tools.placement.planning.goals import Posed
from tools.placement.planning.ordering import Done, Ordering
from tools.placement.planning.plans import Gain, Goal, Late, Left, Move, Plan, Repack
from tools.placement.planning.seats import Guest
from tools.placement.planning.wishes import fitting
from tools.placement.reasons import explain


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a goal: the estate before, the steps that were taken, and what is known of the rest."""

    snapshot: Snapshot
    ordering: Ordering
    before: int
    bound: int
    left: Sequence[Left]
    considered: str
    fences: tuple[CordonNode, ...] = ()


def told(goal: Goal, posed: Posed, outcome: Outcome) -> Plan:
    """The plan."""
    ordering = outcome.ordering
    after = posed.count(ordering.snapshot, ordering.engine)
    bound = max(outcome.bound, after)
    wanted = bound if isinstance(goal, Repack) else posed.most + sum(len(k.replicas) for k in posed.left)
    met = after >= wanted and not outcome.left
    homes, short = _homes(posed, ordering, after)
    minutes = ordering.done[-1].ends_after if ordering.done else 0
    met = met and not short
    return Plan(
        aim=posed.aim,
        met=met,
        short="" if met else short or f"{after} of {wanted} {posed.counts}",
        gain=Gain.told(posed.counts, outcome.before, after, bound),
        moves=tuple(_move(n, done, posed) for n, done in enumerate(ordering.done, start=1)),
        disturbed=ordering.disturbed,
        budget=ordering.budget,
        left=tuple(outcome.left),
        homes=homes,
        consent=_consent(outcome.snapshot, ordering),
        minutes=minutes,
        done=ordering.deadlines.at(minutes),
        fences=outcome.fences,
        considered=outcome.considered,
    )


def late(posed: Posed, ordering: Ordering, had: int, minutes: int, since: datetime) -> Iterator[Late]:
    """What a plan without a limit of time gains beyond `had`, once the time is up, step by step."""
    for done in ordering.done:
        now = posed.count(done.after, ordering.engine)
        if done.ends_after > minutes and now > had:
            at = since + timedelta(minutes=done.ends_after)
            yield Late(count=now - had, of=posed.counts, minutes=done.ends_after, at=at)
            had = now


def no_home(posed: Posed, ordering: Ordering, guest: Guest) -> str:
    """Why one replica has no seat, on the estate as the plan leaves it."""
    estate, workload = ordering.snapshot, guest.workload
    everywhere = frozenset(n.id for n in estate.nodes()) if posed.terms.only is None else posed.terms.only
    open_to = everywhere - posed.terms.avoid
    own = open_to if guest.across else frozenset(n for n in open_to if _cluster(estate, n) == workload.cluster)
    if not own:
        return f"no node of cluster {workload.cluster} is left; only another cluster would do, with all of it"
    replicas = tuple(range(workload.replicas)) if guest.across else (guest.replica,)
    wish, attempt = fitting(ordering.engine, estate, workload, replicas, own)
    if attempt.complete:
        used = f"{ordering.disturbed} of {ordering.budget} moves are used"
        return f"it would fit alone; together with the others, or its gang, no seat was found for it ({used})"
    assert attempt.room is not None, "every attempt says what it left"
    here = np.array([n in own for n in wish.columns.ids], dtype=np.bool_)
    reasons = explain(wish, {c: mask & here for c, mask in attempt.last.items()}, attempt.room)
    told = "; ".join(f"{r.nodes} nodes: {r.constraint} ({r.found})" for r in reasons[:4])
    return f"no lawful, powered home: {told}"


def _cluster(estate: Snapshot, name: NodeId) -> ClusterId | None:
    node = estate.node(name)
    return node.cluster if node else None


def _homes(posed: Posed, ordering: Ordering, after: int) -> tuple[tuple[Binding, ...], str]:
    """Where that fits which room was made for; where not all of it does, what would help."""
    if posed.wish is None:
        return (), ""
    replicas = tuple(g.replica for g in posed.guests if g.binding is None)
    wish, attempt = fitting(ordering.engine, ordering.snapshot, posed.wish, replicas, posed.inside)
    homes = tuple(attempt.bindings)
    if attempt.complete:
        minutes, nodes = ordering.done[-1].ends_after if ordering.done else 0, {b.node for b in homes}
        return homes, ordering.deadlines.missed(wish.snapshot, wish.columns, minutes, {wish.workload.id: nodes})
    return homes, f"{after} of {posed.most} {posed.counts}; {relaxing.nearest(wish, attempt)}"


def _move(number: int, done: Done, posed: Posed) -> Move:
    replicas = tuple(b.replica for b in done.bindings)
    return Move(
        number=number,
        workload=done.group.workload,
        replicas=replicas,
        sources=tuple(dict.fromkeys(done.sources)),
        targets=tuple(dict.fromkeys(b.node for b in done.bindings)),
        accelerators=sum(len(b.accelerators) for b in done.bindings),
        reason=_reason(done, posed),
        ends_after=done.ends_after,
        changes=done.changes,
    )


def _reason(done: Done, posed: Posed) -> str:
    if done.parked:
        return "waits here until its place is free: it and another wait for each other"
    named = any((done.group.workload, b.replica) in posed.named for b in done.bindings)
    across = "; all of it, to another cluster" if isinstance(done.changes[0], CopyWorkload) else ""
    return f"{posed.aim if named else posed.why}{across}"


def _consent(snapshot: Snapshot, ordering: Ordering) -> tuple[TenantId, ...]:
    """Whoever of the disturbed wants to be asked first."""
    facts = snapshot.facts.tenant
    touched = gangs.tenants_of(snapshot, {w for d in ordering.done for w in d.stops})
    return tuple(sorted(t for t in touched if t not in facts or facts[t].disruption is DisruptionConsent.APPROVAL))
