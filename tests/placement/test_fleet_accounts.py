"""Every accelerator is booked to exactly one cause, and each cause is what it says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings

from estate.errors import BadInput
from estate.fabrics.storage import Copy, Storage, StorageSort
from estate.facilities.places import Cooling, CoolingMethod, RackSpace
from estate.frozen import FrozenEstate
from estate.hardware import Health, Node
from estate.ids import CopyId, DatasetId, SiteId, StorageId
from estate.law.tenants import Quota, Tenant
from estate.units import MilliGpu, Watts
from estate.workloads import Workload
from tests import builders
from tests.placement import estates
from tools.placement.engine import MaskEngine
from tools.placement.fleets import accounts
from tools.placement.fleets.booking import Cause


def booked(estate: FrozenEstate) -> dict[str, int]:
    """What is booked, without what is not there."""
    found = accounts.report(MaskEngine(), estate)
    assert sum(found.booked.values()) == found.accelerators
    return {cause: n for cause, n in found.booked.items() if n}


@settings(max_examples=8)
@given(estates.estates())
def test_every_accelerator_is_booked_once(estate: FrozenEstate) -> None:
    whole = accounts.report(MaskEngine(), estate)
    assert sum(whole.booked.values()) == whole.accelerators == sum(len(n.accelerators) for n in estate.nodes())
    sites = Counter[str]()
    for site in estate.facts.site:
        sites.update(accounts.report(MaskEngine(), estate, site).booked)
    placed = sum(len(n.accelerators) for n in estate.nodes() if estate.site_of(n.id) is not None)
    assert sites.total() == placed
    for rack in whole.racks:
        assert 0 <= rack.stranded_accelerators <= rack.free <= rack.accelerators
    for size in whole.sizes:
        assert 0 <= size.by_power <= size.stranded
        assert size.accelerators * size.fit + size.stranded == whole.sizes[0].fit + whole.sizes[0].stranded


def fleet(*nodes: Node, waits: Workload | None = None, beside: tuple[Workload, ...] = (), **law: Any) -> FrozenEstate:
    work = (*beside, *((waits,) if waits is not None else ()))
    return builders.estate(law_base=builders.facts(**law), nodes=nodes, workloads=work)


def job(size: int, **over: Any) -> Workload:
    return builders.workload("w", **({"replicas": 1, "contract": builders.contract(size)} | over))


HELD = builders.workload(
    "held", replicas=1, contract=builders.contract(6), bindings=(builders.binding(0, "eu-a1", *range(6)),)
)


def quota(devices: int) -> tuple[Tenant, ...]:
    return (builders.tenant("tenant-a", quotas=(Quota(accelerators=MilliGpu(devices * 1000)),)),)


@pytest.mark.parametrize(
    ("estate", "cause"),
    [
        (fleet(builders.node("eu-a1"), beside=(HELD,)), Cause.NO_DEMAND),
        (fleet(builders.node("eu-a1"), beside=(HELD,), waits=job(2)), Cause.UNBOUND),
        (fleet(builders.node("eu-a1"), beside=(HELD,), waits=job(4)), Cause.FRAGMENTATION),
        (
            fleet(
                builders.node("eu-a1"),
                beside=(HELD,),
                waits=job(2),
                racks=(builders.rack("eu-a", power_budget_watts=Watts(5_500)),),
            ),
            Cause.NO_POWER,
        ),
        (fleet(builders.node("eu-a1"), beside=(HELD,), waits=job(2), tenants=quota(8), datasets=()), Cause.UNBOUND),
        (fleet(builders.node("eu-a1"), beside=(HELD,), waits=job(2), tenants=quota(6), datasets=()), Cause.QUOTA),
        (fleet(builders.node("eu-a1"), beside=(HELD,), waits=job(4), tenants=quota(6), datasets=()), Cause.QUOTA),
        (fleet(builders.node("eu-a1"), beside=(HELD,), waits=job(2, namespace="tenant-b")), Cause.LAW),
        (
            fleet(
                builders.node("eu-a1"), beside=(HELD,), waits=job(2, contract=builders.contract(2, models=("B200",)))
            ),
            Cause.NO_DEMAND,
        ),
        (fleet(builders.node("eu-a1", cordoned=True), beside=(HELD,)), Cause.UNHEALTHY),
    ],
)
def test_what_is_free_is_booked_to_what_keeps_work_away(estate: FrozenEstate, cause: Cause) -> None:
    assert booked(estate) == {Cause.USEFUL.value: 6, cause.value: 2}


def test_what_has_failed_does_nothing_useful_and_neither_does_what_waits_for_data() -> None:
    assert booked(fleet(builders.node("eu-a1", health=Health.FAILED), beside=(HELD,))) == {"unhealthy": 8}
    work = HELD.model_copy(update={"datasets": (DatasetId("a-records"),)})
    estate = fleet(builders.node("eu-a1"), beside=(work,))
    store = Storage(id=StorageId("s"), site=SiteId("eu-de"), sort=StorageSort.PARALLEL)
    for whole, cause in ((False, "data wait"), (True, "useful")):
        copy = Copy(id=CopyId("c"), dataset=DatasetId("a-records"), storage=StorageId("s"), complete=whole)
        assert booked(estate.with_stock(estate.stock.with_(store).with_(copy)))[cause] == 6


def test_a_rack_that_cannot_be_cooled_strands_what_is_free_there() -> None:
    estate = fleet(builders.node("eu-a1"), beside=(HELD,), waits=job(2))
    cooling = (Cooling(method=CoolingMethod.AIR, watts=Watts(5_500)),)
    space = RackSpace.model_validate({"id": "eu-a", "cooling": cooling})
    hot = estate.with_stock(estate.stock.with_(space))
    row = next(r for r in accounts.report(MaskEngine(), hot).racks if r.rack == "eu-a")
    assert (row.binds, row.stranded_accelerators, row.cooling_left) == ("cooling", 2, 300)
    assert (row.stranded_watts, row.free) == (22_000 - 5_200, 2)


def test_the_hours_of_the_past_are_booked_for_as_long_as_each_state_lasted() -> None:
    full, gone = fleet(builders.node("eu-a1"), beside=(HELD,)), fleet(builders.node("eu-a1"))

    def past(at: object) -> FrozenEstate | None:
        minutes = (builders.START - at).total_seconds() / 60  # type: ignore[operator]
        return full if minutes < 30 else gone if minutes < 45 else None

    held, minutes = accounts.over(MaskEngine(), past, builders.START, 1, None)
    assert held == 45
    assert minutes["useful"] == 6 * 30
    assert minutes["no demand"] == 2 * 30 + 8 * 15
    assert sum(minutes.values()) == 8 * 45


def test_a_site_that_no_fact_knows_is_named() -> None:
    with pytest.raises(BadInput, match="site: no site `moon`; there are eu-de, us-east"):
        accounts.report(MaskEngine(), builders.estate(), SiteId("moon"))
