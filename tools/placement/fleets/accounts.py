"""The fleet's report: what becomes of every accelerator, what is stranded where and by what, and which sizes still fit.

Called by the door (`placet report`), the CLI and the catalogue. Pure. Over time: what was held of the past, each state
for as long as it lasted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from pydantic import Field

from estate.errors import BadInput
from estate.facilities.machines import Machine
from estate.facilities.places import RackSpace
from estate.ids import RackId, SiteId
from estate.records import Model
from estate.references import Ref
from estate.snapshots import Snapshot
from policies import supplies
from tools.kubernetes import power
from tools.placement.columns import Columns, Flags, Ints
from tools.placement.fleets.booking import CAUSES, Booked, Cause, book
from tools.placement.fleets.headrooms import Headrooms
from tools.placement.fleets.worth.worths import Worth, worth
from tools.placement.port import Engine

SIZES: Final = (1, 2, 4, 8)
_MOMENTS: Final = 60


class RackAccount(Model):
    """What one rack has left, and what runs out first."""

    rack: RackId
    site: SiteId
    accelerators: int
    useful: int
    free: int
    """Of those, on nodes that are open and healthy."""
    watts_left: int
    cooling_left: int | None
    """Null where nobody says what the rack can cool."""
    units_left: int | None
    """Rack units that no machine is told to fill; null where nobody says how tall they are."""
    binds: str
    """What runs out first: accelerators, the rack's own power or cooling, or a feed, site, CDU or loop behind it."""
    stranded_accelerators: int
    """Free, and no watts or no cooling for them."""
    stranded_watts: int
    """Within the budget, and no free accelerator to use them."""
    stranded_cooling: int
    behind_left: int | None = None
    """Watts that what feeds and cools it with others leaves it, once the racks before it had theirs; null where nobody
    tells of such."""


class SizeAccount(Model):
    """How replicas of one size fare."""

    accelerators: int
    fit: int
    """How many such replicas the free accelerators of single nodes hold, within power and cooling."""
    stranded: int
    """Free accelerators that such replicas cannot use."""
    by_power: int
    """Of those, the ones that lack watts or cooling alone."""


class FleetReport(Model):
    """What a fleet does, as of one version."""

    snapshot: str
    site: SiteId | None
    accelerators: int
    booked: dict[str, int]
    """Every accelerator, by cause. They add up."""
    allocation_permille: int
    fragmentation_permille: int
    """Of the free accelerators, those that replicas as they run here could not use, on the average."""
    racks: tuple[RackAccount, ...]
    """The most stranded first."""
    sizes: tuple[SizeAccount, ...]
    hours: int = 0
    """Over which the hours are booked."""
    held_minutes: int = 0
    """Of those hours, what is still known of."""
    booked_minutes: dict[str, int] = Field(default_factory=dict)
    """Accelerator-minutes by cause: they add up to the accelerators that there were, for as long."""
    worth: Worth | None = None
    """Where it was asked for: what scarce things are worth, and the bounds."""


def report(engine: Engine, snapshot: Snapshot, site: SiteId | None = None, *, with_worth: bool = False) -> FleetReport:
    """The report of one moment; `with_worth` takes seconds on a large fleet.

    Raises:
        BadInput: no fact knows that site.
    """
    if site is not None and site not in snapshot.facts.site:
        raise BadInput(f"site: no site `{site}`; there are {', '.join(sorted(snapshot.facts.site))}")
    columns = engine.columns_of(snapshot)
    booked, rows = book(snapshot, columns), _rows(columns, site)
    racks = tuple(_racks(snapshot, booked, site))
    totals, count = booked.totals(rows), int(columns.exists[rows].sum())
    open_rows = _open(columns) & rows
    return FleetReport(
        snapshot=str(snapshot.version),
        site=site,
        accelerators=count,
        booked=totals,
        allocation_permille=1000 * (totals[Cause.USEFUL] + totals[Cause.DATA_WAIT]) // max(count, 1),
        fragmentation_permille=_fragmentation(snapshot, columns, open_rows),
        racks=tuple(sorted(racks, key=lambda r: (-r.stranded_accelerators, -r.stranded_watts, r.rack))),
        sizes=tuple(_size(columns, open_rows, size, racks) for size in SIZES),
        worth=worth(snapshot, columns, rows) if with_worth else None,
    )


def over(
    engine: Engine, past: Callable[[datetime], Snapshot | None], now: datetime, hours: int, site: SiteId | None
) -> tuple[int, dict[str, int]]:
    """The minutes of these hours that are still known of, and the accelerator-minutes by cause; sixty looks in all."""
    total, known = Counter[str](), 0
    last: tuple[Snapshot | None, dict[str, int]] = (None, {})
    for number in range(_MOMENTS):
        snapshot = past(now - timedelta(minutes=hours) * (number + 0.5))
        if snapshot is None:
            break  # what is further back is not held either
        if snapshot is not last[0]:
            columns = engine.columns_of(snapshot)
            last = (snapshot, book(snapshot, columns).totals(_rows(columns, site)))
        known += 1
        total.update(last[1])
    return known * hours, {cause.value: total[cause.value] * hours for cause in CAUSES}


