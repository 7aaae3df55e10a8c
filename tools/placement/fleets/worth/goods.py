"""The scarce things beyond accelerators: what racks, feeds and sites may draw, what carries heat away, and quotas.

Called by `markets`. What nobody states is no limit. Limits that bind the same racks to the same watts are one: of a 2N
pair neither feed alone is worth anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from estate.facilities.machines import Machine
from estate.facilities.places import RackSpace
from estate.ids import RackId, TenantId
from estate.references import Ref
from estate.snapshots import Snapshot
from policies import supplies
from policies.quotas import Bound
from tools.placement.columns import Columns, Ints


class Sort(StrEnum):
    """What there may be too little of."""

    ACCELERATOR = "accelerator"
    POWER = "kilowatt"
    COOLING = "kilowatt of cooling"
    RACK_UNIT = "rack unit"
    QUOTA = "accelerator of quota"


@dataclass(frozen=True, slots=True)
class Limit:
    """Watts that some racks may draw together."""

    sort: Sort
    of: tuple[Ref, ...]
    left: int
    """For those who want a seat; never less than what those of them draw who have one."""
    shared: Ints
    """By rack: among how many of its like each rack's load is shared; 0 where it carries none of it."""


@dataclass(frozen=True, slots=True)
class Share:
    """Accelerators that some tenants may use together, at a site and of a model or everywhere."""

    bound: Bound
    tenants: frozenset[TenantId]
    left: int


def limits(snapshot: Snapshot, columns: Columns, drawn: Ints) -> tuple[Limit, ...]:
    """All limits in watts that somebody states; by rack `drawn` now, and less in `columns` where seats were emptied."""
    found: dict[tuple[Sort, int, bytes], Limit] = {}
    for sort, ref, most, shared in (*_of_racks(snapshot, columns), *_of_parts(snapshot, columns)):
        limit = Limit(sort, (ref,), _left(columns, drawn, most, shared), shared)
        key = (limit.sort, limit.left, limit.shared.tobytes())
        known = found.get(key)
        names = tuple(sorted({*limit.of, *(known.of if known is not None else ())}))
        found[key] = Limit(limit.sort, names, limit.left, limit.shared)
    return tuple(found.values())


def _left(columns: Columns, drawn: Ints, most: int, shared: Ints) -> int:
    """What may be drawn more; who is seated now may stay in any case."""
    racks = shared > 0
    bare, now = (int((watts[racks] // shared[racks]).sum()) for watts in (columns.rack_drawn, drawn))
    return max(most - bare, now - bare, 0)


def shares(snapshot: Snapshot, columns: Columns, leaving: Counter[tuple[TenantId, str, str]]) -> tuple[Share, ...]:
    """All quotas on accelerators; `leaving` counts those that seated replicas would give back, by site and model."""
    below, found = snapshot.facts.tenants_below, list[Share]()
    for bound, used in columns.books.every(snapshot):
        tenants = frozenset(below[bound.tenant])
        back = sum(n for (t, s, m), n in leaving.items() if t in tenants and bound.covers(s, m))
        found.append(Share(bound, tenants, max(bound.left(used), 0) + back))
    return tuple(found)


type _Stated = tuple[Sort, Ref, int, Ints]
"""What there may be too little of, of what, the most watts, and how racks share them."""


def _of_racks(snapshot: Snapshot, columns: Columns) -> Iterator[_Stated]:
    for number, name in enumerate(columns.names.racks):
        alone = np.zeros(len(columns.names.racks), dtype=np.int64)
        alone[number] = 1
        yield Sort.POWER, Ref("rack", name), int(columns.rack_budget[number]), alone
        if (cooled := supplies.cooled(snapshot, name)) is not None:
            yield Sort.COOLING, Ref("rack", name), cooled, alone


def _of_parts(snapshot: Snapshot, columns: Columns) -> Iterator[_Stated]:
    numbers = {name: number for number, name in enumerate(columns.names.racks)}
    for part in supplies.parts(snapshot, columns.names.racks):
        shared = np.zeros(len(numbers), dtype=np.int64)
        for rack, among in part.racks.items():
            shared[numbers[rack]] = among
        yield Sort.COOLING if part.cooling else Sort.POWER, part.ref, part.most, shared


def heights(snapshot: Snapshot) -> Mapping[RackId, tuple[int, int]]:
    """By rack: the rack units that are left, and those of the least of its machines; only where both are stated."""
    told: dict[RackId, list[int]] = {}
    for machine in snapshot.stock.all("machine"):
        if isinstance(machine, Machine) and machine.rack is not None and machine.height:
            told.setdefault(machine.rack, []).append(machine.height)
    found: dict[RackId, tuple[int, int]] = {}
    for rack, each in told.items():
        space = snapshot.stock.get(Ref("rack", rack))
        if isinstance(space, RackSpace) and space.units is not None:
            found[rack] = (space.units - sum(each), min(each))
    return found
