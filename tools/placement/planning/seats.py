"""Guests and places: who may sit anew, and which devices of which nodes come into question for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from estate.ids import ClusterId, NodeId, WorkloadId
from estate.workloads import BandwidthClass, Binding, Workload
from tools.placement.columns import Columns, Flags, Ints, counted
from tools.placement.planning.problems import NOWHERE

PLACES_EACH = 96
"""Nodes that are looked at for each workload, the tightest first; more where they have not twice as many seats as there
are guests."""


@dataclass(frozen=True, slots=True)
class Guest:
    """One replica that may move or waits for a seat; `binding` None: it waits."""

    workload: Workload
    replica: int
    binding: Binding | None
    across: bool = False
    """Whether it may leave its cluster, with the whole workload."""


@dataclass(frozen=True, slots=True)
class Place:
    """Devices of one kind (model, memory, size, power limit) in one NVLink domain of one node."""

    row: int
    node: NodeId
    cluster: ClusterId
    slots: Ints
    """Those that are free once all guests have left."""
    whole: int
    """How much of it nobody else holds a device of: 1 the domain, 2 its rack as well, where that has other nodes."""


def rows(bare: Columns, guests: Sequence[Guest], allowed: Mapping[WorkloadId, Flags]) -> list[int]:
    """Homes, and of what each workload may use the nodes with the fewest free devices that suffice."""
    free = counted(bare.free)
    rows = {bare.rows[g.binding.node] for g in guests if g.binding and g.binding.node in bare.rows}
    for name, needed in {(g.workload.id, g.workload.contract.accelerators_per_replica) for g in guests}:
        fitting = np.flatnonzero(allowed[name] & (free >= needed))
        tightest = fitting[np.lexsort((fitting, free[fitting]))]
        seats = np.cumsum(free[tightest] // max(needed, 1))
        enough = int(np.searchsorted(seats, 2 * len(guests))) + 1
        rows.update(tightest[: max(PLACES_EACH, enough)].tolist())
    return sorted(rows)


def places(bare: Columns, rows: Iterable[int]) -> tuple[Place, ...]:
    found, whole = list[Place](), _whole_racks(bare)
    for row in rows:
        kinds: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for slot in np.flatnonzero(bare.exists[row]).tolist():
            of = (bare.domain, bare.model, bare.memory, bare.profile, bare.limit)
            kinds[tuple(int(column[row, slot]) for column in of)].append(slot)
        for slots in kinds.values() or ([],):
            free = np.array([s for s in slots if bare.free[row, s]], dtype=np.int64)
            empty = 0 < len(free) == len(slots)
            levels = int(empty) + int(empty and whole[bare.rack[row]])
            found.append(Place(row, bare.ids[row], bare.names.clusters[bare.cluster[row]], free, levels))
    return tuple(found)


def _whole_racks(bare: Columns) -> Flags:
    """The racks of several nodes in which every device is free; the last is that of nodes without one."""
    racks, placed = len(bare.names.racks), bare.rack >= 0
    held = counted(bare.exists & ~bare.free)[placed]
    there = bare.rack[placed]
    whole = (np.bincount(there, weights=held, minlength=racks) == 0) & (np.bincount(there, minlength=racks) > 1)
    return np.append(whole, np.False_)


def home(guest: Guest, bare: Columns, places: Sequence[Place]) -> int:
    """The place that holds its first device."""
    if guest.binding is None:
        return NOWHERE
    row = bare.rows.get(guest.binding.node, NOWHERE)
    here = [b for b, p in enumerate(places) if p.row == row]
    for b in here:
        if set(bare.index[row, places[b].slots].tolist()) & set(guest.binding.accelerators):
            return b
    return here[0] if here else NOWHERE


def suits(bare: Columns, workload: Workload, place: Place) -> bool:
    """Whether its devices are what the contract asks for."""
    contract = workload.contract
    if not contract.accelerators_per_replica:
        return True
    if not place.slots.size:
        return False
    row, slot = place.row, place.slots[0]
    model = int(bare.model[row, slot])
    joined = contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN and contract.accelerators_per_replica > 1
    fits = contract.accepts(bare.models[model], bare.makers[model])
    sized = bare.profiles[int(bare.profile[row, slot])] == contract.profile
    shared = contract.share is None or bool(bare.shares[row, place.slots].all())
    return (
        fits
        and sized
        and shared
        and int(bare.limit[row, slot]) >= (contract.limit_watts or -1)
        and int(bare.memory[row, slot]) >= contract.memory_mebibytes
        and (not joined or bare.domain[row, slot] >= 0)
    )
