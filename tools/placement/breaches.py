"""Which promises the place of running replicas does not keep any more, whoever put them there. Pure.

Called by the sensor of promises and by a case that makes them good. A replica is asked whether it might be put where it
stands, by the very masks that a search asks (`constraints.table.promised`): no promise is read in two ways. Devices,
law and power are others' to watch. Only the nodes of the workload and of its other stages are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from estate import pledges
from estate.ids import NodeId, WorkloadId
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload, WorkloadContract
from tools.placement import availabilities
from tools.placement.columns import Flags
from tools.placement.constraints import table
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused
from tools.placement.filling import build_some
from tools.placement.port import Ask
from tools.placement.rooms import Room
from tools.placement.wishes import Wish


@dataclass(frozen=True, slots=True)
class Breach:
    """One promise, needed against found, and the nodes where it is not kept. No nodes: it is kept."""

    constraint: Constraint
    nodes: tuple[NodeId, ...]
    needed: str
    found: str


class Late(NamedTuple):
    """When what was promised by a time cannot be had any more, and why."""

    at: datetime
    why: str


def watched(contract: WorkloadContract) -> bool:
    """Whether it promises something of a place, or by a time, beside devices."""
    return any(getattr(contract, name) != default for name, default in _TERMS.items())


_TERMS: Mapping[str, object] = {
    name: WorkloadContract.model_fields[name].default
    for name in (
        *("latency", "cost_ceiling", "deadline", "ready_within", "data_cost_ceiling", "storage", "availability"),
        *("supply", "stage", "fault", "together", "spread"),
    )
}


def standing(snapshot: Snapshot, workload: Workload, at: datetime) -> tuple[Breach, ...]:
    """Every promise that has a say in where it stands, kept or not."""
    if not workload.bindings or not watched(pledges.of(snapshot, workload, at)):
        return ()
    columns = build_some(snapshot, (*(b.node for b in workload.bindings), *_beside(snapshot, workload, at)))
    whole = Wish(snapshot, columns, Ask(workload.id, (), at=at), workload)
    amiss: dict[Constraint, tuple[Refused, Flags]] = {}
    for binding in _of_each_node(workload):
        _mark(amiss, replace(whole, ask=replace(whole.ask, replicas=(binding.replica,))), binding)
    _available(amiss, whole)
    return tuple(_breach(constraint, *found) for constraint, found in sorted(amiss.items()))


def late(contract: WorkloadContract, workload: Workload) -> Late | None:
    """The hour after which its deadline is missed, as long as it is not done; None where it has none.

    What has not begun is too late as soon as its shortest run would not be over in time.
    """
    if contract.deadline is None or not workload.replicas:
        return None
    runs = [int(p.run_time) for p in contract.paces if p.run_time is not None]
    if len(workload.bindings) < workload.replicas and runs:
        return Late(
            contract.deadline - timedelta(seconds=min(runs)), f"its run takes {min(runs)} s, and it still waits"
        )
    return Late(contract.deadline, "it is not done")


def _of_each_node(workload: Workload) -> Iterator[Binding]:
    """One replica for each node: equals that stand in one place are promised the same of it."""
    yield from {b.node: b for b in reversed(workload.bindings)}.values()


def _beside(snapshot: Snapshot, workload: Workload, at: datetime) -> Iterator[NodeId]:
    stage = pledges.of(snapshot, workload, at).stage
    others = (snapshot.workload(WorkloadId(name)) for name in (stage.beside if stage is not None else ()))
    yield from (b.node for w in others if w is not None for b in w.bindings)


def _mark(amiss: dict[Constraint, tuple[Refused, Flags]], wish: Wish, binding: Binding) -> None:
    row = wish.columns.rows.get(binding.node)
    if row is None:
        return
    room = Room(wish)
    for constraint, mask in _masks(wish, room).items():
        refused = np.zeros(len(mask), dtype=np.bool_)
        refused[row] = mask[row]
        known = amiss.get(constraint)
        flags = refused if known is None else known[1] | refused
        worded = Refused(wish, refused, room) if known is None or refused[row] else known[0]
        amiss[constraint] = (worded, flags)


def _masks(wish: Wish, room: Room) -> Masks:
    return {c: m for c, m in table.promised(wish, room).items() if c is not Constraint.AVAILABILITY}


def _available(amiss: dict[Constraint, tuple[Refused, Flags]], wish: Wish) -> None:
    """Uptime is promised of all replicas together."""
    promised, stands = wish.contract.availability, wish.stays()
    if promised is None or not stands:
        return
    flags = np.zeros(len(wish.columns.ids), dtype=np.bool_)
    flags[stands] = availabilities.permille(wish, stands) < promised
    every = np.ones(len(flags), dtype=np.bool_)
    amiss[Constraint.AVAILABILITY] = (Refused(wish, every, Room(wish)), flags)


def _breach(constraint: Constraint, worded: Refused, flags: Flags) -> Breach:
    rows = np.flatnonzero(flags)
    if not rows.size:
        return Breach(constraint, (), "", "")
    needed, found, _ = table.RULES[constraint].words(worded)
    return Breach(constraint, tuple(sorted(worded.wish.columns.ids[r] for r in rows)), needed, found)
