"""From a goal to a plan: pose it, read the estate as a problem, solve, and put the moves in order.

Pure: the same snapshot, goal, time and effort give the same plan. Nothing is written; a plan becomes changes of a
proposal, and the gate decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from estate.changes import CordonNode
from estate.effects import lay_out
from estate.errors import BadInput
from estate.ids import NodeId, WorkloadId
from estate.results import Ok
from estate.snapshots import Snapshot
from tools.placement.planning import areas, goals
from tools.placement.planning.bursting.plans import burst
from tools.placement.planning.goals import Posed
from tools.placement.planning.ordering import Group, Ordering, Target
from tools.placement.planning.plans import Burst, Evacuate, Fill, Free, Goal, Left, Plan, Repack
from tools.placement.planning.problems import NOWHERE, Seating
from tools.placement.planning.reading import Scene, read
from tools.placement.planning.seats import Guest
from tools.placement.planning.solving import Effort, solve
from tools.placement.planning.telling import Outcome, late, no_home, told

EFFORT = Effort(rounds=30, racks=8, each=0.2, whole=2.0)
"""Some seconds of one core at most."""


def plan(snapshot: Snapshot, goal: Goal, now: datetime | None = None, effort: Effort = EFFORT) -> Plan:
    """The plan for a goal. Raises BadInput where it names what is not in the estate, or a time that has passed."""
    for stated in goal.takes:
        if snapshot.workload(stated.workload) is None:
            raise BadInput(f"takes: no workload `{stated.workload}`; see `placet get workloads`")
    if isinstance(goal, Burst):
        return burst(snapshot, goal, now, effort)
    minutes = _minutes(goal, now)
    fences, shut = _shut(snapshot, goal)
    planning = _Planning(snapshot, shut, fences, goal, effort)
    if minutes is None or now is None:
        return planning.best(None)[0]
    found, _ = planning.best(minutes)
    if found.met:
        return found
    _, (posed, whole) = planning.best(None)
    return found.model_copy(update={"late": tuple(late(posed, whole, found.gain.after, minutes, now))})


def _minutes(goal: Goal, now: datetime | None) -> int | None:
    """Those that there are until it must be done; None where any number will do."""
    if goal.by is None:
        return None
    if now is None:
        raise BadInput("by: nobody here tells the time; leave it out")
    if goal.by <= now:
        raise BadInput(f"by: `{goal.by:%Y-%m-%dT%H:%M:%SZ}` has passed; name a later time")
    return int((goal.by - now).total_seconds()) // 60


def _shut(snapshot: Snapshot, goal: Goal) -> tuple[tuple[CordonNode, ...], Snapshot]:
    """What is evacuated is fenced before anything moves; and the estate with those fences."""
    if not isinstance(goal, Evacuate):
        return (), snapshot
    nodes = (snapshot.node(n) for n in sorted(areas.nodes_of(snapshot, goal.area, goal.name)))
    why = f"{goal.area.value} {goal.name} is evacuated"
    fences = tuple(CordonNode(node=n.id, reason=why) for n in nodes if n is not None and not n.cordoned)
    laid = lay_out(fences, snapshot)
    assert isinstance(laid, Ok), "a node that is there and open can be fenced"
    return fences, laid.value.after


@dataclass(frozen=True, slots=True)
class _Planning:
    """One goal on one estate."""

    snapshot: Snapshot
    shut: Snapshot
    """The same once what shall be empty is fenced."""
    fences: tuple[CordonNode, ...]
    goal: Goal
    effort: Effort

    def best(self, minutes: int | None) -> tuple[Plan, tuple[Posed, Ordering]]:
        """The plan within so many minutes, and the steps behind it."""
        posed = self._posed()
        tried = [self._planned(posed, minutes, wide=True)]
        if minutes is not None and not tried[0][0].met:
            tried.append(self._planned(posed, minutes, wide=False))
        if isinstance(self.goal, Evacuate) and max(p.gain.after for p, _ in tried) < posed.most:
            helped = goals.evacuate(self.shut, self.goal, goals.MOST_GUESTS)
            tried.append(self._planned(helped, minutes, wide=True))
        return max(tried, key=lambda found: found[0].gain.after)

    def _posed(self) -> Posed:
        match self.goal:
            case Repack():
                return goals.repack(self.shut, self.goal)
            case Free():
                return goals.free(self.shut, self.goal)
            case Fill():
                return goals.fill(self.shut, self.goal)
            case Evacuate():
                return goals.evacuate(self.shut, self.goal)
            case _:
                raise AssertionError("bursting is planned by itself")

    def _planned(self, posed: Posed, minutes: int | None, *, wide: bool) -> tuple[Plan, tuple[Posed, Ordering]]:
        posed = replace(posed, guests=tuple(g for g in posed.guests if self._in_time(posed, g, minutes)))
        budget = self._budget(posed, minutes, wide=wide)
        ordering = self._ordering(posed, budget, minutes)
        before = posed.count(self.shut, ordering.engine)
        if not posed.guests:
            outcome = Outcome(self.snapshot, ordering, before, before, posed.left, "nothing that may move", self.fences)
            return told(self.goal, posed, outcome), (posed, ordering)
        scene = read(self.shut, posed.guests, replace(posed.terms, moves=budget))
        seating = solve(scene.problem, self.effort)
        stuck = ordering.run(_groups(posed, scene, seating, ordering))
        left = (*posed.left, *_left(posed, scene, seating, (ordering, stuck)))
        if posed.count(ordering.snapshot, ordering.engine) <= before:
            ordering = self._ordering(posed, budget, minutes)  # nobody is disturbed for nothing
        bound = _bound(posed, scene, seating, before)
        outcome = Outcome(self.snapshot, ordering, before, bound, left, _considered(scene, self.goal), self.fences)
        return told(self.goal, posed, outcome), (posed, ordering)

    def _ordering(self, posed: Posed, budget: int, minutes: int | None) -> Ordering:
        return Ordering(self.shut, posed.terms.avoid, budget, self.goal.minutes_of, minutes)

    def _in_time(self, posed: Posed, guest: Guest, minutes: int | None) -> bool:
        """Whether a guest could move at all in that time; those that the goal names are kept, to say that they are
        late.
        """
        if minutes is None or guest.binding is None or (guest.workload.id, guest.replica) in posed.named:
            return True
        return self.goal.minutes_of(guest.workload.id) <= minutes

    def _budget(self, posed: Posed, minutes: int | None, *, wide: bool) -> int:
        """How many running replicas may be disturbed: what is asked, and what could be done in the time. `wide` counts
        every step as the largest gang and the shortest move, so that the bound is one of all plans.
        """
        if minutes is None:
            return self.goal.moves
        running = [g for g in posed.guests if g.binding is not None]
        shortest = min((self.goal.minutes_of(g.workload.id) for g in running), default=self.goal.minutes_per_move)
        largest = max((_disturbed_with(g) for g in running), default=1) if wide else 1
        return min(self.goal.moves, minutes // shortest * largest)


def _disturbed_with(guest: Guest) -> int:
    """How many of its workload begin anew with a guest: a step moves or stops them together."""
    workload = guest.workload
    if workload.counted:
        return len(workload.bindings)
    gang = workload.gang_of(guest.replica)
    return 1 if gang is None else max(1, sum(workload.gang_of(b.replica) == gang for b in workload.bindings))


def _bound(posed: Posed, scene: Scene, seating: Seating, before: int) -> int:
    """The most of what is to be gained, from the bound of the score: a unit weighs more than all trouble together."""
    problem = scene.problem
    gained = max(seating.bound + posed.weight - 1, 0) // posed.weight
    there = before - problem.blocks(problem.home) if problem.block else posed.fixed
    return min(max(there + gained, before), posed.most)


def _considered(scene: Scene, goal: Goal) -> str:
    rows = len({p.row for p in scene.places})
    told = f"{len(scene.guests)} replicas over {rows} of {max(scene.rows, rows)} nodes that come into question"
    shut = len(_fenced(scene.snapshot, goal)) if isinstance(goal, Fill) else 0
    return f"{told}; {shut} nodes there are fenced and take nothing until somebody lifts that" if shut else told


def _fenced(snapshot: Snapshot, goal: Fill) -> list[NodeId]:
    nodes = (snapshot.node(n) for n in areas.at_site(snapshot, goal.site))
    return [n.id for n in nodes if n is not None and n.cordoned]


def _groups(posed: Posed, scene: Scene, seating: Seating, ordering: Ordering) -> tuple[Group, ...]:
    """The replicas that move, those together that must begin anew together; the largest first, or where there is little
    time the shortest.
    """
    moving: dict[tuple[object, ...], list[tuple[Guest, int]]] = {}
    for guest, home, at in zip(scene.guests, scene.problem.home.tolist(), seating.seat.tolist(), strict=True):
        if at not in (home, NOWHERE) and (guest.binding is not None or posed.wish is None):
            moving.setdefault(_together(guest, scene, at), []).append((guest, at))
    found = [_group(scene, members) for members in moving.values()]
    if ordering.minutes is None:
        return tuple(sorted(found, key=_largest_first))
    return tuple(sorted(found, key=lambda g: (ordering.takes(g.workload), *_largest_first(g))))


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
