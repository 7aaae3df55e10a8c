"""Every family of constraints, put together: the masks that refuse nodes, and the rule of each constraint.

`True` in a mask refuses; the bits that are set are the explanation. A search may leave one constraint out (`without`),
which is how the nearest relaxation is computed. A new family is a line in each of these tables that it has masks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Final, NamedTuple

from estate import pledges
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement.constraints import (
    belongings,
    company,
    costs,
    data,
    devices,
    facilities,
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
from tools.placement.constraints.kinds import Constraint, Masks, Reach
from tools.placement.constraints.rules import Rule
from tools.placement.rooms import Room
from tools.placement.wishes import Wish

_PROMISES = (costs, data, stages, storage, supplies, times, uptimes, users, writing)
_PLACES = (
    marks,
    reservations,
    devices,
    machines,
    localities,
    power,
    facilities,
    quotas,
    company,
    tenancy,
    belongings,
    law,
)
_FAMILIES = (*_PLACES, *_PROMISES)
_FOLDED = (marks, devices, machines, power, company, tenancy, law)
"""What the compiled way knows (`tools.placement.online`). It asks every other by its own masks, see `beside`."""
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
    facilities.moving,
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


class Family(NamedTuple):
    """A family that is asked by its own masks, on all nodes or on those that count."""

    concerns: Callable[[Snapshot, Workload], bool] | None
    """Whom it may refuse; one that does not say concerns everybody, or who was promised something beyond devices."""
    reach: Reach
    still: tuple[Callable[[Wish], Masks], ...]
    moves: tuple[Callable[[Wish, Room, Constraint | None], Masks], ...]


def _everybody(_snapshot: Snapshot, _workload: Workload) -> bool:
    return True


def _family(module: ModuleType) -> Family:
    """As a family says it of itself."""
    still = tuple(m for m in (*_STANDING, *_ENDURING) if m.__module__ == module.__name__)
    moves = tuple(m for m in _MOVING if m.__module__ == module.__name__)
    unsaid = None if module in _PROMISES else _everybody
    concerns, reach = getattr(module, "concerns", unsaid), getattr(module, "REACH", Reach.FLEET)
    return Family(concerns, reach, still, moves)


_BESIDE = tuple(_family(module) for module in _FAMILIES if module not in _FOLDED)


def beside(snapshot: Snapshot, workload: Workload) -> tuple[Family, ...]:
    """The families that may refuse a node to this workload, and that the compiled way does not know."""
    promised = pledges.beyond_devices(snapshot, workload)
    return tuple(f for f in _BESIDE if (promised if f.concerns is None else f.concerns(snapshot, workload)))


def of_kinds(wish: Wish) -> Masks:
    """The enduring masks of the families that the compiled way knows: of `wish`, on one node of each kind."""
    return {c: mask for module in _FOLDED if (f := getattr(module, "enduring", None)) for c, mask in f(wish).items()}


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
