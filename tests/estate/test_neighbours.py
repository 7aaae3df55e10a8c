"""Neighbours, on estates drawn at random, held against a plain list of edges that is searched in the slowest way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from estate import neighbours
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import NodeId
from estate.items import Item
from estate.machines import Nic, NicUse
from estate.references import Bond, Chain, Ref
from estate.stock import Stock
from estate.units import MegabitsPerSecond
from tests import builders
from tests import items as building
from tests.drawing import among

DOMAINS = ("", "eu-a1-nvl", "rack-nvl", "far-nvl")
SWITCHES = ("", "leaf-eu-a", "rail-0", "rail-1")


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    """A node of the small estate, or one that no fact places, with devices and ports anywhere."""
    name = draw(among(["eu-a1", "eu-a2", "eu-a3", "eu-b1", "us-a1", "unplaced"]))
    devices = [builders.accelerator(name, i, nvlink_domain=draw(among(DOMAINS))) for i in range(2)]
    ports = [
        Nic(name=f"mlx5_{i}", use=NicUse.RDMA, switch=draw(among(SWITCHES)), speed=MegabitsPerSecond(400_000))
        for i in range(2)
    ]
    return builders.node(name, nics=tuple(ports)).model_copy(update={"accelerators": tuple(devices)})


@st.composite
def estates(draw: st.DrawFn) -> FrozenEstate:
    """Any history of some nodes, workloads and items; nodes are put, put again otherwise, and removed."""
    drawn = draw(st.lists(nodes(), max_size=8))
    items: list[Item] = draw(st.lists(st.sampled_from(building.all_kinds()), unique_by=lambda i: i.ref))
    estate = builders.estate(nodes=drawn, workloads=builders.default_workloads())
    for gone in draw(st.lists(st.sampled_from([n.id for n in drawn]), max_size=2)) if drawn else ():
        estate = estate.without_node(gone)
    for item in items:
        estate = estate.with_stock(estate.stock.with_(item))
    return estate


def edges(estate: FrozenEstate) -> set[tuple[Ref, Chain, Ref]]:
    """Who hangs on whom, written down in one pass over everything there is."""
    found: set[tuple[Ref, Chain, Ref]] = set()
    homes: dict[str, set[NodeId]] = {}
    for node in estate.nodes():
        for domain in {a.nvlink_domain for a in node.accelerators} - {""}:
            homes.setdefault(domain, set()).add(node.id)
    for node in estate.nodes():
        ref = Ref("node", node.id)
        racks = [r.id for r in estate.facts.racks if node.id in r.nodes]
        found |= {(ref, Chain.PLACE, Ref("rack", r)) for r in racks}
        found |= {(ref, Chain.NETWORK, Ref("switch", n.switch)) for n in node.nics if n.switch}
        for device in node.accelerators:
            named = neighbours.accelerator(node.id, device.index)
            found.add((named, Chain.PLACE, ref))
            if device.nvlink_domain:
                domain_ref = Ref("nvlink-domain", device.nvlink_domain)
                found.add((named, Chain.PLACE, domain_ref))
                alone = len(homes[device.nvlink_domain]) == 1
                tops = [ref] if alone else [Ref("rack", r) for r in racks]
                found |= {(domain_ref, Chain.PLACE, top) for top in tops}
    for rack in estate.facts.racks:
        ref = Ref("rack", rack.id)
        found |= {(ref, Chain.PLACE, Ref("site", rack.site)), (ref, Chain.POWER, Ref("feed", rack.power_feed))}
        found |= {(ref, Chain.NETWORK, Ref("switch", rack.leaf_switch))} if rack.leaf_switch else set()
    for workload in estate.workloads():
        found |= {(Ref("workload", workload.id), Chain.USE, Ref("node", b.node)) for b in workload.bindings}
    for item in estate.stock:
        found |= {(item.ref, p.chain, ref) for p, ref in item.named() if p.chain is not None}
    return found


@given(estates())
def test_above_and_below_are_the_edges_read_from_either_end(estate: FrozenEstate) -> None:
    known = edges(estate)
    for ref in {r for low, _, top in known for r in (low, top)}:
        assert set(neighbours.above(estate, ref)) == {Bond(chain, top) for low, chain, top in known if low == ref}
        assert set(neighbours.below(estate, ref)) == {Bond(chain, low) for low, chain, top in known if top == ref}


@given(estates(), st.sets(st.sampled_from(list(Chain))))
def test_domains_and_members_are_all_that_edges_lead_to(estate: FrozenEstate, chains: set[Chain]) -> None:
    known = {(low, top) for low, chain, top in edges(estate) if not chains or chain in chains}
    for ref in {r for pair in known for r in pair}:
        assert set(neighbours.domains(estate, ref, *chains)) == _closure(ref, known)
        assert set(neighbours.members(estate, ref, *chains)) == _closure(ref, {(top, low) for low, top in known})


def _closure(start: Ref, pairs: set[tuple[Ref, Ref]]) -> set[Ref]:
    found = {start}
    while grown := {b for a, b in pairs if a in found} - found:
        found |= grown
    return found - {start}


@given(estates(), st.data())
def test_what_is_struck_is_the_smallest_set_that_the_rules_close(estate: FrozenEstate, data: st.DataObject) -> None:
    known = edges(estate)
    every = sorted({r for low, _, top in known for r in (low, top)})
    failed = data.draw(st.sets(st.sampled_from(every), min_size=1, max_size=3))
    down = set(failed)
    while fallen := {low for low, chain, _ in known if _falls(low, chain, known, down)} - down:
        down |= fallen
    assert neighbours.struck(estate, *failed) == down


def _falls(low: Ref, chain: Chain, known: set[tuple[Ref, Chain, Ref]], down: set[Ref]) -> bool:
    tops = [top for other, of, top in known if (other, of) == (low, chain)]
    if chain in (Chain.PLACE, Chain.USE):
        return any(t in down for t in tops)
    return all(t in down for t in tops)


def test_one_of_two_feeds_takes_nothing_with_it() -> None:
    racks = (builders.rack("eu-a", power_feed=""), *builders.facts().racks[1:])
    pdus = [building.item("pdu", id=f"eu-a-pdu-{x}", feed=f"eu-feed-{x}") for x in "ab"]
    rack = building.item("rack", pdus=[p.id for p in pdus], cdus=[])
    estate = builders.estate(law_base=builders.facts(racks=racks)).with_stock(Stock.of((*pdus, rack)))
    one, both = (neighbours.struck(estate, *(Ref("feed", f"eu-feed-{x}") for x in xs)) for xs in ("a", "ab"))
    assert Ref("node", "eu-a1") not in one
    assert {Ref("node", "eu-a1"), Ref("accelerator", "eu-a1/0"), Ref("rack", "eu-a")} <= both
