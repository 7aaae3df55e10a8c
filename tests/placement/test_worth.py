"""What a little more is worth, by prices, is what the bound gains by it; and no placement passes a bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate.facilities.machines import Machine
from estate.facilities.places import RackSpace, SitePlan
from estate.facilities.power import Feed, Redundancy
from estate.frozen import FrozenEstate
from estate.ids import FeedId, SiteId
from estate.itemkinds import State
from estate.law.tenants import Quota
from estate.units import MilliGpu, Watts
from estate.workloads import Workload
from tests import builders
from tests.builders import START
from tests.placement import estates, naive, pledged
from tests.reserved import holding, reserve, seat
from tools.placement.engine import MaskEngine
from tools.placement.fleets import accounts
from tools.placement.fleets.worth import markets, programmes, solving
from tools.placement.fleets.worth.goods import Sort
from tools.placement.fleets.worth.proving import proved
from tools.placement.fleets.worth.solving import Again
from tools.placement.fleets.worth.worths import Good, Worth, units
from tools.placement.port import Ask

_LITTLE = 1e-2
"""Of a unit: a thousand times the hair that tells just enough from too little."""
_NOTHING = 1e-3


@settings(max_examples=8)
@given(estates.estates(most_workloads=6, law_base=estates.roomy()))
def test_a_price_times_a_little_is_what_the_bound_gains(estate: FrozenEstate) -> None:
    """Or, where two things are as short, between that and what a little less loses: neither alone helps, and either is
    missed. And asked again with a few seats it gains what it gains with all of them.
    """
    columns = MaskEngine().columns_of(estate)
    market = markets.as_it_stands(estate, columns, np.ones(len(columns.ids), dtype=np.bool_))
    problem = programmes.programme(market)
    value = solving.solved(problem)
    prices = solving.solved(problem, programmes.hair(market, problem))
    again = Again(problem, value, prices)
    step = int(np.gcd.reduce(problem.gives)) or 1
    assert value.value < proved(problem, prices) + step + 1, "any prices prove a bound"
    for unit in units(estate, market):
        price, whole = prices.worth(unit.more), unit.more.scaled(unit.whole)
        if price > _NOTHING and (solving.grown(problem, whole)[0] >= 0).all():
            assert again.gained(unit.more.scaled(_LITTLE)) <= price * _LITTLE + 0.1, unit.of
            less = unit.more.scaled(-_LITTLE)
            if all((left >= 0).all() for left in solving.grown(problem, less)):
                assert value.value - solving.solved(problem, less).value >= price * _LITTLE - 0.1, unit.of
            gained, anew = again.gained(whole), solving.solved(problem, whole).value
            assert gained <= price * unit.whole + 1, "a price never promises less than a unit yields"
            assert gained == pytest.approx(max(anew - value.value, 0), abs=0.1), "nobody need take it up"


@settings(max_examples=5)
@given(st.data())
def test_no_placement_of_what_waits_passes_the_bound(data: st.DataObject) -> None:
    """Placed by rules written a second time, one after the other, law, power and what is reserved held."""
    estate = data.draw(estates.reserved(data.draw(estates.estates(most_workloads=6, law_base=estates.roomy()))))
    found = worth(estate)
    assert found.at_work <= found.as_it_stands <= found.if_moved
    for workload in list(estate.workloads()):
        bound = {b.replica for b in workload.bindings}
        for replica in range(workload.replicas):
            seats = None if replica in bound else naive.place(estate, Ask(workload.id, (replica,), at=START))
            if seats:
                running = estate.workload(workload.id)
                assert running is not None
                estate = estate.with_workload(running.model_copy(update={"bindings": (*running.bindings, *seats)}))
    held = sum(len(b.accelerators) * w.contract.milli for w in estate.workloads() for b in w.bindings)
    assert held <= 1000 * found.as_it_stands


def worth(estate: FrozenEstate, site: str | None = None) -> Worth:
    found = accounts.report(MaskEngine(), estate, SiteId(site) if site else None, START, with_worth=True).worth
    assert found is not None
    return found


def full(waits: int, *, size: int = 2, **law: Any) -> FrozenEstate:
    """One node of eight of which six are taken; so many replicas wait."""
    held = builders.workload(
        "held", replicas=1, contract=builders.contract(6), bindings=(builders.binding(0, "eu-a1", *range(6)),)
    )
    work: tuple[Workload, ...] = (held, builders.workload("w", replicas=waits, contract=builders.contract(size)))
    return builders.estate(law_base=builders.facts(**law), nodes=(builders.node("eu-a1"),), workloads=work)


def good(estate: FrozenEstate, sort: Sort) -> Good:
    (found,) = [g for g in worth(estate).goods if g.sort is sort]
    return found


TIGHT = (builders.rack("eu-a", power_budget_watts=Watts(5_500)),)
"""300 W are left; an accelerator of such work draws 700."""


def test_where_everything_fits_nothing_is_scarce() -> None:
    found = worth(full(1))
    assert (found.at_work, found.waited_for, found.as_it_stands, found.if_moved, found.gap_permille) == (
        6,
        2,
        8,
        8,
        250,
    )
    assert found.goods == ()


def test_a_machine_lets_in_what_waits_and_the_words_say_where_less_of_it_would_do() -> None:
    found = good(full(9), Sort.ACCELERATOR)
    assert (found.of, found.price_milli, found.solved_milli) == ("H100-SXM5-80GB in rack/eu-a", 1000, 1000)
    fewer = good(full(3), Sort.ACCELERATOR)
    assert (fewer.price_milli, fewer.solved_milli) == (1000, 500)
    assert "0.5 accelerators more at work when solved again with it, 1 by the price of a little" in fewer.says


def test_what_is_reserved_for_somebody_else_is_not_to_be_had() -> None:
    kept = holding(reserve("b-night", "tenant-b", seat("eu-a1", 6, 7), start=START), on=full(1))
    assert worth(kept).as_it_stands == 6


def test_a_kilowatt_is_worth_the_accelerators_that_it_drives() -> None:
    found = good(full(9, racks=TIGHT), Sort.POWER)
    assert (found.of, found.price_milli) == ("rack/eu-a", 1429)
    assert found.solved_milli == 1429
    assert found.says == "one kilowatt more of rack/eu-a: 1.429 accelerators more at work"


@pytest.mark.parametrize(("partner", "of"), [(None, "feed/a"), ("b", "feed/a and feed/b")])
def test_of_a_pair_of_feeds_both_must_grow(partner: str | None, of: str) -> None:
    racks = (builders.rack("eu-a", power_feed="a"), builders.rack("eu-b", power_feed=partner or "c"))
    estate = full(9, racks=racks)
    pairs = [("a", partner), *([(partner, "a")] if partner else [])]
    for name, other in pairs:
        feed = Feed(
            id=FeedId(str(name)),
            capacity_watts=Watts(5_500),
            partner=FeedId(other) if other else None,
            redundancy=Redundancy.TWO_N if other else Redundancy.N,
            state=State.OK,
        )
        estate = estate.with_stock(estate.stock.with_(feed))
    found = good(estate, Sort.POWER)
    assert (found.of, found.price_milli) == (of, 1429)


def test_cooling_a_sites_connection_rack_units_and_quotas_have_a_price() -> None:
    estate = full(9)
    space = {"id": "eu-a", "units": 8, "cooling": ({"method": "air", "watts": 5_500},)}
    hot = estate.with_stock(estate.stock.with_(RackSpace.model_validate(space)))
    assert (good(hot, Sort.COOLING).of, good(hot, Sort.COOLING).price_milli) == ("rack/eu-a", 1429)
    grid = estate.with_stock(estate.stock.with_(SitePlan(id=SiteId("eu-de"), power_watts=Watts(5_500))))
    assert (good(grid, Sort.POWER).of, good(grid, Sort.POWER).price_milli) == ("site/eu-de", 1429)
    machine = {"id": "m", "stage": "in-service", "rack": "eu-a", "height": 8}
    stock = estate.stock.with_(Machine.model_validate(machine)).with_(
        RackSpace.model_validate({"id": "eu-a", "units": 12})
    )
    assert good(estate.with_stock(stock), Sort.RACK_UNIT).price_milli == 1000
    quota = (builders.tenant("tenant-a", quotas=(Quota(accelerators=MilliGpu(6_000)),)),)
    found = good(full(1, tenants=quota, datasets=()), Sort.QUOTA)
    assert (found.of, found.price_milli, found.solved_milli) == ("tenant-a (everywhere/any)", 1000, 1000)


def test_a_share_is_worth_its_part_of_a_device() -> None:
    """Of one device that is shared three quarters are held: one quarter more fits."""
    device = builders.accelerator("eu-a1", 0, sharing="mps")
    node = builders.node("eu-a1").model_copy(update={"accelerators": (device,)})
    quarter = builders.contract(1, share=MilliGpu(250))
    held = builders.workload(
        "held", replicas=3, contract=quarter, bindings=tuple(builders.binding(n, "eu-a1", 0) for n in range(3))
    )
    waits = builders.workload("w", replicas=9, contract=quarter)
    whole = builders.workload("all", replicas=1, contract=builders.contract(1))
    estate = builders.estate(nodes=(node,), workloads=(held, waits))
    found = worth(estate)
    assert (found.at_work, found.waited_for, found.as_it_stands, found.if_moved) == (0, 2, 1, 1)
    assert found.gap_permille == 250
    assert good(estate, Sort.ACCELERATOR).price_milli == 1000
    assert worth(estate.with_workload(whole)).as_it_stands == 1, "nobody has all of what others share"


def test_of_two_that_differ_in_a_promise_neither_lends_the_other_its_mask() -> None:
    near, far = (builders.contract(1, latency=most, users=("us-east",)) for most in (5, 50))
    work = (builders.workload(n, replicas=1, contract=c) for n, c in (("a", near), ("b", far)))
    estate = builders.estate(nodes=(builders.node("eu-a1"),), workloads=tuple(work))
    stock = estate.stock.with_(pledged.WAN).with_(pledged.line("site/eu-de", "site/us-east", latency=20))
    assert worth(estate.with_stock(stock)).as_it_stands == 1


def test_moving_what_runs_can_be_worth_more_than_any_purchase() -> None:
    """Two half-full nodes, and eight wanted on one: nothing fits now, and everything would once one is empty."""
    places = (("x", "eu-a1"), ("y", "eu-a2"))
    seated = [(n, builders.binding(0, at, 0, 1, 2, 3)) for n, at in places]
    halves = tuple(builders.workload(n, replicas=1, contract=builders.contract(4), bindings=(b,)) for n, b in seated)
    waits = builders.workload("w", replicas=1, contract=builders.contract(8))
    estate = builders.estate(nodes=(builders.node("eu-a1"), builders.node("eu-a2")), workloads=(*halves, waits))
    found = worth(estate)
    assert (found.at_work, found.as_it_stands, found.if_moved, found.gap_permille) == (8, 8, 16, 500)
    assert worth(estate, "us-east").at_work == 0
