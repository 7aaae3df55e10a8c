"""Bursting: every rental added up again, every replica judged again by hand, small ones against all there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate import law
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.ids import Country, EntityId, GangId, OfferId, SiteId, TenantId, WorkloadId
from estate.terms import Pace
from estate.units import MicroUsdPerHour, Seconds
from estate.uses.clusters import MachineGroup
from estate.uses.offers import Offer
from estate.workloads import Gang, Workload
from tests import builders, pooled
from tests.drawing import among
from tests.items import UNTIL, item
from tools.placement.planning.planning import plan
from tools.placement.planning.plans import Burst, Plan
from tools.placement.planning.solving import Effort

MODEL = "H100-SXM5-80GB"
USD = 1_000_000
NOW = datetime.fromisoformat(UNTIL) - timedelta(days=30)
QUICK = Effort(whole=0.3)
"""Providers: one of the EU's, one that an American parent controls, and the cloud that owns the American site."""


def facts(**over: Any) -> law.Facts:
    base = builders.facts()
    daughter = law.LegalEntity(
        id=EntityId("daughter"), name="Daughter GmbH", seat=Country("DE"), parents=(EntityId("us-cloud"),)
    )
    return builders.facts(**({"entities": (*base.entities, daughter)} | over))


def offer(name: str, **over: Any) -> Offer:
    told = {"id": name, "provider": "eu-hosting", "site": "eu-de", "accelerators_each": 8, "available": 16}
    made = item("offer", **(told | {"hourly": 2 * USD, "spot": False, "notices": []} | over))
    assert isinstance(made, Offer)
    return made


def estate(*offers: Offer, workloads: Sequence[Workload], law_base: law.Facts | None = None) -> FrozenEstate:
    """No node has room: there is one, and it is fenced."""
    nodes = [builders.node("eu-a1", cordoned=True)]
    made = builders.estate(law_base=law_base or facts(), nodes=nodes, workloads=workloads)
    for each in offers:
        made = made.with_stock(made.stock.with_(each))
    return made


def wants(name: str, accelerators: int = 8, replicas: int = 1, **over: Any) -> Workload:
    contract = builders.contract(accelerators, cost_ceiling=over.pop("cost_ceiling", None))
    return builders.workload(name, contract=contract, replicas=replicas, **over)


def planned(on: FrozenEstate, dollars: float, **over: Any) -> Plan:
    goal = Burst(ceiling=MicroUsdPerHour(round(dollars * USD)), **over)
    return plan(on, goal, NOW, QUICK)


def test_what_waits_is_rented_the_cheapest_lawful_way_and_the_pool_to_scale_is_named() -> None:
    dear, cheap = offer("dear", hourly=3 * USD), offer("cheap", available=8)
    pools = (pooled.pool(model=MODEL),)
    there = estate(dear, cheap, workloads=[wants("a-one"), wants("a-two", 4)], law_base=facts(pools=pools))
    found = planned(there.with_stock(there.stock.with_(pooled.group())), 50)
    assert found.met
    assert [(r.offer, r.machines, r.used, r.hourly) for r in found.rentals] == [
        ("cheap", 1, 8, 16 * USD),
        ("dear", 1, 4, 24 * USD),
    ]
    assert (found.gain.before, found.gain.after, found.gain.bound) == (0, 12, 12)
    assert found.hourly == found.least_hourly == 40 * USD
    assert found.rentals[0].ask == f"scale machine-group {pooled.GROUP} of eu-1 from 3 to 4"
    assert found.changes == (pooled.scale(5),), "both offers are one group's"


@pytest.mark.parametrize(
    ("over", "group", "says"),
    [
        ({}, pooled.group(4, 3), "has 1 machines that do not work yet"),
        ({"most": 3}, pooled.group(), "has all of the 3 machines that facts allow"),
        ({"provider": EntityId("acme")}, pooled.group(), "signed facts know no group of such machines"),
        ({"tenant": TenantId("tenant-b")}, pooled.group(), "signed facts know no group of such machines"),
        ({}, pooled.group(aliases=()), "is shown by no cluster"),
    ],
)
def test_where_no_group_can_grow_the_plan_says_what_to_ask_for_and_why(
    over: dict[str, Any], group: MachineGroup, says: str
) -> None:
    pool = pooled.pool(**({"model": MODEL} | over))
    there = estate(offer("one"), workloads=[wants("a-one")], law_base=facts(pools=(pool,)))
    found = planned(there.with_stock(there.stock.with_(group)), 50, tenant=TenantId("tenant-a"))
    assert (found.changes, found.rentals[0].pool) == ((), None)
    assert says in found.rentals[0].ask


def test_the_ceiling_is_kept_and_what_it_leaves_out_is_said() -> None:
    found = planned(estate(offer("only", available=64), workloads=[wants("a-many", replicas=3)]), 40)
    assert (found.met, found.hourly, found.gain.after, found.gain.bound) == (False, 32 * USD, 16, 16)
    assert [(k.workload, len(k.replicas)) for k in found.left] == [("a-many", 1)]
    assert "within 40.00 USD an hour" in found.left[0].reason


