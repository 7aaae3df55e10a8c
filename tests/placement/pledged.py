"""Random small estates whose workloads were promised more than devices, with what there is to keep it by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from estate import law
from estate.fabrics.links import End, Fabric, FabricSort, Link
from estate.fabrics.storage import Copy, Storage, StorageSort
from estate.facilities.places import Region, SitePlan
from estate.facilities.power import Feed, Pdu, Redundancy, Ups
from estate.frozen import FrozenEstate
from estate.ids import (
    ClusterId,
    ContractId,
    CopyId,
    DatasetId,
    FabricId,
    FeedId,
    LinkId,
    PduId,
    PriceId,
    RackId,
    RegionId,
    SiteId,
    StorageId,
    TenantId,
    TransformerId,
    UpsId,
    WorkloadId,
)
from estate.itemkinds import State
from estate.items import Item
from estate.machines import LinkState
from estate.references import Ref
from estate.stock import Stock
from estate.terms import Pace, Supply
from estate.units import Mebibytes, MegabitsPerSecond, MegabytesPerSecond, MicroUsd, Milliseconds, Watts
from estate.uses.offers import Price, Unit
from estate.uses.promises import Contract
from estate.workloads import Span, Stage, WorkloadContract, WorkloadKind
from tests import builders
from tests.drawing import among
from tests.placement import estates
from tools.placement.port import Ask

DATA = DatasetId("data")
W = WorkloadId("w0")
SITES = ("eu-de", "us-east")
AT = builders.START
_H100, _A100 = "H100-SXM5-80GB", "A100-SXM4-40GB"
PACES = (Pace(run_time=3_600, items_per_hour=100), Pace(model=_A100, run_time=7_200, items_per_hour=40))
TERMS: tuple[dict[str, Any], ...] = (
    {"ready_within": 3_000},
    {"ready_within": 100_000, "data_cost_ceiling": 10**9},
    {"storage": MegabytesPerSecond(100)},
    {"latency": 30, "users": ("eu-de",)},
    {"latency": 100, "users": ("eu-de", "south")},
    {"availability": 995, "min_available": 1},
    {"availability": 990, "min_available": 2},
    {"availability": 998, "min_available": 1},
    {"supply": Supply.BUFFERED},
    {"supply": Supply.REDUNDANT},
    {"cost_ceiling": 9_000_000},
    {"cost_ceiling": 30_000_000, "paces": PACES},
    {"deadline": AT + timedelta(seconds=5_000), "paces": PACES},
    {"deadline": AT + timedelta(seconds=90_000), "start": AT + timedelta(seconds=80_000), "paces": PACES},
    {"stage": Stage(beside=(WorkloadId("w1"),), near=Span.RACK)},
    {"stage": Stage(beside=(WorkloadId("w1"),))},
    {"fault": "placet.dev/contract: not a JSON object"},
    {"paces": PACES},
    {},
)


def price(name: str, amount: int, unit: Unit = Unit.GPU_HOUR, **over: Any) -> Price:
    """A price that holds for a day."""
    until = AT + timedelta(days=1)
    return Price(id=PriceId(name), unit=unit, amount=MicroUsd(amount), stated_by="a list", valid_until=until, **over)


def storage(name: str, site: str, **over: Any) -> Storage:
    """A parallel file system at a site."""
    return Storage(id=StorageId(name), site=SiteId(site), sort=StorageSort.PARALLEL, **over)


def copy(site: str, mebibytes: int | None, dataset: str = DATA) -> Copy:
    """A whole copy in the storage of a site."""
    size = None if mebibytes is None else Mebibytes(mebibytes)
    name, store = CopyId(f"{dataset}.{site}"), StorageId(f"{site}-store")
    return Copy(id=name, dataset=DatasetId(dataset), storage=store, mebibytes=size, complete=True)


def line(one: str, other: str, **over: Any) -> Link:
    """A line of a gigabit between two ends, unused unless told otherwise."""
    fields: dict[str, Any] = {
        "id": LinkId(f"{one}.{other}".replace("/", "-")),
        "fabric": FabricId("wan"),
        "ends": tuple(End(of=e if isinstance(e, Ref) else Ref(*e.split("/"))) for e in (one, other)),
        "capacity": MegabitsPerSecond(1_000),
        "used": MegabitsPerSecond(0),
        "latency": Milliseconds(20),
        "state": LinkState.UP,
    }
    return Link(**(fields | over))


WAN = Fabric(id=FabricId("wan"), sort=FabricSort.WAN)


def feed(name: str, **over: Any) -> Feed:
    """A feed of a megawatt behind its own batteries."""
    return Feed(id=FeedId(name), capacity_watts=Watts(10**6), **({"ups": UpsId(f"ups-{name}")} | over))


def ups(name: str, **over: Any) -> Ups:
    """The batteries of a feed."""
    transformer = TransformerId("t")
    return Ups(id=UpsId(f"ups-{name}"), transformer=transformer, capacity_watts=Watts(10**6), **over)


def pdu(rack: str, on: str) -> Pdu:
    """A PDU in a rack."""
    return Pdu(id=PduId(f"{rack}-{on}"), feed=FeedId(on), rack=RackId(rack), capacity_watts=Watts(20_000))


@st.composite
def items(draw: st.DrawFn) -> list[Item]:
    """Storage, data, lines, prices and feeds, some of which nobody states."""
    states = st.sampled_from([State.OK, State.OK, State.UNKNOWN, State.FAILED])
    found: list[Item] = [WAN, Region(id=RegionId("south")), SitePlan(id=SiteId("eu-de"), region=RegionId("north"))]
    for site in SITES:
        clusters = draw(among([(), (ClusterId("eu-1"),)]))
        read, written = draw(among([None, 100, 450])), draw(among([None, 50]))
        found.append(storage(f"{site}-store", site, read=read, written=written, clusters=clusters, state=draw(states)))
        if draw(st.booleans()):
            found.append(copy(site, draw(among([None, 300_000, 3_000_000]))))
        for model in (_H100, _A100, "MI300X", ""):
            if draw(st.booleans()):
                name, amount = f"{site}-{model}".lower().strip("-"), draw(among([1, 2, 9])) * 10**6
                found.append(price(name, amount, model=model, site=site))
    used, state = draw(among([None, 0, 900])), draw(among([LinkState.UP, LinkState.UP, LinkState.DOWN]))
    latency = draw(among([None, 20, 90]))
    found.append(line("site/eu-de", "site/us-east", used=used, state=state, latency=latency))
    found.append(line("site/us-east", "region/south", latency=draw(among([None, 5]))))
    if draw(st.booleans()):
        found.append(price("egress", 50_000, Unit.EGRESS_GIGABYTE, site=draw(among([None, "eu-de"]))))
    twice = {"redundancy": Redundancy.TWO_N, "partner": FeedId("b")} if draw(st.booleans()) else {}
    found += [feed("a", state=draw(states), **twice), feed("b", ups=draw(among([None, "ups-b"])))]
    found += [ups("a", state=draw(states)), ups("b")]
    found += [pdu(r, "b") for r in ("eu-a", "us-a") if draw(st.booleans())]
    return found


@st.composite
def facts(draw: st.DrawFn) -> law.Facts:
    """Racks with room on two feeds, tenants at ease, and data that may be in Europe alone or everywhere."""
    everywhere = builders.residency("DE", "FR", "US")
    countries = draw(among([("DE", "FR"), ("DE", "FR", "US"), ("DE", "FR", "US")]))
    held = law.Dataset(id=DATA, tenant=TenantId("tenant-a"), personal=False, residency=builders.residency(*countries))
    racks = tuple(
        builders.rack(r, power_feed=draw(among(["a", "b"])), nodes=tuple(n for n in estates.NAMES if n.startswith(r)))
        for r in ("eu-a", "eu-b", "us-a")
    )
    tenants = tuple(builders.tenant(t, residency=everywhere) for t in ("tenant-a", "tenant-b"))
    return builders.facts(tenants=tenants, racks=racks, datasets=(held,))


@st.composite
def promising(draw: st.DrawFn) -> FrozenEstate:
    """An estate with room, where `w0` was promised something, and others run."""
    models = st.sampled_from([_H100, _A100])
    nodes = []
    for name in draw(st.lists(among(estates.NAMES), min_size=3, unique=True)):
        model = draw(models)
        devices = tuple(builders.accelerator(name, i, model=model) for i in range(draw(among([2, 4]))))
        nodes.append(builders.node(name, accelerators=0).model_copy(update={"accelerators": devices}))
    estate = builders.estate(law_base=draw(facts()), nodes=nodes, workloads=())
    for number in (1, 2):
        estate = _beside(draw, estate, f"w{number}")
    terms = TERMS[draw(st.integers(0, len(TERMS) - 1))]
    first = builders.workload(
        "w0",
        kind=draw(among(list(WorkloadKind))),
        replicas=draw(st.integers(1, 4)),
        datasets=draw(among([(), (DATA,)])),
        contract=builders.contract(draw(st.integers(0, 2)), **terms),
        cluster=ClusterId(draw(among(["eu-1", "eu-1", "us-1"]))),
    )
    return estate.with_workload(first).with_stock(Stock.of(draw(items())))


def _beside(draw: st.DrawFn, estate: FrozenEstate, name: str) -> FrozenEstate:
    """Somebody else who runs on some node, and may read from storage."""
    reads = MegabytesPerSecond(draw(among([0, 0, 150])))
    node = draw(among([n.id for n in estate.nodes()]))
    free = [a.index for a in estate.node(node).accelerators if a.index not in estate.taken(node)]  # type: ignore[union-attr]
    seats = (builders.binding(0, node, *free[:1]),)
    cluster = ClusterId("eu-1" if node.startswith("eu") else "us-1")
    contract = builders.contract(1, storage=reads)
    other = builders.workload(
        name, tenant="tenant-b", cluster=cluster, replicas=1, contract=contract, bindings=seats if free else ()
    )
    return estate.with_workload(other)


@st.composite
def asks(draw: st.DrawFn, estate: FrozenEstate) -> Ask:
    """Homes for all of `w0`, or for one of its replicas."""
    workload = estate.workload(W)
    assert workload is not None
    replicas = tuple(range(workload.replicas))
    return Ask(W, draw(among([replicas, replicas, replicas[:1]])), at=AT)


@st.composite
def promised(draw: st.DrawFn, estate: FrozenEstate, name: WorkloadId) -> FrozenEstate:
    """The same work of some kind, and with something promised to it, by its own contract or by one of the estate."""
    workload, terms = estate.workload(name), TERMS[draw(st.integers(0, len(TERMS) - 1))]
    assert workload is not None
    update: dict[str, Any] = {"kind": draw(among(list(WorkloadKind)))}
    if DATA in estate.facts.dataset:
        update["datasets"] = draw(among([(), (), (DATA,)]))
    apart = WorkloadContract(accelerators_per_replica=workload.contract.accelerators_per_replica).model_copy(
        update=terms
    )
    if draw(st.booleans()):
        beside = Contract(id=ContractId("c"), workload=name, promised=apart)
        return estate.with_workload(workload.model_copy(update=update)).with_stock(estate.stock.with_(beside))
    update["contract"] = workload.contract.model_copy(update=terms)
    return estate.with_workload(workload.model_copy(update=update))
