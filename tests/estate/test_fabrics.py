"""A fabric's answers, on graphs drawn at random, held against every way that there is, walked one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from estate.fabrics import proximity
from estate.fabrics.graphs import Graph
from estate.fabrics.proximity import Proximity
from estate.frozen import FrozenEstate
from estate.ids import FabricId
from estate.items import Item
from estate.machines import LinkState, Nic, NicUse, PcieSwitch
from estate.references import Ref
from estate.stock import Stock
from estate.units import MegabitsPerSecond
from tests import builders
from tests import items as building
from tests.drawing import among

RDMA = FabricId("eu-rdma")
SWITCHES = [Ref("switch", f"w{n}") for n in range(5)]
NODES = [Ref("node", name) for name in ("eu-a1", "eu-a2", "eu-b1")]
states = st.sampled_from(list(LinkState))


@st.composite
def estates(draw: st.DrawFn) -> FrozenEstate:
    """Up to eight links among five switches, and nodes with ports on some of them."""
    items: list[Item] = [building.item("fabric"), building.item("link", id="elsewhere", fabric="wan")]
    for ref in SWITCHES:
        items.append(building.item("switch", id=ref.id, row=None, state=draw(among(["ok", "failed"]))))
    for number in range(draw(st.integers(0, 8))):
        ends = draw(st.lists(st.sampled_from(SWITCHES), min_size=2, max_size=2, unique=True))
        items.append(
            building.item(
                "link",
                id=f"l{number}",
                ends=[{"of": str(e)} for e in ends],
                capacity=draw(st.integers(0, 9)),
                used=draw(st.none() | st.integers(0, 9)),
                state=draw(states),
            )
        )
    return builders.estate(nodes=[_node(draw, ref) for ref in NODES], workloads=()).with_stock(Stock.of(items))


def _node(draw: st.DrawFn, ref: Ref) -> object:
    ports = tuple(
        Nic(
            name=f"p{n}",
            use=draw(among([NicUse.RDMA, NicUse.DATA])),
            switch=draw(among([s.id for s in SWITCHES])),
            speed=MegabitsPerSecond(draw(st.integers(0, 9))),
            used=draw(st.none() | st.integers(0, 9).map(MegabitsPerSecond)),
            state=draw(states),
        )
        for n in range(draw(st.integers(0, 2)))
    )
    return builders.node(ref.id, nics=ports)


type Lines = list[tuple[Ref, Ref, int]]


def lines(estate: FrozenEstate) -> Lines:
    """What carries, both ways, with what is free on it; read off the estate itself."""
    failed = {i.ref for i in estate.stock if i.kind == "switch" and i.state == "failed"}
    found: Lines = []
    for item in estate.stock:
        if item.kind == "link" and item.fabric == RDMA and item.state in ("up", "degraded"):
            one, other = (e.of for e in item.ends)
            free = max(item.capacity - item.used, 0) if item.used is not None else 0
            found += [(one, other, free), (other, one, free)]
    for node in estate.nodes():
        for port in node.nics:
            if port.use is NicUse.RDMA and port.state in ("up", "degraded"):
                free = max(port.speed - port.used, 0) if port.used is not None else 0
                one, other = Ref("node", node.id), Ref("switch", port.switch)
                found += [(one, other, free), (other, one, free)]
    return [line for line in found if not failed & set(line[:2])]


def ways(start: Ref, end: Ref, known: Lines, seen: tuple[Ref, ...] = ()) -> list[tuple[int, int]]:
    """Every way without a circle: what is free on it, and its length."""
    if start == end:
        return [(10**9, 0)]
    return [
        (min(free, rest), length + 1)
        for one, other, free in known
        if one == start and other not in (*seen, start)
        for rest, length in ways(other, end, known, (*seen, start))
    ]


@given(estates(), st.sampled_from(NODES), st.sampled_from(NODES + SWITCHES))
def test_the_widest_way_is_the_widest_of_all_ways(estate: FrozenEstate, start: Ref, end: Ref) -> None:
    found, every = Graph.of(estate, RDMA).widest(start, end), ways(start, end, lines(estate))
    assert (found is None) == (not every)
    if found is not None and start != end:
        most = max(free for free, _ in every)
        assert found.free == most
        assert len(found.stops) - 1 == min(length for free, length in every if free == most)
        assert (found.stops[0], found.stops[-1]) == (start, end)
        assert all(
            any(line[:2] == hop for line in lines(estate)) for hop in zip(found.stops, found.stops[1:], strict=False)
        )


@given(estates(), st.sampled_from(NODES))
def test_what_is_reached_is_what_some_way_leads_to(estate: FrozenEstate, start: Ref) -> None:
    known = lines(estate)
    every = {end for end in (*NODES, *SWITCHES) if ways(start, end, known)}
    assert Graph.of(estate, RDMA).reached(start) == every


@given(estates(), st.sampled_from(SWITCHES))
def test_who_is_cut_off_had_company_and_is_not_in_the_largest_part(estate: FrozenEstate, failed: Ref) -> None:
    graph = Graph.of(estate, RDMA)
    cut = graph.cut_off(NODES, failed)
    before, after = lines(estate), [line for line in lines(estate) if failed not in line[:2]]
    groups = [{n for n in NODES if n == m or ways(m, n, after)} for m in NODES]
    largest = max(len(g) for g in groups)
    assert cut <= {n for n in NODES if any(ways(n, m, before) for m in NODES if m != n)}
    assert all(len(g) <= largest for n, g in zip(NODES, groups, strict=True) if n in cut)
    if all(len(g) == len(NODES) for g in groups):
        assert not cut


def test_a_fabric_that_nobody_knows_reaches_nothing_but_the_start() -> None:
    graph = Graph.of(builders.estate(), FabricId("gone"))
    assert graph.reached(NODES[0]) == {NODES[0]}
    assert graph.widest(NODES[0], NODES[1]) is None


def test_two_devices_are_as_near_as_the_nearest_thing_that_they_share() -> None:
    devices = [
        builders.accelerator("eu-a1", 0, nvlink_domain="d", pcie_switch="s0", numa_node=0),
        builders.accelerator("eu-a1", 1, nvlink_domain="d", pcie_switch="s1", numa_node=0),
        builders.accelerator("eu-a1", 2, nvlink_domain="", pcie_switch="s1", numa_node=0),
        builders.accelerator("eu-a1", 3, nvlink_domain="", pcie_switch="", numa_node=0),
        builders.accelerator("eu-a1", 4, nvlink_domain="", pcie_switch="", numa_node=None),
        builders.accelerator("eu-a1", 5, nvlink_domain="d", nvlink_clique="other"),
    ]
    node = builders.node("eu-a1", pcie_switches=(PcieSwitch(name="s0"), PcieSwitch(name="s1")))
    found = [
        proximity.within(node, devices[one], devices[other]) for one, other in ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5))
    ]
    near = [Proximity.NVLINK, Proximity.PCIE_SWITCH, Proximity.NUMA, Proximity.NODE, Proximity.NODE]
    assert found == near


def test_two_nodes_are_as_near_as_rails_racks_and_sites_say() -> None:
    rail = Nic(name="p0", use=NicUse.RDMA, rail=0, switch="leaf-0", speed=MegabitsPerSecond(1))
    names = ("eu-a1", "eu-a2", "eu-b1", "eu-b2", "us-a1")
    one, railed, remote, same, abroad = (builders.node(n) for n in names)
    one, railed = (n.model_copy(update={"nics": (rail,)}) for n in (one, railed))
    estate = builders.estate(nodes=(one, railed, remote, same, abroad), workloads=())
    pairs = ((one, railed), (remote, same), (one, remote), (one, abroad))
    assert [proximity.between(estate, *pair) for pair in pairs] == [
        Proximity.RAIL,
        Proximity.RACK,
        Proximity.SITE,
        Proximity.FAR,
    ]
