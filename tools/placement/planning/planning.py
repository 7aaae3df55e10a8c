"""From a goal to a plan: pose it, read the estate as a problem, solve, and put the moves in order.

Pure: the same snapshot, goal, time and effort give the same plan. Nothing is written; a plan becomes changes of a
proposal, and the gate decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from estate.errors import BadInput
from estate.ids import WorkloadId
from estate.snapshots import Snapshot
from tools.placement.planning import goals
from tools.placement.planning.goals import Posed
from tools.placement.planning.ordering import Group, Ordering, Target
from tools.placement.planning.plans import Evacuate, Fill, Free, Goal, Left, Plan, Repack
from tools.placement.planning.problems import NOWHERE, Seating
from tools.placement.planning.reading import Scene, read
from tools.placement.planning.seats import Guest
from tools.placement.planning.solving import Effort, solve
from tools.placement.planning.telling import Outcome, no_home, told

EFFORT = Effort(rounds=30, racks=8, each=0.2, whole=2.0)
"""Some seconds of one core at most."""


def plan(snapshot: Snapshot, goal: Goal, now: datetime | None = None, effort: Effort = EFFORT) -> Plan:
    """The plan for a goal. Raises BadInput where it names what is not in the estate, or a time that has passed."""
    budget = _budget(goal, now)
    match goal:
        case Repack():
            posed = goals.repack(snapshot, goal)
        case Free():
            posed = goals.free(snapshot, goal)
        case Fill():
            posed = goals.fill(snapshot, goal)
        case Evacuate():
            posed = goals.evacuate(snapshot, goal)
    found = _planned(snapshot, goal, posed, budget, effort)
    if not isinstance(goal, Evacuate) or found.gain.after == posed.most:
        return found
    helped = _planned(snapshot, goal, goals.evacuate(snapshot, goal, goals.MOST_GUESTS), budget, effort)
    return max((found, helped), key=lambda p: p.gain.after)


def _budget(goal: Goal, now: datetime | None) -> int:
    if goal.by is None:
        return goal.moves
    if now is None:
        raise BadInput("by: nobody here tells the time; leave it out")
    if goal.by <= now:
        raise BadInput(f"by: `{goal.by:%Y-%m-%dT%H:%M:%SZ}` has passed; name a later time")
    return min(goal.moves, int((goal.by - now).total_seconds()) // (60 * goal.minutes_per_move))


def _planned(snapshot: Snapshot, goal: Goal, posed: Posed, budget: int, effort: Effort) -> Plan:
    ordering = Ordering(snapshot, posed.terms.avoid, budget)
    before = posed.count(snapshot, ordering.engine)
    if not posed.guests:
        return told(goal, posed, Outcome(snapshot, ordering, before, before, posed.left, "nothing that may move"))
    scene = read(snapshot, posed.guests, replace(posed.terms, moves=budget))
    seating = solve(scene.problem, effort)
    stuck = ordering.run(_groups(posed, scene, seating))
    left = (*posed.left, *_left(posed, scene, seating, (ordering, stuck)))
    if posed.count(ordering.snapshot, ordering.engine) <= before:
        ordering = Ordering(snapshot, posed.terms.avoid, budget)  # nobody is disturbed for nothing
    bound = _bound(posed, scene, seating, before)
    return told(goal, posed, Outcome(snapshot, ordering, before, bound, left, _considered(scene)))


def _bound(posed: Posed, scene: Scene, seating: Seating, before: int) -> int:
    """The most of what is to be gained, from the bound of the score: a unit weighs more than all trouble together."""
    problem = scene.problem
    gained = max(seating.bound + posed.weight - 1, 0) // posed.weight
    there = before - problem.blocks(problem.home) if problem.block else posed.fixed
    return min(max(there + gained, before), posed.most)


def _considered(scene: Scene) -> str:
    rows = len({p.row for p in scene.places})
    return f"{len(scene.guests)} replicas over {rows} of {max(scene.rows, rows)} nodes that come into question"


def _groups(posed: Posed, scene: Scene, seating: Seating) -> tuple[Group, ...]:
    """The replicas that move, those together that must begin anew together; the largest first."""
    moving: dict[tuple[object, ...], list[tuple[Guest, int]]] = {}
    for guest, home, at in zip(scene.guests, scene.problem.home.tolist(), seating.seat.tolist(), strict=True):
        if at not in (home, NOWHERE) and (guest.binding is not None or posed.wish is None):
            moving.setdefault(_together(guest, scene, at), []).append((guest, at))
    found = [_group(scene, members) for members in moving.values()]
    return tuple(sorted(found, key=_largest_first))


def _largest_first(group: Group) -> tuple[int, str, int]:
    return (-len(group.targets), group.workload, group.targets[0].replica)


def _together(guest: Guest, scene: Scene, at: int) -> tuple[object, ...]:
    workload = guest.workload
    if scene.places[at].cluster != workload.cluster or workload.counted:
        return (workload.id,)
    return (workload.id, workload.gang_of(guest.replica) or guest.replica)


def _group(scene: Scene, members: Sequence[tuple[Guest, int]]) -> Group:
    workload = members[0][0].workload
    targets = []
    for guest, at in sorted(members, key=lambda m: m[0].replica):
        place = scene.places[at]
        devices = frozenset(scene.bare.index[place.row, place.slots].tolist())
        targets.append(Target(guest.replica, place.node, devices))
    cluster = scene.places[members[0][1]].cluster
    return Group(workload.id, tuple(targets), cluster if cluster != workload.cluster else None)


def _left(posed: Posed, scene: Scene, seating: Seating, ran: tuple[Ordering, Sequence[Group]]) -> Iterator[Left]:
    """Who stays although the goal names them: without a seat, or with one that cannot be reached."""
    ordering, stuck = ran
    for group in stuck:
        replicas = tuple(t.replica for t in group.targets)
        yield Left(workload=group.workload, replicas=replicas, reason=ordering.why[group])
    unseated: dict[WorkloadId, list[Guest]] = {}
    for guest, home, at in zip(scene.guests, scene.problem.home.tolist(), seating.seat.tolist(), strict=True):
        if (guest.workload.id, guest.replica) in posed.named and at in (home, NOWHERE):
            unseated.setdefault(guest.workload.id, []).append(guest)
    for name, guests in unseated.items():
        why = no_home(posed, ordering, guests[0])
        yield Left(workload=name, replicas=tuple(g.replica for g in guests), reason=why)
