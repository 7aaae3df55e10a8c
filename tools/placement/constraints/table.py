"""Every family of constraints, put together: the masks that refuse nodes, and the rule of each constraint.

`True` in a mask refuses; the bits that are set are the explanation. A search may leave one constraint out (`without`),
which is how the nearest relaxation is computed. A new family is a line in each of these tables that it has masks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from estate import pledges
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement.constraints import (
    belongings,
    company,
    costs,
    data,
    devices,
    law,
    localities,
    machines,
    marks,
    power,
    quotas,
    reservations,
    stages,
    storage,
    supplies,
    tenancy,
    times,
    uptimes,
    users,
    writing,
)
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Rule
from tools.placement.wishes import Room, Wish

_PROMISES = (costs, data, stages, storage, supplies, times, uptimes, users, writing)
_PLACES = (marks, reservations, devices, machines, localities, power, quotas, company, tenancy, belongings, law)
_FAMILIES = (*_PLACES, *_PROMISES)
_FOLDED = (marks, devices, machines, power, company, tenancy, law)
"""What the compiled way knows (`tools.placement.online`). Every other family of places says in `concerns` whom it may
refuse; one that does not say concerns everybody, and is left to the masks. What was promised concerns its holder."""
_ENDURING = (marks.enduring, tenancy.enduring, belongings.enduring, law.enduring)
_STANDING = (
    marks.standing,
    machines.standing,
    tenancy.standing,
    data.standing,
    stages.standing,
    supplies.standing,
    times.standing,
    users.standing,
    writing.standing,
)
_INSIDE = (machines.moving, localities.moving)
_MOVING = (
    devices.moving,
    *_INSIDE,
    power.moving,
    company.moving,
    costs.moving,
    storage.moving,
    uptimes.moving,
    reservations.moving,
    quotas.moving,
)

RULES: Final[Mapping[Constraint, Rule]] = {rule.constraint: rule for family in _FAMILIES for rule in family.RULES}


def standing(wish: Wish) -> Masks:
    """The masks that no seated replica changes."""
    found: Masks = {}
    for family in _STANDING:
        found |= family(wish)
    return found | (enduring(wish) if wish.known is None else wish.known)


def folded(snapshot: Snapshot, workload: Workload) -> bool:
    """Whether no family but those that the compiled way knows could refuse a node to this workload."""
    beyond = (getattr(family, "concerns", _everybody) for family in _PLACES if family not in _FOLDED)
    return not pledges.beyond_devices(snapshot, workload) and not any(c(snapshot, workload) for c in beyond)


def _everybody(_snapshot: Snapshot, _workload: Workload) -> bool:
    return True


def enduring(wish: Wish) -> Masks:
    """Those of them that follow from facts, marks on nodes and whose work it is, whatever runs: equals share them."""
    found: Masks = {}
    for family in _ENDURING:
        found |= family(wish)
    return found


def inside(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """Those of what is inside a node beside its devices."""
    found: Masks = {}
    for family in _INSIDE:
        found |= family(wish, room, without)
    return found


def moving(wish: Wish, room: Room, without: Constraint | None) -> Masks:
    """The masks that change as replicas are seated."""
    found: Masks = {}
    for family in _MOVING:
        found |= family(wish, room, without)
    return reservations.untold(found)


def promised(wish: Wish, room: Room) -> Masks:
    """The masks of what was promised beside devices: what the contract does not mention has none."""
    found: Masks = {}
    for family in (*_PROMISES, company):
        if standing := getattr(family, "standing", None):
            found |= standing(wish)
        if moving := getattr(family, "moving", None):
            found |= moving(wish, room, None)
    return found


def mentioned(wish: Wish) -> frozenset[Constraint]:
    """What has a say in this wish at all: the terms of its contract, and what holds for everybody."""
    return frozenset(standing(wish) | moving(wish, Room(wish), None))
