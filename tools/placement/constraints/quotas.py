"""Quotas: what the tenant, and everybody above it, may hold at most, of one site and model where they say so.

Counted as the gate counts: a replica counts where its node stands and by the models of its devices, those seated
before it count, those that move give back, and devices that are reserved for the same people are theirs already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from estate import reserving
from estate.ids import NodeId
from estate.snapshots import Snapshot
from estate.verdicts import Dimension
from estate.workloads import Workload
from policies import quotas
from policies.holdings import Held
from policies.profiles import Ceiling
from policies.quotas import Bound
from tools.placement import choosing
from tools.placement.attempts import Attempt
from tools.placement.columns import Flags, Ints
from tools.placement.constraints.devices import suitable
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Plain, Refused, Rule, Words, chosen
from tools.placement.rooms import Room
from tools.placement.spending import Spending
from tools.placement.wishes import Wish

_NOTHING: Final = Held()


def concerns(snapshot: Snapshot, workload: Workload, ceilings: Sequence[Ceiling] = ()) -> bool:
    """Whether a quota of the payer, or of somebody above, could be too small for all of its replicas.

    What is used everywhere is never less than what is used of one site or model, and is kept current.
    """
    devices = workload.replicas * workload.contract.accelerators_per_replica
    watts = devices * workload.watts_per_accelerator
    reserved = next(reserving.every(snapshot), None) is not None
    for bound in quotas.bounds(snapshot.facts, (workload.tenant,), ceilings):
        own = snapshot.facts.tenants_below[bound.tenant]
        kept = reserving.unused(snapshot, own) if reserved else _NOTHING
        if _short(bound.devices, map(snapshot.tenant_devices, own), devices + kept.devices):
            return True
        if _short(bound.watts, map(snapshot.tenant_watts, own), watts + kept.watts):
            return True
    return False


def _short(most: int | None, held: Iterable[int], more: int) -> bool:
    return most is not None and sum(held) + more > most


def moving(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """Where one more replica would be beyond a quota."""
    if without is Constraint.QUOTA or not wish.needed or not wish.spending:
        return {}
    refused = np.zeros(len(wish.columns.ids), dtype=np.bool_)
    for spending in wish.spending:
        refused |= _refused(wish, room, spending, without)
    return {Constraint.QUOTA: refused}


def _refused(wish: Wish, room: Room, spending: Spending, without: Constraint | None) -> Flags:
    seated = _seated(wish, room, spending)
    most = Held(seated.devices + wish.needed, seated.watts + wish.watts)
    if not spending.bound.exceeded(spending.before, most):
        return np.zeros(len(wish.columns.ids), dtype=np.bool_)
    exceeded = np.array([_beyond(spending, seated, n, wish) for n in range(wish.needed + 1)], dtype=np.bool_)
    counts, unsure = _counts(wish, spending, without)
    found: Flags = exceeded[counts]
    for row in np.flatnonzero(unsure & found):
        found[row] = _exactly(wish, room, spending, int(row), without)
    return found


def _beyond(spending: Spending, seated: Held, devices: int, wish: Wish) -> bool:
    more = Held(seated.devices + devices, seated.watts + devices * wish.workload.watts_per_accelerator)
    return devices > 0 and spending.bound.exceeded(spending.before, more)


def _counts(wish: Wish, spending: Spending, without: Constraint | None) -> tuple[Ints, Flags]:
    """How many devices of a replica count on each node at most, and where it may be fewer: it depends on which ones."""
    c, bound = wish.columns, spending.bound
    here = np.ones(len(c.ids), dtype=np.bool_) if bound.quota.site is None else c.site == _site(wish, bound)
    counts: Ints = np.where(here, wish.needed, 0)
    unsure = np.zeros(len(c.ids), dtype=np.bool_)
    if bound.quota.model:
        fit, named = c.exists & suitable(wish, without).all, c.model == _model(wish, bound)
        counts = np.minimum((fit & named).sum(axis=1), counts)
        unsure = (counts > 0) & (fit & ~named).any(axis=1)
    claimed = {node for _, devices in spending.claims for node, _ in devices}
    unsure[[row for node in claimed if (row := c.rows.get(node)) is not None]] = True
    return counts, unsure


def _site(wish: Wish, bound: Bound) -> int:
    names, site = wish.columns.names.sites, bound.quota.site
    return names.index(site) if site in names else len(names)


def _model(wish: Wish, bound: Bound) -> int:
    names = wish.columns.models
    return names.index(bound.quota.model) if bound.quota.model in names else len(names)


def _exactly(wish: Wish, room: Room, spending: Spending, row: int, without: Constraint | None) -> bool:
    """By the devices that it would take."""
    usable = room.devices[row] & suitable(wish, without).all[row]
    if usable.sum() < (1 if wish.shared else wish.needed):
        return True
    try:
        slots = choosing.devices(wish, room, row, without)
    except IndexError:
        return True
    after = _after(wish, spending, [*room.taken, (row, slots)])
    return spending.bound.exceeded(spending.before, after)


def _seated(wish: Wish, room: Room, spending: Spending) -> Held:
    return _after(wish, spending, room.taken)


def _after(wish: Wish, spending: Spending, taken: list[tuple[int, Ints]]) -> Held:
    """What is used with these devices."""
    devices = sum(_counted(wish, spending.bound, row, slots) for row, slots in taken)
    watts = devices * wish.workload.watts_per_accelerator
    return spending.after(devices, watts, _named(wish, taken) if spending.claims else ())


def _counted(wish: Wish, bound: Bound, row: int, slots: Ints) -> int:
    """How many of these devices of one node count towards it."""
    if bound.quota.site is not None and wish.columns.site[row] != _site(wish, bound):
        return 0
    if not bound.quota.model:
        return len(slots)
    return int((wish.columns.model[row, slots] == _model(wish, bound)).sum())


def _named(wish: Wish, taken: list[tuple[int, Ints]]) -> frozenset[tuple[NodeId, int]]:
    c = wish.columns
    return frozenset((c.ids[row], int(i)) for row, slots in taken for i in c.index[row, slots])


def _refusing(by: Refused) -> Iterator[tuple[Spending, Held]]:
    """The bounds that refuse any of those nodes, with what is used of each, whose own first."""
    own = by.wish.workload.tenant
    for spending in sorted(by.wish.spending, key=lambda s: s.bound.tenant != own):
        if (_refused(by.wish, by.room, spending, None) & by.refused).any():
            yield spending, _seated(by.wish, by.room, spending)


def _left(bound: Bound, used: Held) -> str:
    """How much of it is left."""
    parts = ((bound.devices, used.devices, "accelerators"), (bound.watts, used.watts, "W"))
    return " and ".join(f"{max(most - now, 0)} of {most} {unit}" for most, now, unit in parts if most is not None)


def _words(by: Refused) -> Words:
    wish = by.wish
    found = [f"{_left(s.bound, used)} left of the {s.bound}" for s, used in _refusing(by)]
    told = "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")
    needed = f"{wish.needed} accelerators with {wish.watts} W within every quota that they count towards"
    return needed, told, "free what is held elsewhere, ask for less, or have the quota raised in the facts"


def _plainly(by: Refused) -> Iterator[Plain]:
    own = by.wish.workload.tenant
    for spending, used in _refusing(by):
        bound, scope = spending.bound, f" {s}" if (s := spending.bound.quota.scope) else ""
        whose = "your quota" if bound.tenant == own else f"the quota of `{bound.tenant}` that you count towards"
        yield Plain(f"{_left(bound, used)} are left of {whose}{scope}", None if bound.tenant == own else bound.tenant)


def short(wish: Wish, attempt: Attempt) -> Iterator[tuple[Bound, Held]]:
    """The bounds that the attempt goes beyond, each with what would be used."""
    c = wish.columns
    taken = [
        (row, np.flatnonzero(np.isin(c.index[row], b.accelerators) & c.exists[row]))
        for row, b in zip(attempt.rows, attempt.bindings, strict=True)
    ]
    for spending in wish.spending:
        after = _after(wish, spending, taken)
        if spending.bound.exceeded(spending.before, after):
            yield spending.bound, after


def _relaxed(wish: Wish, attempt: Attempt) -> str:
    raised = [f"raise the {bound} by {' and '.join(_more(bound, after))}" for bound, after in short(wish, attempt)]
    return f"{', and '.join(raised)}; {chosen(wish, attempt)} would do"


def _more(bound: Bound, after: Held) -> Iterator[str]:
    if bound.devices is not None and after.devices > bound.devices:
        yield f"{after.devices - bound.devices} accelerators"
    if bound.watts is not None and after.watts > bound.watts:
        yield f"{after.watts - bound.watts} W"


def _lacking(wish: Wish) -> Ints:
    """Accelerators that each node's quotas lack for one replica."""
    room, found = Room(wish), np.zeros(len(wish.columns.ids), dtype=np.int64)
    for spending in wish.spending:
        seated, bound = _seated(wish, room, spending), spending.bound
        counts = _counts(wish, spending, None)[0]
        if bound.devices is not None:
            over = seated.devices + counts - max(bound.devices, spending.before.devices)
            found = np.maximum(found, np.minimum(over, counts))
        if bound.watts is not None and (each := wish.workload.watts_per_accelerator):
            over = seated.watts + counts * each - max(bound.watts, spending.before.watts)
            found = np.maximum(found, np.minimum(-(-over // each), counts))
    return found


RULES = (
    Rule(
        Constraint.QUOTA,
        _words,
        _relaxed,
        "room in a quota that you share with others",
        Dimension.TENANT,
        _lacking,
        plainly=_plainly,
    ),
)
