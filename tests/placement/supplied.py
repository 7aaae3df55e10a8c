"""Random small estates in which devices abound and what feeds and cools racks is nearly full, has failed or leaks."""

from __future__ import annotations

from hypothesis import strategies as st

from estate import law
from estate.facilities.cooling import Cdu, LeakSensor, Loop
from estate.facilities.places import Cooling, CoolingMethod, RackSpace, SitePlan
from estate.facilities.power import Feed, Redundancy
from estate.frozen import FrozenEstate
from estate.ids import CduId, ClusterId, FeedId, LoopId, SiteId, WorkloadId
from estate.itemkinds import State
from estate.items import Item
from estate.units import Watts
from estate.workloads import Workload
from tests import builders
from tests.drawing import among
from tests.placement import estates
from tools.placement.port import Ask

W = WorkloadId("w0")
_SITES = {"eu-1": "eu", "us-1": "us"}


@st.composite
def tight(draw: st.DrawFn) -> FrozenEstate:
    """An estate in which `w0` waits, or runs in part; sometimes with reservations, its own among them."""
    everywhere = builders.residency("DE", "FR", "US")
    tenants = tuple(builders.tenant(t, residency=everywhere) for t in ("tenant-a", "tenant-b", "tenant-c"))
    racks = tuple(
        builders.rack(
            r,
            power_feed=draw(among(["a", "a", "b"])),
            power_budget_watts=draw(among([5_000, 9_000, 9_000])),
            nodes=tuple(n for n in estates.NAMES if n.startswith(r)),
        )
        for r in ("eu-a", "eu-b", "us-a")
    )
    nodes = [
        builders.node(name, accelerators=draw(among([2, 4])), power_cap_watts=draw(among([None, None, None, 1_700])))
        for name in draw(st.lists(among(estates.NAMES), min_size=3, unique=True))
    ]
    law_base = builders.facts(racks=racks, tenants=tenants, datasets=())
    estate = builders.estate(law_base=law_base, nodes=nodes, workloads=())
    for name, tenant in (("w1", "tenant-a"), ("w2", "tenant-b"), (W, "tenant-a")):
        estate = _running(draw, estate, name, tenant)
    if draw(among([False, False, True])):
        estate = draw(estates.reserved(estate))
    return draw(supplied(estate))


def _running(draw: st.DrawFn, estate: FrozenEstate, name: str, tenant: str) -> FrozenEstate:
    cluster = draw(among(["eu-1", "eu-1", "us-1"]))
    workload: Workload = builders.workload(
        name,
        tenant=tenant,
        cluster=ClusterId(cluster),
        replicas=draw(st.integers(1, 3)),
        watts_per_accelerator=draw(among([300, 700, 700])),
        contract=builders.contract(draw(among([1, 1, 2])), preemptible=True),
    )
    estate, seats = estate.with_workload(workload), list(workload.bindings)
    for replica in range(draw(st.integers(0, workload.replicas))):
        needed = workload.contract.accelerators_per_replica
        open_to = [n for n in estate.nodes() if n.id.startswith(_SITES[cluster])]
        homes = [
            (n.id, f)
            for n in open_to
            if len(f := [a.index for a in n.accelerators if a.index not in estate.taken(n.id)]) >= needed
        ]
        if homes:
            node, free = draw(among([(n, tuple(f)) for n, f in homes]))
            seats.append(builders.binding(replica, node, *free[:needed]))
            estate = estate.with_workload(workload.model_copy(update={"bindings": tuple(seats)}))
    return estate


@st.composite
def asks(draw: st.DrawFn, estate: FrozenEstate) -> Ask:
    """Homes for some or all replicas of `w0`."""
    workload = estate.workload(W)
    assert workload is not None
    every = tuple(range(workload.replicas))
    return Ask(W, draw(among([every, every, *((r,) for r in every)])), at=draw(among([None, builders.START])))


_HEADROOMS = (0, 299, 300, 700, 1_400, 2_500, 6_000, 10**6)
_STATES = st.sampled_from([State.OK] * 5 + [State.UNKNOWN, State.FAILED])


@st.composite
def supplied(draw: st.DrawFn, estate: FrozenEstate) -> FrozenEstate:
    """The estate with feeds, pairs, connections, coolant units and loops, most of them nearly full."""
    racks = tuple(r.model_copy(update={"power_feed": draw(among(["a", "a", "b"]))}) for r in estate.facts.racks)
    fields = {name: getattr(estate.facts, name) for name in law.Facts.model_fields}
    return draw(stocked(estate.with_facts(law.Facts(**fields | {"racks": racks}))))


@st.composite
def stocked(draw: st.DrawFn, estate: FrozenEstate) -> FrozenEstate:
    """The same without another rack on another feed."""
    stock = estate.stock
    for item in (*draw(_power(estate)), *draw(_coolers(estate))):
        stock = stock.with_(item)
    return estate.with_stock(stock)


def _near(draw: st.DrawFn, load: int) -> Watts:
    return Watts(max(0, load + draw(st.sampled_from(_HEADROOMS)) - draw(among([0, 0, 0, 1_000]))))


@st.composite
def _power(draw: st.DrawFn, estate: FrozenEstate) -> list[Item]:
    found: list[Item] = []
    both = draw(among([Redundancy.N, Redundancy.TWO_N, Redundancy.TWO_N]))
    for name, partner in (("a", "b"), ("b", draw(among(["a", "a", None])))):
        fed = [r for r in estate.facts.racks if r.power_feed == name or (partner and both is Redundancy.TWO_N)]
        watts = _near(draw, sum(estate.rack_watts(r.id) for r in fed))
        other = None if partner is None else FeedId(partner)
        found.append(Feed(id=FeedId(name), capacity_watts=watts, partner=other, redundancy=both, state=draw(_STATES)))
    for site in ("eu-de", "us-east"):
        if draw(st.booleans()):
            found.append(SitePlan(id=SiteId(site), power_watts=_near(draw, estate.site_watts(SiteId(site)))))
    return found


@st.composite
def _coolers(draw: st.DrawFn, estate: FrozenEstate) -> list[Item]:
    found: list[Item] = []
    drawn = {r.id: int(estate.rack_watts(r.id)) for r in estate.facts.racks}
    for rack, watts in drawn.items():
        cdus = draw(among([(), ("c1",), ("c1", "c2"), ("c2", "gone")]))
        heat = (Cooling(method=CoolingMethod.AIR, watts=_near(draw, watts)),)
        found.append(RackSpace(id=rack, cdus=cdus, cooling=draw(among([(), heat]))))
    for unit, shared in (("c1", 1), ("c2", 2)):
        wet = (LeakSensor(name="rope", wet=draw(among([None, False, False, False, True]))),)
        watts = _near(draw, sum(drawn.values()) // shared)
        loop = LoopId(draw(among(["l1", "l1", "l2"])))
        found.append(Cdu(id=CduId(unit), loop=loop, capacity_watts=watts, leak_sensors=wet, state=draw(_STATES)))
    found.append(Loop(id=LoopId("l1"), site=SiteId("eu-de"), capacity_watts=_near(draw, sum(drawn.values()))))
    return found
