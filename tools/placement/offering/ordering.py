"""Machines that could be ordered for what waits: the fewest of a group with which all of it has a home. Pure.

Called by `relaxations`, last of all: it is the dearest. The machines are put into a copy of the estate, in a rack of
their own at their cluster's site, and the engine places again under every constraint, the law among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from estate import pooling
from estate.changes import ScaleMachineGroup
from estate.ids import RackId
from estate.law import Pool, Rack
from estate.snapshots import Snapshot
from estate.units import Watts
from tools.placement.offering.cases import Case
from tools.placement.planning.bursting import judging
from tools.placement.searching import search

_AMPLE = Watts(10**9)
"""Power is the gate's to judge: it knows the racks that they would come into."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order, and the estate with its machines in it."""

    change: ScaleMachineGroup
    says: str
    snapshot: Snapshot


def orders(case: Case) -> Iterator[Ordered]:
    """One for each group whose machines could hold what finds no home."""
    snapshot, contract = case.snapshot, case.workload.contract
    for pool, group in pooling.pools(snapshot) if snapshot.facts.pools else ():
        per = pool.accelerators_each // max(contract.accelerators_per_replica, 1)
        usable = pool.cluster == case.workload.cluster and pool.tenant in (None, case.workload.tenant)
        if not usable or not per or pooling.shut(snapshot, pool, group):
            continue
        left = len(case.ask.replicas) - len(search(case.wish).bindings)
        more, wanted = -(-left // per), group.wanted or 0
        if 0 < more <= pool.most - wanted:
            change = ScaleMachineGroup(group=pool.id, machines=wanted + more)
            says = f"order {more} machines more of `{pool.id}` ({pool.accelerators_each} × {pool.model} each)"
            yield Ordered(change, says, _with(snapshot, pool, more))


def _with(snapshot: Snapshot, pool: Pool, more: int) -> Snapshot:
    holding = (pool.model, pool.accelerators_each)
    nodes = [judging.made(snapshot, f"{pool.id}.ordered-{n}", pool.cluster, holding) for n in range(1, more + 1)]
    site = snapshot.facts.cluster[pool.cluster].site
    rack = Rack(id=RackId(f"{pool.id}.ordered"), site=site, power_budget_watts=_AMPLE, nodes=tuple(n.id for n in nodes))
    running = snapshot.with_facts(snapshot.facts.model_copy(update={"racks": (*snapshot.facts.racks, rack)}))
    for node in nodes:
        running = running.with_node(node)
    return running
