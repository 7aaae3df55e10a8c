"""A plan for bursting: what fits here stays here; the rest on rented machines, as much of it as the ceiling allows, at
the least cost that is found.

A seating problem as every other plan: places are machines, each with its rent. The bound is that of the solver, of the
gain and, where the gain is all that can be had, of the cost. Nothing is rented: the plan says what to ask of whom, and
where signed facts know a group of such machines, it carries the change that orders them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from estate import pooling
from estate.changes import ScaleMachineGroup
from estate.errors import BadInput
from estate.ids import MachineGroupId, TenantId, WorkloadId
from estate.law import Isolation
from estate.snapshots import Snapshot
from estate.units import MicroUsdPerHour
from tools.placement.columns import UNCAPPED, Ints
from tools.placement.constraints.tenancy import distance
from tools.placement.planning.bursting import markets
from tools.placement.planning.bursting.judging import Barred, barred
from tools.placement.planning.bursting.offers import Hire, hires, usd
from tools.placement.planning.bursting.waiting import MOST_GUESTS, Waiting, waiting
from tools.placement.planning.plans import Burst, Gain, Left, Plan, Rental, Seated, Turned
from tools.placement.planning.problems import AWAY, BARRED, BESIDE, NOWHERE, Problem, Seating
from tools.placement.planning.seats import Guest
from tools.placement.planning.solving import Effort, solve

_MOST_PAIRS = 20_000
"""Guests by machines of one plan."""
_COUNTED = "accelerators that wait and have a place"


@dataclass(frozen=True, slots=True)
class _Market:
    """Who looks for a place, what could be rented, and who may not use it."""

    snapshot: Snapshot
    goal: Burst
    guests: tuple[Guest, ...]
    hires: tuple[Hire, ...]
    barred: Barred
    machines: tuple[int, ...]
    """The offer of each machine, as a position."""
    whole: bool
    """Whether those are all machines that come into question, and all who look for one."""


def burst(snapshot: Snapshot, goal: Burst, now: datetime | None, effort: Effort) -> Plan:
    """The plan. Raises BadInput where nobody tells the time, or the goal names what is not there."""
    if now is None:
        raise BadInput("goal: offers end, and nobody here tells the time; ask where there is a clock")
    found = waiting(snapshot, goal)
    offered, turned = hires(snapshot, goal, now)
    refused = barred(snapshot, offered, found.guests, now)
    machines, whole = _machines(offered, len(found.guests))
    market = _Market(snapshot, goal, found.guests, offered, refused, machines, whole and not found.beyond)
    if not found.guests or not machines:
        return _told(market, found, Seating(np.full(len(found.guests), NOWHERE), 0, 0), turned)
    return _told(market, found, solve(_problem(market), effort), turned)


def _machines(hires: Sequence[Hire], guests: int) -> tuple[tuple[int, ...], bool]:
    """The offer of each machine that is looked at, the cheapest first: no more than who waits could fill one by one, or
    one model holds. And whether those are all.
    """
    left, found, whole = _MOST_PAIRS // max(guests, 1), list[int](), True
    for at in sorted(range(len(hires)), key=lambda i: (hires[i].hourly, i)):
        wanted = min(hires[at].machines, guests)
        found += [at] * min(wanted, left)
        whole, left = whole and wanted <= left, max(left - wanted, 0)
    return tuple(found), whole


def _problem(market: _Market) -> Problem:
    guests, goal = market.guests, market.goal
    units = np.array([g.workload.contract.accelerators_per_replica for g in guests], dtype=np.int64)
    of = np.array(market.machines, dtype=np.int64)
    tenants = sorted({g.workload.tenant for g in guests})
    clusters = sorted({h.cluster for h in market.hires})
    sides = np.array([clusters.index(h.cluster) for h in market.hires], dtype=np.int64)
    shut = np.array([[(g.workload.id, h.offer.id) in market.barred for h in market.hires] for g in guests])
    weight = goal.ceiling + 1
    return Problem(
        units=units,
        watts=np.zeros(len(guests), dtype=np.int64),
        party=np.array([tenants.index(g.workload.tenant) for g in guests], dtype=np.int64),
        crew=_numbered([_crew(g, market) for g in guests]),
        flock=_numbered([g.workload.id if g.across else (g.workload.id, g.replica) for g in guests]),
        home=np.full(len(guests), NOWHERE, dtype=np.int64),
        score=np.where(shut[:, of], BARRED, weight * units[:, None]),
        room=np.array([market.hires[i].offer.accelerators_each for i in of], dtype=np.int64),
        host=np.arange(len(of)),
        rack=of,
        side=sides[of],
        headroom=np.full(len(market.hires), UNCAPPED, dtype=np.int64),
        apart=_apart(market.snapshot, tenants),
        rent=np.array([market.hires[i].machine_hourly for i in of], dtype=np.int64),
        purse=goal.ceiling,
    )


def _crew(guest: Guest, market: _Market) -> object:
    """A gang; all of a workload that could go to another cluster, where nothing of it may stay behind; else itself."""
    workload = guest.workload
    leaves = any(h.cluster != workload.cluster and (workload.id, h.offer.id) not in market.barred for h in market.hires)
    return workload.id if leaves else workload.gang_of(guest.replica) or (workload.id, guest.replica)


def _numbered(keys: Sequence[object]) -> Ints:
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault(k, len(numbers)) for k in keys], dtype=np.int64)


def _apart(snapshot: Snapshot, tenants: Sequence[TenantId]) -> Ints:
    """Whoever must stand in other racks shares no offer: where a provider puts its machines nobody knows."""
    facts, found = snapshot.facts.tenant, np.zeros((len(tenants), len(tenants)), dtype=np.int64)
    levels = {Isolation.SHARED_NODE: 0, Isolation.DEDICATED_NODE: BESIDE}
    for i, one in enumerate(tenants):
        for j, other in enumerate(tenants):
            if i != j:
                mine, theirs = facts.get(one), facts.get(other)
                found[i, j] = AWAY if mine is None else levels.get(distance(mine, theirs), AWAY)
    return found


def _told(market: _Market, found: Waiting, seating: Seating, turned: Sequence[Turned]) -> Plan:
    goal, weight = market.goal, market.goal.ceiling + 1
    rentals = tuple(_rentals(market, seating))
    gone = sum(r.used for r in rentals)
    hourly = sum(r.hourly for r in rentals)
    most = min(found.lacking, markets.most(market.hires, goal.ceiling))
    if market.whole:
        most = min(most, (seating.bound + weight - 1) // weight)
    bound = found.here + max(gone, most)
    least = markets.least(market.hires, gone)
    if market.whole and found.here + gone == bound:
        least = max(least, weight * gone - seating.bound)
    left = (*_left(market, seating), *_beyond(found))
    met = not left
    return Plan(
        aim=f"what waits{f' of {goal.tenant}' if goal.tenant else ''}, for at most {usd(goal.ceiling)} an hour",
        met=met,
        short="" if met else f"{found.here + gone} of {found.here + found.lacking} {_COUNTED}",
        gain=Gain.told(_COUNTED, found.here, found.here + gone, bound),
        moves=(),
        disturbed=0,
        budget=goal.moves,
        left=left,
        minutes=0,
        considered=f"{len(market.guests)} of {len(market.guests) + len(found.beyond)} replicas that fit nowhere here,"
        f" {len(market.machines)} of {sum(h.machines for h in market.hires)} machines of {len(market.hires)} offers",
        rentals=rentals,
        orders=_orders(market, rentals),
        hourly=MicroUsdPerHour(hourly),
        least_hourly=MicroUsdPerHour(least),
        turned=(*turned, *_barred(market)),
    )


def _orders(market: _Market, rentals: Sequence[Rental]) -> tuple[ScaleMachineGroup, ...]:
    """One for each group, as far as facts let it grow: what several offers would give it together."""
    wanted: defaultdict[MachineGroupId, int] = defaultdict(int)
    for rental in rentals:
        if rental.pool is not None:
            wanted[rental.pool] += rental.machines
    return tuple(_order(market.snapshot, name, more) for name, more in sorted(wanted.items()))


def _order(snapshot: Snapshot, name: MachineGroupId, more: int) -> ScaleMachineGroup:
    group, pool = pooling.found(snapshot, name), snapshot.facts.pool[name]
    assert group is not None, "it was found by that"
    return ScaleMachineGroup(group=name, machines=min((group.wanted or 0) + more, pool.most))


def _rentals(market: _Market, seating: Seating) -> Iterator[Rental]:
    seated: defaultdict[int, list[int]] = defaultdict(list)
    for guest, place in enumerate(seating.seat.tolist()):
        if place != NOWHERE:
            seated[market.machines[place]].append(guest)
    for at, guests in sorted(seated.items()):
        hire, machines = market.hires[at], len({int(seating.seat[g]) for g in guests})
        pool, offer = hire.pool, hire.offer
        yield Rental(
            offer=offer.id,
            provider=hire.provider,
            site=offer.site or "",
            cluster=hire.cluster,
            model=offer.model,
            machines=machines,
            used=sum(market.guests[g].workload.contract.accelerators_per_replica for g in guests),
            accelerators=machines * offer.accelerators_each,
            hourly=MicroUsdPerHour(machines * hire.machine_hourly),
            until=offer.valid_until,
            pool=pool.id if pool is not None else None,
            ask=_ask(hire, machines),
            homes=tuple(_homes(market, seating, guests)),
        )


def _homes(market: _Market, seating: Seating, guests: Sequence[int]) -> Iterator[Seated]:
    """Which replicas on which machine, the machines of an offer numbered from one."""
    numbers: dict[int, int] = {}
    for guest in guests:
        number = numbers.setdefault(int(seating.seat[guest]), len(numbers) + 1)
        one = market.guests[guest]
        yield Seated(workload=one.workload.id, replica=one.replica, machine=number)


def _ask(hire: Hire, machines: int) -> str:
    """What to do about it, in the terms of whoever makes machines there."""
    if hire.pool is not None and hire.pool.wanted is not None:
        wanted = hire.pool.wanted
        return f"scale machine-group {hire.pool.id} of {hire.cluster} from {wanted} to {wanted + machines}"
    return (
        f"have {machines} machines of {hire.offer.accelerators_each} × {hire.offer.model} made for {hire.cluster}"
        f" ({hire.shut})"
    )


def _left(market: _Market, seating: Seating) -> Iterator[Left]:
    """Who found no place, and why: barred everywhere, or the ceiling and the offers are used up."""
    without: defaultdict[WorkloadId, list[int]] = defaultdict(list)
    for guest, place in zip(market.guests, seating.seat.tolist(), strict=True):
        if place == NOWHERE:
            without[guest.workload.id].append(guest.replica)
    for name, replicas in without.items():
        offers = [h.offer.id for h in market.hires]
        why = [f"{o}: {market.barred[name, o]}" for o in offers if (name, o) in market.barred]
        open_to = len(why) < len(offers)
        spent = f"within {usd(market.goal.ceiling)} an hour and what is offered no place was left for all of it"
        if not market.whole:
            spent = f"one plan looks at {len(market.machines)} machines; plan again once those are rented"
        reason = spent if open_to else "; ".join(why) or "nothing is offered that can be used"
        yield Left(workload=name, replicas=tuple(replicas), reason=reason)


def _beyond(found: Waiting) -> Iterator[Left]:
    """Who was not looked at."""
    without: defaultdict[WorkloadId, list[int]] = defaultdict(list)
    for guest in found.beyond:
        without[guest.workload.id].append(guest.replica)
    for name, replicas in without.items():
        why = f"one plan looks at {MOST_GUESTS} replicas, the largest first; plan again once those are rented for"
        yield Left(workload=name, replicas=tuple(replicas), reason=why)


def _barred(market: _Market) -> Iterator[Turned]:
    """What each offer is refused for, workload by workload."""
    for (workload, offer), why in sorted(market.barred.items()):
        yield Turned(offer=offer, workload=workload, reason=why)