def test_whoever_one_plan_does_not_look_at_is_named_and_counts_towards_the_bound() -> None:
    """All that is offered is dearer than the ceiling, so that nothing is solved."""
    there = estate(offer("dear", hourly=100 * USD), workloads=[wants("a-many", 1, replicas=304), wants("a-big", 8)])
    found = planned(there, 40)
    beyond = [k for k in found.left if k.reason.startswith("one plan looks at 300 replicas")]
    assert [(k.workload, len(k.replicas)) for k in beyond] == [("a-many", 5)]
    assert found.considered.startswith("300 of 305 replicas that fit nowhere here")
    assert found.short.startswith("0 of 312 ")


def test_an_offer_where_it_would_be_late_is_no_place_for_it() -> None:
    due, paces = NOW + timedelta(hours=2), (Pace(run_time=Seconds(3 * 3_600)),)
    late = builders.workload("a-late", contract=builders.contract(8, deadline=due, paces=paces), replicas=1)
    found = planned(estate(offer("only"), workloads=[late]), 50)
    assert (found.met, [t.workload for t in found.turned]) == (False, ["a-late"])
    assert "done by" in found.turned[0].reason


def test_a_gang_goes_whole_or_not_at_all() -> None:
    gang = wants("a-gang", replicas=3, gangs=(Gang(id=GangId("g")),))
    found = planned(estate(offer("only", available=64), workloads=[gang, wants("a-small", 2)]), 40)
    assert Counter(h.workload for r in found.rentals for h in r.homes) == {"a-small": 1}


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"site": "us-east", "provider": "us-cloud"}, "geographic sovereignty"),
        ({"provider": "Daughter GmbH"}, "legal sovereignty"),
        ({"provider": "unheard-of"}, "no fact names the legal entity `unheard-of`"),
        ({"site": None, "place": "eu-south-9"}, "no fact knows its site (`eu-south-9`)"),
        ({"spot": True}, "can be taken back at any time (spot), and that was not allowed"),
        ({"valid_until": NOW + timedelta(hours=3)}, "is valid until"),
        ({"available": None}, "nobody says how many can be had now"),
        ({"hourly": None}, "nobody says what an hour of it costs"),
        ({"available": 64, "quota": 16, "rented": 12}, "none is left of it"),
        ({"hourly": 100 * USD}, "one machine costs 800.00 USD an hour"),
        ({"model": "MI300X"}, "accelerator model"),
    ],
)
def test_an_offer_that_may_not_or_cannot_be_used_is_turned_down_with_the_reason(
    over: dict[str, Any], says: str
) -> None:
    asked = wants("a-one")
    contract = asked.contract.model_copy(update={"models": (MODEL,)})
    found = planned(estate(offer("bad", **over), workloads=[asked.model_copy(update={"contract": contract})]), 500)
    assert found.rentals == ()
    assert any(says in t.reason for t in found.turned), found.turned
    assert [k.workload for k in found.left] == ["a-one"]


def test_a_contract_keeps_its_own_ceiling_and_a_stated_price_counts_where_the_offer_has_none() -> None:
    price = item("price", id="list", unit="gpu-hour", amount=2 * USD, model="", site="eu-de", provider="eu-hosting")
    there = estate(offer("listed", hourly=None), workloads=[wants("a-poor", cost_ceiling=15 * USD), wants("a-rich")])
    found = planned(there.with_stock(there.stock.with_(price)), 500)
    assert [(r.hourly, [h.workload for h in r.homes]) for r in found.rentals] == [(16 * USD, ["a-rich"])]
    assert "would cost 16.00 USD an hour where its contract allows 15.00 USD" in found.left[0].reason


def test_what_fits_here_is_not_rented_and_a_wish_needs_no_workload() -> None:
    roomy = builders.estate(law_base=facts(), nodes=[builders.node("eu-a1")], workloads=[wants("a-one")])
    found = planned(roomy.with_stock(roomy.stock.with_(offer("idle"))), 500)
    assert (found.met, found.rentals, found.gain.before) == (True, (), 8)
    wish = planned(estate(offer("only"), workloads=[]), 500, tenant=TenantId("tenant-a"), accelerators=16, each=8)
    assert (wish.met, [(r.machines, r.used) for r in wish.rentals]) == (True, [(2, 16)])
    with pytest.raises(BadInput, match="nobody here tells the time"):
        plan(roomy, Burst(ceiling=MicroUsdPerHour(1)))


@st.composite
def markets(draw: st.DrawFn) -> tuple[FrozenEstate, int]:
    """A few offers and a few who wait, in small numbers; and a ceiling in dollars."""
    sites = (("eu-de", "eu-hosting"), ("eu-de", "Daughter GmbH"), ("us-east", "us-cloud"))
    offers = []
    for number in range(draw(st.integers(1, 3))):
        site, provider = draw(among(sites))
        each = draw(among((2, 4, 8)))
        price = draw(st.integers(1, 4)) * USD
        have = draw(st.integers(0, 2)) * each
        offers.append(
            offer(f"o{number}", site=site, provider=provider, accelerators_each=each, hourly=price, available=have)
        )
    work = [
        wants(
            f"w{number}",
            draw(among((1, 2, 4))),
            draw(st.integers(1, 2)),
            tenant=draw(among(("tenant-a", "tenant-c"))),
            cost_ceiling=draw(among((None, None, 8 * USD))),
        )
        for number in range(draw(st.integers(1, 3)))
    ]
    return estate(*offers, workloads=work), draw(st.integers(1, 60))


