"""Sums that are kept equal sums that are made anew; and a tenant sees its own things, and no rack of others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.door import ranking
from console.door.commands import Order, Ranked, Top
from console.door.sights import Reader
from console.door.views import Sight
from console.drawing import svg
from console.drawing.scales import Colouring
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.ids import NodeId, RackId, SiteId, TenantId
from estate.origins import Layer, Origin
from estate.readings import Gauge, Reading
from estate.references import Ref
from tests import builders
from tests.drawing import among
from tests.items import all_kinds, item
from tests.reserved import TONIGHT, holding, reserve, seat
from tools.generation.estates import generate
from tools.generation.sizes import Size
from tools.views import coverages, headrooms, selecting, things, topologies
from tools.views.coverages import Cover
from tools.views.sums import Keeper, Sums

UNTIL = datetime(2027, 12, 31, tzinfo=UTC)


@pytest.fixture(scope="module")
def estate() -> FrozenEstate:
    """A made-up estate of two sites, with all its items."""
    made = generate(Size(2, 6, 7, UNTIL, tenants=4))
    world = made.world
    return FrozenEstate.of(builders.version(1), made.facts, world.nodes, world.workloads, made.file().items)


def reader(estate: FrozenEstate, *tenants: TenantId) -> Reader:
    """Somebody who sees everything, or people of these tenants."""
    return Reader(Sums.of(estate), Sight(not tenants, frozenset(tenants)))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_kept_sums_are_the_sums_of_a_scan(estate: FrozenEstate, data: st.DataObject) -> None:
    keeper, now = Keeper(), estate
    keeper.of(now)
    nodes, work = [*estate.nodes()], [*estate.workloads()]
    for what in data.draw(st.lists(st.sampled_from(("cordon", "fail", "go", "end")), min_size=1, max_size=5)):
        node = data.draw(among(nodes))
        match what:
            case "cordon":
                now = now.with_node(node.model_copy(update={"cordoned": True}))
            case "fail":
                now = now.with_node(node.model_copy(update={"health": Health.FAILED}))
            case "go":
                now = now.without_node(node.id)
            case _:
                now = now.without_workload(data.draw(among(work)).id)
        if data.draw(st.booleans()):
            keeper.of(now)
    kept, anew = keeper.of(now), Sums.of(now)
    assert {r: _figures(u) for r, u in kept.racks.items()} == {r: _figures(u) for r, u in anew.racks.items()}
    assert dict(kept.loads) == dict(anew.loads)
    assert all(int(now.rack_watts(r)) == u.watts for r, u in anew.racks.items())


def _figures(use: object) -> tuple[object, ...]:
    names = ("nodes", "fenced", "unhealthy", "accelerators", "taken", "free", "failed", "watts", "tenants")
    return tuple(getattr(use, n) for n in names)


def test_an_unchanged_estate_is_not_scanned_again(estate: FrozenEstate, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Keeper()
    first = keeper.of(estate)
    monkeypatch.setattr(FrozenEstate, "nodes", lambda self: pytest.fail("scanned"))
    changed = estate.with_node(
        estate.nodes_in(RackId(estate.facts.racks[0].id))[0].model_copy(update={"cordoned": True})
    )
    assert keeper.of(estate) is first
    assert keeper.of(changed).racks[estate.facts.racks[0].id].fenced == first.racks[estate.facts.racks[0].id].fenced + 1


def test_a_tenant_is_shown_what_its_work_is_on_and_no_rack_of_others(estate: FrozenEstate) -> None:
    for tenant in estate.facts.tenants:
        own = {b.node for w in estate.workloads() if w.tenant == tenant.id for b in w.bindings}
        racks = {estate.rack_of(n) for n in own}
        seen = reader(estate, tenant.id)
        assert {n.id for n in estate.nodes() if seen.sees(Ref("node", n.id))} == own
        assert {r.id for r in estate.facts.racks if seen.sees(Ref("rack", r.id))} == racks
        for kind in things.KINDS:
            for thing in things.every(estate, kind):
                if seen.sees(thing.ref) and kind not in {"node", "rack", "site", "accelerator"}:
                    assert things.tenants_of(estate, thing.ref) == {tenant.id}
        for what in Ranked:
            rows = ranking.top(seen, Top(what=what, limit=1000), builders.START)
            told = str(rows)
            assert not any(t.id in told for t in estate.facts.tenants if t.id != tenant.id), what


def test_a_tenants_tree_and_picture_hold_nothing_of_others(estate: FrozenEstate) -> None:
    tenant = max(estate.facts.tenants, key=lambda t: sum(w.tenant == t.id for w in estate.workloads())).id
    seen = reader(estate, tenant)
    scope = topologies.Scope(sees=seen.sees_node, tenants=frozenset({tenant}))
    tree = topologies.topology(seen.sums, scope)
    own = {b.node for w in estate.workloads() if w.tenant == tenant for b in w.bindings}
    assert {n.id for s in tree.sites for row in s.rows for r in row.racks for n in r.nodes} == own
    assert set(tree.sites[0].figures.tenants) <= {tenant}
    assert tree.sites[0].figures.budget_watts is None
    others = [t.id for t in estate.facts.tenants if t.id != tenant]
    for by in Colouring:
        assert not any(f">{t}<" in svg.drawn(tree, by) for t in others)


@pytest.mark.parametrize("by", Colouring)
def test_the_same_estate_is_drawn_the_same_with_legend_and_every_node(estate: FrozenEstate, by: Colouring) -> None:
    tree = topologies.topology(Sums.of(estate), topologies.Scope())
    drawn = svg.drawn(tree, by)
    again = svg.drawn(topologies.Topology.model_validate(tree.json_form()), by)
    assert drawn == again
    assert all(f"<title>{n.id}: " in drawn for n in estate.nodes())


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("what", Ranked)
def test_what_is_ranked_goes_from_high_to_low(estate: FrozenEstate, what: Ranked, order: Order) -> None:
    rows = ranking.top(reader(estate), Top(what=what, by=order, limit=10), builders.START)
    assert 0 < len(rows) <= 10
    if what is not Ranked.DEVICES and order is Order.POWER:
        watts = [r["watts"] for r in rows]
        assert watts == sorted(watts, key=lambda w: -int(str(w)))


def test_sites_add_up_to_what_their_nodes_are(estate: FrozenEstate) -> None:
    for site in estate.facts.site:
        use = Sums.of(estate).site(site)
        nodes = [n for n in estate.nodes() if estate.site_of(n.id) == site]
        assert use.accelerators == sum(len(n.accelerators) for n in nodes)
        assert use.watts == sum(int(estate.node_watts(n.id)) for n in nodes)


def test_every_kind_is_found_listed_and_described_as_a_form(estate: FrozenEstate) -> None:
    whole = FrozenEstate.of(builders.version(), builders.facts(), *_parts(), all_kinds())
    for kind in things.KINDS:
        found = [*things.every(whole, kind)]
        assert found, kind
        assert things.known_kind(things.plural(kind)) == kind
        for thing in found:
            assert things.find(whole, thing.ref) == thing
            assert {"kind": kind, "id": thing.ref.id}.items() <= thing.form().items()


def _parts() -> tuple[tuple[object, ...], tuple[object, ...]]:
    small = builders.estate()
    return tuple(small.nodes()), tuple(small.workloads()) or (builders.workload(),)  # type: ignore[return-value]


def test_headroom_names_each_limit_with_its_basis(estate: FrozenEstate) -> None:
    sums = Sums.of(estate)
    for kind in ("rack", "site", "feed", "pdu", "loop"):
        for thing in things.every(estate, kind):
            found = [*headrooms.margins(sums, thing.ref)]
            assert found, thing.ref
            assert all(m.left is None or m.left == m.limit - (m.used or 0) for m in found if m.good != "accelerators")
    with pytest.raises(BadInput, match="a price has no headroom"):
        headrooms.margins(sums, Ref("price", "p"))


def test_what_is_kept_free_for_a_holder_is_no_headroom_and_is_drawn_as_such() -> None:
    """Two reservations of one rack, where four devices are held; to a tenant what others reserved is free."""
    whole = reserve("b-night", "tenant-b", seat("eu-b2", *range(8)))
    made, rack = holding(whole, reserve("c-night", "tenant-c", seat("eu-b3", 0))), Ref("rack", "eu-b")
    sums = Sums.of(made)
    for now, kept, watts in ((None, 0, 9 * 700), (TONIGHT, 9, 9 * 700), (TONIGHT + timedelta(hours=4), 0, 9 * 700)):
        found = {m.basis: m for m in headrooms.margins(sums, rack, now)}
        (devices,) = (m for m in found.values() if m.good == "accelerators")
        assert (devices.left, f"{kept} kept free" in devices.basis) == (28 - kept, bool(kept))
        promised = found["signed budgets, with what is reserved"]
        assert promised.used == (found["signed budget"].used or 0) + watts
    tree = topologies.topology(sums, topologies.Scope(now=TONIGHT))
    figures = {r.id: r.figures for s in tree.sites for row in s.rows for r in row.racks}["eu-b"]
    assert (figures.taken, figures.reserved, figures.free) == (4, 9, 19)
    drawn = svg.drawn(tree, Colouring.USE)
    assert "eu-b2: reserved, and nobody is there; 0/8 accelerators and 8 reserved" in drawn
    told = topologies.topology(sums, topologies.Scope(now=TONIGHT, tenants=frozenset({TenantId("tenant-c")})))
    assert sum(s.figures.reserved for s in told.sites) == 1


def test_headroom_counts_what_was_measured_lately_and_says_so() -> None:
    """Of a rack of three nodes one is metered; its PDU was read long ago, and what a tenant draws is stated."""
    made, now = builders.estate(), builders.START
    pdu = item("pdu", rack="eu-a", drawn_watts=5_000)
    made = made.with_stock(made.stock.with_(pdu).with_(item("rack", id="eu-a", pdus=[pdu.id], cooling=[])))
    old = Reading(Gauge.POWER, 9_000_000, now - timedelta(hours=1), "redfish/pdu")
    node = Ref("node", "eu-a1")
    stated = int(made.rack_watts(RackId("eu-a")))
    watts = Reading(Gauge.POWER, 1000 * (int(made.node_watts(NodeId("eu-a1"))) + 777), now, "redfish/bmc-1")
    sums = Sums.of(made.measuring({node: (watts,), pdu.ref: (old,)}))
    found = {m.basis: (m.used, m.rests_on) for m in headrooms.margins(sums, Ref("rack", "eu-a"), now)}
    assert found["signed budget"] == (stated + 777, "partly-measured")
    assert found["budget"] == (5_000, "stated")
    assert {m.rests_on for m in headrooms.margins(sums, pdu.ref, old.at)} == {"measured"}
    assert {m.used for m in headrooms.margins(sums, pdu.ref, old.at)} == {9_000}
    later = {m.basis: m.used for m in headrooms.margins(sums, Ref("rack", "eu-a"), now + timedelta(hours=1))}
    assert later["signed budget"] == stated


def test_coverage_tells_fresh_stale_and_absent(estate: FrozenEstate) -> None:
    now = datetime.now(UTC)
    found = {(c.site, str(c.layer)): c for c in coverages.coverage(estate, now)}
    site = next(iter(estate.facts.site))
    assert found[site, "scheduling"].standing == "fresh"
    assert found[site, "scheduling"].sources == tuple(
        sorted(f"cluster {c.id}" for c in estate.facts.clusters if c.site == site)
    )
    behind = {(c.site, str(c.layer)): c for c in coverages.coverage(estate, now, "gap")}
    assert behind[site, "scheduling"].standing == "stale"
    empty = FrozenEstate.of(builders.version(), estate.facts)
    assert {c.standing.value for c in coverages.coverage(empty, now)} == {"absent"}


def test_an_old_word_of_an_item_is_stale() -> None:
    seen = datetime(2026, 1, 1, tzinfo=UTC)
    loop = item("loop", site="eu-de", origins=[Origin(layer=Layer.COOLING, source="bms", observed_at=seen).json_form()])
    whole = FrozenEstate.of(builders.version(), builders.facts(), items=(loop,))
    for after, standing in ((timedelta(minutes=4), "fresh"), (timedelta(minutes=6), "stale")):
        found = coverages.coverage(whole, seen + after)
        (cover,) = [c for c in found if c.layer is Layer.COOLING and c.site == SiteId("eu-de")]
        assert (cover.standing.value, cover.age_seconds) == (standing, int(after.total_seconds()))
        assert cover.sources == ("bms",)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("state=failed", True),
        ("state!=failed", False),
        ("watts>100,watts<=200", True),
        ("watts>200", False),
        ("nodes=b", True),
        ("contract.deadline=", True),
        ("gone=", True),
    ],
)
def test_conditions_are_read_as_people_write_them(text: str, holds: bool) -> None:
    form: things.Form = {"state": "failed", "watts": 200, "nodes": ["a", "b"], "contract": {"deadline": None}}
    assert selecting.fits(form, selecting.read(text)) is holds


@pytest.mark.parametrize("text", ["", "state", "=x", "State=x", "a=b,,c=d"])
def test_what_is_no_condition_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match="is no condition; write a field"):
        selecting.read(text)


def test_a_number_is_wanted_where_more_is_asked() -> None:
    with pytest.raises(BadInput, match="`watts>many` needs a whole number"):
        selecting.fits({"watts": 3}, selecting.read("watts>many"))


def test_a_field_that_a_kind_never_has_is_refused() -> None:
    with pytest.raises(BadInput, match=r"a pdu has no field `colour`; it has .*capacity_watts"):
        selecting.check("pdu", selecting.read("colour=red"))


def test_a_source_that_is_asked_is_as_fresh_as_it_speaks_and_what_nobody_knows_is_counted() -> None:
    """It says the same each round and changes nothing; its word is old only once it is silent, prices by their list."""
    told = builders.START
    word = [{"layer": layer, "source": "redfish/bmc-1", "observed_at": told} for layer in ("hardware", "commerce")]
    node = builders.node("eu-a1").model_copy(update={"origins": tuple(Origin.model_validate(w) for w in word)})

    def at(hours: int, **state: Any) -> dict[tuple[str, str], Cover]:
        fields = {"id": "redfish.bmc-1", "source": "redfish/bmc-1", "unresolved": 3, "speech": "speaks"}
        source = item("source", **(fields | state))
        estate = FrozenEstate.of(builders.version(), builders.facts(), (node,), (), (source,))
        found = coverages.coverage(estate, told + timedelta(hours=hours))
        return {(c.site, str(c.layer)): c for c in found}

    speaks = at(48)
    assert speaks["eu-de", "hardware"].standing == "fresh"
    assert speaks["eu-de", "commerce"].standing == "stale"
    assert (speaks["", "sources"].standing, speaks["", "sources"].unresolved) == ("fresh", 3)
    silent = at(48, speech="silent", since=told + timedelta(hours=1), heard_at=told + timedelta(hours=1))
    assert silent["eu-de", "hardware"].standing == "stale"
    assert (silent["", "sources"].standing, silent["", "sources"].age_seconds) == ("stale", 47 * 3600)
    assert at(0, speech="never")["", "sources"].standing == "absent"
