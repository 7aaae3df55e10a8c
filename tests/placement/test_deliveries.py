"""What it takes to bring data, over more than one line and past who may not see it; and whose word a promise is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from estate import law, pledges
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, ContractId, Country, DatasetId, EntityId, RackId, SiteId, TenantId, Uid, WorkloadId
from estate.items import Item
from estate.stock import Stock
from estate.terms import Pace, Supply
from estate.uses.promises import Contract
from estate.workloads import Span, WorkloadContract, WorkloadKind
from tests import builders
from tests.placement import pledged
from tools.kubernetes import contracts
from tools.placement.engine import MaskEngine
from tools.placement.port import Ask, NoPlacement, Placement

W = WorkloadId("w")


def three_sites(transit: str) -> law.Facts:
    """As the small estate, and a third site `mid` in that country, with no rack."""
    base = builders.facts()
    here = (Country(transit),)
    site = law.Site(
        id=SiteId("mid"), country=here[0], owner=EntityId("acme"), replicas_in=here, backups_in=here, telemetry_in=here
    )
    second = law.Site(**{**base.site[SiteId("eu-de")].model_dump(), "id": SiteId("eu-fr")})
    cluster = base.cluster[ClusterId("eu-1")]
    who = {n: EntityId("acme") for n in ("operator", "key_holder", "update_authority", "stop_authority")}
    mid = {"id": "mid-1", "uid": Uid("uid-mid-1"), "site": SiteId("mid"), "admins_in": here, "support_in": here} | who
    far = {"id": "fr-1", "uid": Uid("uid-fr-1"), "site": SiteId("eu-fr")}
    clusters = (*base.clusters, *(law.Cluster(**{**cluster.model_dump(), **over}) for over in (mid, far)))
    held = law.Dataset(
        id=DatasetId("data"), tenant=TenantId("tenant-a"), personal=True, residency=builders.residency("DE", "FR")
    )
    return builders.facts(sites=(*base.sites, site, second), clusters=clusters, datasets=(held,))


def brought(facts: law.Facts, *more: Item, **contract: Any) -> Placement | NoPlacement:
    """Where `w` goes, whose data lies at `eu-fr`, a line to `mid` and from there one to `eu-de`."""
    workload = builders.workload(
        "w",
        replicas=1,
        datasets=(DatasetId("data"),),
        kind=WorkloadKind.BATCH,
        contract=builders.contract(2, **contract),
    )
    lines = (pledged.line("site/eu-fr", "site/mid", used=200), pledged.line("site/mid", "site/eu-de", capacity=2_000))
    items = (pledged.WAN, *lines, pledged.storage("eu-fr-store", "eu-fr"), pledged.copy("eu-fr", 1_000_000), *more)
    estate = builders.estate(law_base=facts, nodes=(builders.node("eu-a1"),), workloads=(workload,))
    return MaskEngine().place(estate.with_stock(Stock.of(items)), Ask(W, (0,), at=builders.START))


def test_data_is_brought_over_the_narrowest_line_of_its_way_and_the_answer_says_so() -> None:
    found = brought(three_sites("FR"), pledged.price("egress", 10_000, unit="egress-gigabyte"))
    assert isinstance(found, Placement)
    (delivery,) = found.deliveries
    bits = 1_000_000 * 2**20 * 8
    assert delivery.seconds == -(-bits // 800_000_000)
    assert (delivery.source, delivery.wan_permille) == ("eu-fr", 800)
    assert delivery.micro_usd == -(-1_000_000 * 2**20 * 10_000 // 10**9)


def test_data_is_never_brought_through_a_country_where_it_may_not_be() -> None:
    found = brought(three_sites("US"))
    assert isinstance(found, Placement)
    assert [(d.source, d.seconds) for d in found.deliveries] == [("eu-fr", None)]
    late = brought(three_sites("US"), ready_within=10**6)
    assert isinstance(late, NoPlacement)
    assert [r.found for r in late.refused if r.constraint == "its data there soon enough"] == [
        "at best nobody knows how many s, nobody knows how many micro-dollars"
    ]


def test_what_is_too_late_is_told_what_it_would_have_to_accept() -> None:
    found = brought(three_sites("FR"), ready_within=100)
    assert isinstance(found, NoPlacement)
    assert found.nearest == "accept that bringing its data takes 10486 seconds; `eu-a1` would do"


def test_a_run_tells_when_it_begins_and_when_it_is_done() -> None:
    start = builders.START + timedelta(hours=1)
    terms = {"start": start, "paces": (Pace(run_time=7_200),), "deadline": start + timedelta(hours=5)}
    found = brought(three_sites("FR"), **terms)
    assert isinstance(found, Placement)
    assert (found.begins, found.done) == (start, start + timedelta(seconds=7_200 + 10_486))


def promised(**over: Any) -> Contract:
    contract = WorkloadContract(accelerators_per_replica=0, **over)
    return Contract(id=ContractId("c"), workload=W, promised=contract, valid_until=builders.START)


def with_contract(own: dict[str, Any], theirs: dict[str, Any]) -> FrozenEstate:
    workload = builders.workload("w", contract=builders.contract(2, **own))
    return builders.estate(workloads=(workload,)).with_stock(Stock.of([promised(**theirs)]))


def test_of_two_words_on_one_promise_the_stricter_holds_until_it_ends() -> None:
    own = {"latency": 50, "users": ("eu-de",), "supply": Supply.BUFFERED, "storage": 10, "spread": Span.NODE}
    theirs = {"latency": 20, "users": ("us-east",), "supply": Supply.REDUNDANT, "storage": 5, "cost_ceiling": 7}
    estate = with_contract(own, theirs)
    workload = estate.workload(W)
    assert workload is not None
    found = pledges.of(estate, workload)
    assert (found.latency, found.users, found.supply) == (20, ("eu-de", "us-east"), Supply.REDUNDANT)
    assert (found.storage, found.cost_ceiling, found.spread) == (10, 7, Span.NODE)
    assert found.accelerators_per_replica == 2
    assert pledges.of(estate, workload, builders.START) == workload.contract
    eased = pledges.revised(estate, workload, {"latency": None, "users": ()})
    again = eased.workload(W)
    assert again is not None
    assert pledges.of(eased, again).latency is None


def test_an_annotation_states_terms_and_what_it_cannot_state_is_placed_nowhere() -> None:
    terms = contracts.told('{"latency": 20, "users": ["eu-de"], "paces": [{"items_per_hour": 5}], "preemptible": true}')
    assert terms is not None
    assert contracts.told(contracts.written(terms)) == terms
    assert contracts.applied(terms, accelerators_per_replica=3).accelerators_per_replica == 3
    assert contracts.told(None) is None
    assert contracts.written(builders.contract(8)) == ""
    for text, why in (
        ("[1]", "not a JSON object"),
        ('{"colour": 1}', "`colour` is no term"),
        ('{"latency": -1}', "latency: input should be greater than or equal to 0"),
        ('{"accelerators_per_replica": 8}', "`accelerators_per_replica` is no term"),
        ("{" + " " * 9_000 + "}", "characters are more than"),
        ('{"users": ["eu-de"]}', "no `latency`"),
    ):
        wrong = contracts.told(text)
        assert wrong is not None
        assert why in wrong.fault
        estate = builders.estate(workloads=(builders.workload("w", contract=contracts.applied(wrong)),))
        answer = MaskEngine().place(estate, Ask(W, (0,)))
        assert isinstance(answer, NoPlacement)
        assert "a contract that can be read" in {r.constraint for r in answer.refused}


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"availability": 1000}, "availability"),
        ({"users": ("eu-de",)}, "users"),
        ({"paces": (Pace(run_time=1), Pace(run_time=2))}, "paces"),
        ({"deadline": "2026-01-01T00:00:00Z", "start": "2026-01-01T00:00:01Z"}, "deadline"),
        ({"stage": {"beside": []}}, "stage"),
        ({"priority": 10**12}, "priority"),
    ],
)
def test_a_contract_that_contradicts_itself_names_its_field(over: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        builders.contract(2, **over)


def test_a_contract_that_says_nothing_of_this_has_the_form_that_it_had() -> None:
    """What was signed and stored before keeps its digest."""
    assert set(builders.contract(2).json_form()) == {
        "accelerators_per_replica",
        "models",
        "memory_mebibytes",
        "bandwidth",
        "min_available",
        "latency",
        "cost_ceiling",
        "deadline",
        "residency",
    }


def test_one_feed_does_not_keep_what_two_do() -> None:
    """Feed `a` feeds one rack and `b` the other; without knowing of a partner each may fail alone."""
    racks = (builders.rack("eu-a", power_feed="a"), builders.rack("eu-b", power_feed="b"))
    contract = builders.contract(2, availability=998, min_available=1)
    workload = builders.workload("w", contract=contract)
    estate = builders.estate(law_base=builders.facts(racks=racks, datasets=()), workloads=(workload,))
    found = MaskEngine().place(estate, Ask(W, (0, 1)))
    assert isinstance(found, Placement)
    assert {estate.rack_of(b.node) for b in found.bindings} == {RackId("eu-a"), RackId("eu-b")}
    one = builders.facts(racks=(builders.rack("eu-a", power_feed="a"),), datasets=())
    refused = MaskEngine().place(builders.estate(law_base=one, workloads=(workload,)), Ask(W, (0, 1)))
    assert isinstance(refused, NoPlacement)
    assert refused.nearest.startswith("accept that they are up for 99")