def _rows(columns: Columns, site: SiteId | None) -> Flags:
    if site is None:
        return np.ones(len(columns.ids), dtype=np.bool_)
    found: Flags = columns.site == columns.names.sites.index(site)
    return found


def _open(columns: Columns) -> Flags:
    return columns.fit & ~columns.cordoned


def _racks(snapshot: Snapshot, booked: Booked, site: SiteId | None) -> Iterator[RackAccount]:
    columns, behind = booked.columns, Headrooms.of(snapshot, booked.columns)
    free = (columns.free & _open(columns)[:, None]).sum(axis=1)
    useful = (booked.cause == CAUSES.index(Cause.USEFUL)).sum(axis=1)
    units = dict(_units_left(snapshot))
    for number, name in enumerate(columns.names.racks):
        rack, rows = snapshot.facts.rack[name], columns.rack == number
        if site in (None, rack.site):
            each = _watts_each(columns, rows)
            left = int(columns.rack_budget[number] - columns.rack_drawn[number])
            cooled = supplies.cooled(snapshot, name)
            shared = behind.left(number)
            found = _account(
                RackAccount(
                    rack=name,
                    site=rack.site,
                    accelerators=int(columns.exists[rows].sum()),
                    useful=int(useful[rows].sum()),
                    free=int(free[rows].sum()),
                    watts_left=left,
                    cooling_left=None if cooled is None else cooled - int(columns.rack_drawn[number]),
                    units_left=units.get(name),
                    binds="accelerators",
                    stranded_accelerators=0,
                    stranded_watts=0,
                    stranded_cooling=0,
                    behind_left=None if shared is None else shared.watts,
                ),
                each,
                "" if shared is None else str(shared.of),
            )
            behind.take(number, (found.free - found.stranded_accelerators) * each)
            yield found


def _units_left(snapshot: Snapshot) -> Iterator[tuple[RackId, int]]:
    heights: dict[RackId, int] = {}
    for machine in snapshot.stock.all("machine"):
        if isinstance(machine, Machine) and machine.rack is not None and machine.height:
            heights[machine.rack] = heights.get(machine.rack, 0) + machine.height
    for rack, used in heights.items():
        space = snapshot.stock.get(Ref("rack", rack))
        if isinstance(space, RackSpace) and space.units is not None:
            yield rack, space.units - used


def _account(known: RackAccount, each: int, behind: str) -> RackAccount:
    """With what binds: of all that it needs what the fewest more accelerators can have."""
    limits = {"accelerators": known.free, "power": max(known.watts_left, 0) // each}
    if known.cooling_left is not None:
        limits["cooling"] = max(known.cooling_left, 0) // each
    if known.behind_left is not None:
        limits[behind] = max(known.behind_left, 0) // each
    binds = min(limits, key=lambda name: limits[name])
    usable = limits[binds]
    return known.model_copy(
        update={
            "binds": binds,
            "stranded_accelerators": known.free - usable,
            "stranded_watts": max(known.watts_left - usable * each, 0),
            "stranded_cooling": max((known.cooling_left or 0) - usable * each, 0),
        }
    )


def _watts_each(columns: Columns, rows: Flags) -> int:
    """What the hungriest accelerator of these nodes draws at most, by its maker."""
    models = np.unique(columns.model[rows][columns.exists[rows]])
    return max((power.draw(columns.models[m]).device for m in models), default=power.UNKNOWN.device)


def _fragmentation(snapshot: Snapshot, columns: Columns, rows: Flags) -> int:
    """Weighted by how many accelerators replicas of each size hold or wait for."""
    free: Ints = columns.free[rows].sum(axis=1)
    weights = Counter[int]()
    for workload in snapshot.workloads():
        size = workload.contract.accelerators_per_replica
        weights[size] += size * workload.replicas
    del weights[0]
    if not free.sum() or not weights:
        return 0
    lost = sum(weight * int(free[free < size].sum()) for size, weight in weights.items())
    return 1000 * lost // (weights.total() * int(free.sum()))


def _size(columns: Columns, rows: Flags, size: int, racks: tuple[RackAccount, ...]) -> SizeAccount:
    free = columns.free.sum(axis=1) * rows
    places = np.zeros(len(columns.names.racks) + 1, dtype=np.int64)
    np.add.at(places, columns.rack, free // size)
    usable = {r.rack: r.free - r.stranded_accelerators for r in racks}
    fit = sum(min(int(places[n]), usable.get(name, 0) // size) for n, name in enumerate(columns.names.racks))
    whole = int((free // size).sum()) * size
    return SizeAccount(
        accelerators=size,
        fit=fit,
        stranded=int(free.sum()) - fit * size,
        by_power=whole - fit * size,
    )
