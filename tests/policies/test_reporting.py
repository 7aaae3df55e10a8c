"""The law report: what runs where and under which facts, and what their end would make unlawful."""

from __future__ import annotations

from datetime import timedelta

from estate.ids import ClusterId, Country, DatasetId, TenantId, WorkloadId
from estate.law import Dataset, Facts, Grant, Instrument, Transfer
from estate.stock import Stock
from estate.uses.running import Component, ComponentSort
from estate.verdicts import Dimension
from policies import reviewing
from policies.bundle import Bundle
from policies.reporting import Asking, LawReport, report
from tests import builders

LOGS = DatasetId("b-logs")
SOON = builders.START + timedelta(days=30)


def lent(until: timedelta) -> Facts:
    """`a-records` were made of logs of tenant-b, which granted them for that long."""
    (records,) = builders.facts().datasets
    logs = Dataset(id=LOGS, tenant=TenantId("tenant-b"), personal=True, residency=builders.residency("DE", "FR"))
    grant = Grant(dataset=LOGS, to=TenantId("tenant-a"), basis="DPA-9", valid_until=builders.START + until)
    made = records.model_copy(update={"derived_from": (LOGS,)})
    return builders.facts(datasets=(made, logs), grants=(grant,))


def told(facts: Facts | None = None, days: int = 90) -> LawReport:
    estate = builders.estate(law_base=facts)
    return report(Asking(estate, Bundle.load(), builders.START, timedelta(days=days)))


def test_everything_that_runs_is_told_with_where_it_may_be_reached_from_and_what_it_uses() -> None:
    found = {s.workload: s for s in told(lent(timedelta(days=30))).running}
    serve = found[WorkloadId("a-serve")]
    assert (serve.cluster, serve.site, serve.failures) == (ClusterId("eu-1"), "eu-de", ())
    assert serve.geographic == serve.legal == serve.operational == ("DE",)
    assert serve.datasets == ("a-records", "b-logs")
    assert set(found) == {w.id for w in builders.estate().workloads()}


def test_each_is_told_with_its_nodes_its_keys_and_the_facts_that_it_stands_on() -> None:
    found = told(lent(timedelta(days=30)))
    (serve,) = (s for s in found.running if s.workload == "a-serve")
    assert (serve.nodes, serve.key) == (("eu-a1", "eu-a2"), ("DE",))
    assert serve.under == (
        "tenants.tenant-a",
        "clusters.eu-1",
        "sites.eu-de",
        "racks.eu-a",
        "datasets.a-records",
        "datasets.b-logs",
        "grants.0",
    )
    assert (found.author, found.basis) == ("test author", "written for tests")


def abroad(*ends: int) -> Facts:
    """`a-records` may be in the United States too, by instruments that end after so many days."""
    (records,) = builders.facts().datasets
    wide = builders.residency("DE", "FR", "US")
    rests = tuple(
        Transfer(
            instrument=Instrument.STANDARD_CLAUSES,
            to=(Country("US"),),
            basis="SCC-4",
            valid_until=builders.START + timedelta(days=days),
        )
        for days in ends
    )
    data = records.model_copy(update={"residency": wide, "transfers": rests})
    sites = tuple(
        s.model_copy(update={"backups_in": (*s.backups_in, Country("US"))}) if s.id == "eu-de" else s
        for s in builders.facts().sites
    )
    tenants = tuple(t.model_copy(update={"residency": wide}) for t in builders.facts().tenants)
    return builders.facts(datasets=(data,), sites=sites, tenants=tenants)


def test_a_transfer_that_ends_is_told_with_what_would_be_unlawful_then() -> None:
    """Not where another instrument for the same country outlives it, and not of who does not use the data."""
    (first,) = told(abroad(30)).expiring
    assert (first.fact, first.unlawful_then) == ("datasets.a-records.transfers.0", ("a-serve",))
    assert [e.unlawful_then for e in told(abroad(30, 80)).expiring] == [(), ("a-serve",)]
    failures = {s.workload: s.failures for s in told(abroad(-1)).running}
    (failure,) = failures[WorkloadId("a-serve")]
    assert (failure.policy, failure.found) == ("transfer-in-force", "ended: a-records to US")
    assert failures[WorkloadId("b-train")] == ()


def test_who_runs_unregistered_is_told() -> None:
    helper = Component(id="helper", sort=ComponentSort.AGENT, runs_in=(WorkloadId("a-serve"),))
    known = builders.facts(registrations=(builders.registration(),))
    estate = builders.estate(law_base=known).with_stock(Stock.of((helper,)))
    found = report(Asking(estate, Bundle.load(), builders.START))
    assert found.unregistered == ("component/helper: agent `helper` is of an unknown digest",)


def test_what_is_unlawful_now_is_told_as_a_review_tells_it() -> None:
    base = builders.facts()
    abroad = tuple(
        t.model_copy(update={"residency": builders.residency("FR")}) if t.id == "tenant-b" else t for t in base.tenants
    )
    facts = builders.facts(tenants=abroad)
    reviews = reviewing.review(builders.estate(law_base=facts), Bundle.load(), builders.START)
    found = {s.workload: s.failures for s in told(facts).running}
    assert found == {r.workload: r.failures for r in reviews}
    assert {f.dimension for f in found[WorkloadId("b-train")]} >= {Dimension.GEOGRAPHIC, Dimension.LEGAL}


def test_a_grant_that_ends_is_told_with_what_would_be_unlawful_then() -> None:
    (ending,) = told(lent(timedelta(days=30))).expiring
    assert (ending.fact, ending.until, ending.unlawful_then) == ("grants.0", SOON, ("a-serve",))
    assert told(lent(timedelta(days=91))).expiring == ()
    assert [e.unlawful_then for e in told(lent(-timedelta(days=1))).expiring] == [], "it ended before"
    (late,) = (s.failures for s in told(lent(-timedelta(days=1))).running if s.workload == "a-serve")
    assert [f.policy for f in late] == ["tenant-data"]


def test_the_end_of_the_facts_is_the_end_of_everything_lawful() -> None:
    (ending,) = told(builders.facts(valid_until=SOON)).expiring
    assert (ending.fact, len(ending.unlawful_then)) == ("valid_until", len(list(builders.estate().workloads())))
