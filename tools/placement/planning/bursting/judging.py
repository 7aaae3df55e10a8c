"""Who may run on what could be rented: each offer's machine as a node of a small estate, under the engine's own masks.

Facts are those in force, with the machine in a rack at the offer's site, and with its provider among those who process
for the cluster: so who can compel the provider counts on the legal axis as it would once the machine is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from estate.frozen import FrozenEstate
from estate.hardware import Accelerator, Node
from estate.ids import ClusterId, NodeId, OfferId, PriceId, RackId, Uid, WorkloadId
from estate.law import Facts, Rack
from estate.snapshots import Snapshot
from estate.stock import Stock
from estate.units import MicroUsd, Watts
from estate.uses.offers import Price, Unit
from estate.workloads import Workload
from tools.placement import filling
from tools.placement.constraints.table import moving, standing
from tools.placement.planning.bursting.offers import Hire, usd
from tools.placement.planning.seats import Guest
from tools.placement.port import Ask
from tools.placement.reasons import explain
from tools.placement.rooms import Room
from tools.placement.wishes import Wish

_AMPLE = Watts(10**9)
"""A provider's racks have power of their own, which its price pays for."""
type Barred = Mapping[tuple[WorkloadId, OfferId], str]
"""Why a workload may not use an offer; who is not in it may."""


def barred(snapshot: Snapshot, hires: Sequence[Hire], guests: Sequence[Guest], now: datetime) -> Barred:
    """Every workload against every offer, were it rented now."""
    found: dict[tuple[WorkloadId, OfferId], str] = {}
    one = {g.workload.id: g for g in guests}
    for hire in hires:
        estate = _estate(snapshot, hire, [g.workload for g in one.values()])
        for name, guest in one.items():
            if why := _dear(hire, guest.workload) or _elsewhere(hire, guest) or _refused(estate, guest, now):
                found[name, hire.offer.id] = why
    return found


def machine(snapshot: Snapshot, hire: Hire, number: int) -> Node:
    """One that could be rented, as far as anybody tells: memory and maker are those of the same model here."""
    offer = hire.offer
    return made(snapshot, f"{offer.id}-{number}", hire.cluster, (offer.model, offer.accelerators_each))


def made(snapshot: Snapshot, name: str, cluster: ClusterId, holding: tuple[str, int]) -> Node:
    """A machine of a cluster, holding so many accelerators of a model."""
    model, count = holding
    known = _known(snapshot, model)
    devices = tuple(
        Accelerator(
            index=i,
            uuid=f"{name}/{i}",
            pci_address=f"0000:{i // 32:02x}:{i % 32:02x}.0",
            model=model,
            memory_mebibytes=known.memory_mebibytes if known is not None else 0,
            vendor=known.vendor if known is not None else None,
            nvlink_domain=name if known is not None and known.nvlink_domain else "",
        )
        for i in range(count)
    )
    return Node(id=NodeId(name), uid=Uid(name), cluster=cluster, name=name, accelerators=devices)


def _known(snapshot: Snapshot, model: str) -> Accelerator | None:
    return next((a for n in snapshot.nodes() for a in n.accelerators if a.model == model), None)


def _estate(snapshot: Snapshot, hire: Hire, workloads: Sequence[Workload]) -> FrozenEstate:
    """One machine of the offer at its price, those who ask, and what the estate knows of data, lines and promises."""
    node = machine(snapshot, hire, 1)
    alone = FrozenEstate.of(snapshot.version, _facts(snapshot.facts, hire, node.id), (node,), workloads)
    return alone.with_stock(_priced(snapshot.stock, hire))


def _priced(stock: Stock, hire: Hire) -> Stock:
    """With what the offer asks in the place of every other price of that accelerator there."""
    offer = hire.offer
    for price in [p for p in stock.all("price") if isinstance(p, Price) and p.site == offer.site]:
        if price.unit is Unit.GPU_HOUR and price.model in ("", offer.model):
            stock = stock.without(price.ref)
    asked = Price(
        id=PriceId(offer.id),
        unit=Unit.GPU_HOUR,
        amount=MicroUsd(hire.hourly),
        model=offer.model,
        site=offer.site,
        stated_by=f"offer {offer.id}",
        valid_until=offer.valid_until,
    )
    return stock.with_(asked)


def _facts(facts: Facts, hire: Hire, node: NodeId) -> Facts:
    assert hire.offer.site is not None, "an offer without a site is turned down before"
    rack = Rack(id=RackId(hire.offer.id), site=hire.offer.site, power_budget_watts=_AMPLE, nodes=(node,))
    clusters = tuple(
        c.model_copy(update={"subprocessors": tuple(dict.fromkeys((*c.subprocessors, hire.provider)))})
        if c.id == hire.cluster
        else c
        for c in facts.clusters
    )
    return facts.model_copy(update={"racks": (rack,), "clusters": clusters})


def _dear(hire: Hire, workload: Workload) -> str:
    """The contract's own ceiling is for all of its replicas."""
    ceiling, needed = workload.contract.cost_ceiling, workload.contract.accelerators_per_replica
    cost = hire.hourly * needed * workload.replicas
    if ceiling is None or cost <= ceiling:
        return ""
    return f"would cost {usd(cost)} an hour where its contract allows {usd(ceiling)}"


def _elsewhere(hire: Hire, guest: Guest) -> str:
    if guest.across or guest.workload.cluster == hire.cluster:
        return ""
    return f"part of it runs in {guest.workload.cluster}, and only all of it may go to {hire.cluster}"


def _refused(estate: FrozenEstate, guest: Guest, now: datetime) -> str:
    """What the masks say, in their words."""
    workload = guest.workload
    replicas = tuple(range(workload.replicas)) if guest.across else (guest.replica,)
    wish = Wish(estate, filling.build(estate), Ask(workload.id, replicas, at=now), workload)
    room = Room(wish)
    masks = {c: m for c, m in (standing(wish) | moving(wish, room, None)).items() if m.any()}
    reasons = explain(wish, masks, room)
    return "; ".join(f"{r.constraint}: needs {r.needed}, found {r.found}" for r in reasons[:3])