def lawful(there: FrozenEstate, workload: Workload, each: Offer) -> bool:
    """By hand: every country that the site touches, and whoever can compel owner, operator or provider."""
    base = there.facts
    allowed = base.tenant[workload.tenant].residency
    site = base.site[each.site or SiteId("")]
    cluster = next(c for c in base.clusters if c.site == site.id)
    named = next(e.id for e in base.entities if each.provider in (e.id, e.name))
    countries, waiting = set[Country](), [site.owner, cluster.operator, cluster.key_holder, named]
    while waiting:
        entity = base.entity[waiting.pop()]
        countries |= {entity.seat, *entity.compelled_by}
        waiting += entity.parents
    near = {site.country, *site.replicas_in, *site.backups_in, *site.telemetry_in}
    hands = {*cluster.admins_in, *cluster.support_in}
    return near <= {*allowed.geographic} and countries <= {*allowed.legal} and hands <= {*allowed.operational}


def affordable(workload: Workload, each: Offer) -> bool:
    ceiling, contract = workload.contract.cost_ceiling, workload.contract
    cost = (each.hourly or 0) * contract.accelerators_per_replica * workload.replicas
    return ceiling is None or cost <= ceiling


def best(there: FrozenEstate, ceiling: int) -> tuple[int, int]:
    """The most accelerators, then the least cost, over every assignment of replicas to machines."""
    offers = [o for o in there.stock.all("offer") if isinstance(o, Offer)]
    machines = [(o, n) for o in offers for n in range((o.available or 0) // o.accelerators_each)]
    replicas = [w for w in there.workloads() for _ in range(w.replicas)]
    clusters = {s: next(c.id for c in there.facts.clusters if c.site == s) for s in there.facts.site}
    top = (0, 0)
    for seats in product([None, *range(len(machines))], repeat=len(replicas)):
        chosen = [(w, machines[s]) for w, s in zip(replicas, seats, strict=True) if s is not None]
        if not all(lawful(there, w, o) and affordable(w, o) for w, (o, _) in chosen):
            continue
        load, sides = Counter[tuple[OfferId, int]](), defaultdict[WorkloadId, list[str]](list)
        for w, (o, n) in chosen:
            load[o.id, n] += w.contract.accelerators_per_replica
            sides[w.id].append(clusters[o.site or SiteId("")])
        whole = all(
            set(s) == {"eu-1"} or (len(set(s)) == 1 and len(s) == _of(there, w).replicas) for w, s in sides.items()
        )
        each = {o.id: o for o in offers}
        fits = all(amount <= each[name].accelerators_each for (name, _), amount in load.items())
        cost = sum((each[name].hourly or 0) * each[name].accelerators_each for name, _ in load)
        if whole and fits and cost <= ceiling:
            top = max(top, (sum(load.values()), -cost))
    return top[0], -top[1]


def _of(there: FrozenEstate, name: WorkloadId) -> Workload:
    found = there.workload(name)
    assert found is not None
    return found


@given(markets())
@settings(max_examples=12)
def test_no_rental_breaks_law_ceiling_or_number_and_none_is_better(market: tuple[FrozenEstate, int]) -> None:
    there, dollars = market
    found = planned(there, dollars)
    offers = {o.id: o for o in there.stock.all("offer") if isinstance(o, Offer)}
    _add_up(there, found, offers, dollars * USD)
    most, cost = best(there, dollars * USD)
    assert found.gain.after <= found.gain.bound
    assert found.gain.after == most
    if found.gain.after == found.gain.bound:
        assert found.least_hourly <= cost
    assert found.hourly == cost
    assert planned(there, dollars) == found


def _add_up(there: FrozenEstate, found: Plan, offers: dict[Any, Offer], ceiling: int) -> None:
    assert found.hourly == sum(r.hourly for r in found.rentals) <= ceiling
    for rental in found.rentals:
        each = offers[rental.offer]
        load = Counter[int]()
        for home in rental.homes:
            workload = _of(there, home.workload)
            assert lawful(there, workload, each)
            assert affordable(workload, each)
            load[home.machine] += workload.contract.accelerators_per_replica
        assert max(load.values()) <= each.accelerators_each
        assert len(load) == rental.machines <= (each.available or 0) // each.accelerators_each
        assert rental.hourly == rental.machines * each.accelerators_each * (each.hourly or 0)
    seated = [(h.workload, h.replica) for r in found.rentals for h in r.homes]
    left = [(k.workload, r) for k in found.left for r in k.replicas]
    assert sorted(seated + left) == sorted((w.id, r) for w in there.workloads() for r in range(w.replicas))
