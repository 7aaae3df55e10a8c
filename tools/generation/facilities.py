"""What a generated site is built of: regions, rows, racks, two independent feeds, cooling, and prices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby

from estate.facilities.cooling import Cdu, LeakSensor, Loop
from estate.facilities.places import Cooling, CoolingMethod, GridSignal, RackSpace, Region, Row, SitePlan
from estate.facilities.power import Feed, Generator, Pdu, Redundancy, Substation, Transformer, Ups
from estate.ids import (
    CduId,
    FeedId,
    GeneratorId,
    LoopId,
    PduId,
    PriceId,
    RegionId,
    RowId,
    SiteId,
    SubstationId,
    SwitchId,
    TransformerId,
    UpsId,
)
from estate.itemkinds import State
from estate.items import Item
from estate.law import Site
from estate.units import GramsPerKilowattHour, MicroUsd, MilliCelsius, PerMille, RackUnits, Seconds, Watts
from estate.uses.offers import Price, Unit
from tools.generation.layouts import Layout, Planned

SIDES = ("a", "b")


def facilities(layout: Layout) -> Iterator[Item]:
    """Everything that is built, site by site."""
    for country in sorted({s.country for s in layout.facts.sites}):
        yield Region(id=RegionId(f"region-{country.lower()}"), country=country)
    for site in layout.facts.sites:
        here = layout.at(site.id)
        yield from _site(layout, site, here)
        yield from _rows(site.id, here)
        for plan in here:
            yield from _rack(plan)


def _site(layout: Layout, site: Site, here: Sequence[Planned]) -> Iterator[Item]:
    name, draw = site.id, layout.draw(f"facilities/{site.id}")
    load = Watts(sum(p.watts for p in here) * 5 // 4)
    price = MicroUsd(draw.randrange(60_000, 220_000))
    signal = GridSignal(
        carbon=GramsPerKilowattHour(draw.randrange(20, 500)),
        price=price,
        stress=PerMille(draw.randrange(100, 600)),
        valid_until=layout.valid_until,
    )
    yield SitePlan(id=name, region=RegionId(f"region-{site.country.lower()}"), power_watts=load, grid=signal)
    yield from _power(name, load)
    yield Loop(id=LoopId(f"{name}-loop"), site=name, capacity_watts=load, supply=MilliCelsius(30_000), state=State.OK)
    yield Price(
        id=PriceId(f"{name}-energy"),
        unit=Unit.KILOWATT_HOUR,
        amount=price,
        site=name,
        stated_by=f"supply contract of {name}",
        valid_from=layout.valid_until - timedelta(days=365),
        valid_until=layout.valid_until,
    )


def _power(name: SiteId, load: Watts) -> Iterator[Item]:
    """2N: each side could carry everything."""
    station = SubstationId(f"{name}-substation")
    yield Substation(id=station, site=name, capacity_watts=load, state=State.OK)
    for side, other in (SIDES, SIDES[::-1]):
        transformer, ups = TransformerId(f"{name}-tx-{side}"), UpsId(f"{name}-ups-{side}")
        yield Transformer(id=transformer, substation=station, capacity_watts=load, state=State.OK)
        yield Ups(
            id=ups,
            transformer=transformer,
            capacity_watts=load,
            runtime=Seconds(600),
            charge=PerMille(1000),
            redundancy=Redundancy.N_PLUS_1,
            state=State.OK,
        )
        yield Generator(
            id=GeneratorId(f"{name}-gen-{side}"),
            site=name,
            feeds=(ups,),
            capacity_watts=load,
            starts_within=Seconds(15),
            fuel_lasts=Seconds(172_800),
            state=State.OK,
        )
        yield Feed(
            id=FeedId(f"{name}-feed-{side}"),
            ups=ups,
            partner=FeedId(f"{name}-feed-{other}"),
            capacity_watts=load,
            redundancy=Redundancy.TWO_N,
            state=State.OK,
        )


def _rows(site: SiteId, here: Sequence[Planned]) -> Iterator[Item]:
    """Rows, each with a CDU where something in it is cooled by liquid."""
    for name, of_row in groupby(here, key=lambda p: p.row):
        racks = list(of_row)
        yield Row(id=RowId(name), site=site, hall="h1", floor=0)
        if any(p.product.cooling is not CoolingMethod.AIR for p in racks):
            yield Cdu(
                id=CduId(f"{name}-cdu"),
                loop=LoopId(f"{site}-loop"),
                row=RowId(name),
                capacity_watts=Watts(sum(p.watts for p in racks)),
                leak_sensors=(LeakSensor(name="under-floor", wet=False),),
                state=State.OK,
            )


def _rack(plan: Planned) -> Iterator[Item]:
    cooled = plan.product.cooling is not CoolingMethod.AIR
    for side in SIDES:
        yield Pdu(
            id=PduId(f"{plan.id}-pdu-{side}"),
            feed=FeedId(f"{plan.site}-feed-{side}"),
            rack=plan.id,
            capacity_watts=plan.watts,
            budget_watts=plan.budget_watts,
            state=State.OK,
        )
    yield RackSpace(
        id=plan.id,
        row=RowId(plan.row),
        position=plan.number,
        units=RackUnits(48),
        pdus=tuple(PduId(f"{plan.id}-pdu-{side}") for side in SIDES),
        cdus=(CduId(f"{plan.row}-cdu"),) if cooled else (),
        cooling=(Cooling(method=plan.product.cooling, watts=plan.watts),),
        leaves=(SwitchId(f"{plan.id}-tor"),),
    )
