"""Random small estates and asks, as hypothesis strategies."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from estate import effects, law
from estate.changes import ReserveCapacity
from estate.changes.seating import seat
from estate.devices import Sharing, Vendor
from estate.frozen import FrozenEstate
from estate.hardware import Health, Node, Taint, TaintEffect
from estate.ids import ClusterId, NodeId, ReservationId, SiteId, TenantId, WorkloadId
from estate.law import Quota
from estate.machines import LinkState, Nic, NicUse, NumaNode, Software
from estate.results import Ok
from estate.units import Mebibytes, MegabitsPerSecond, MilliGpu, Watts
from estate.uses.reservations import Meanwhile, Seat, Terms
from estate.workloads import BandwidthClass, Locality, Requirement, Span, Toleration, Workload
from tests import builders
from tests.drawing import among
from tools.placement.port import Ask

NAMES = tuple(f"{r}{n}" for r in ("eu-a", "eu-b", "us-a") for n in (1, 2, 3))
TAINTS = (
    Taint(key="gpu", effect=TaintEffect.NO_SCHEDULE),
    Taint(key="placet.dev/fault", value="xid-79", effect=TaintEffect.NO_EXECUTE),
    Taint(key="placet.dev/rest", effect=TaintEffect.PREFER_NO_SCHEDULE),
)
_SHARINGS = st.sampled_from([None, Sharing.MPS])
TENANTS = ("tenant-a", "tenant-b", "tenant-c")
MODELS = ("H100-SXM5-80GB", "A100-SXM4-40GB", "MI300X")
_COMPANY: list[tuple[Span | None, Span | None]] = [
    *[(None, None)] * 6,
    *((span, None) for span in Span),
    *((None, span) for span in Span),
    (Span.RACK, Span.NODE),
]
"""In what replicas stand together, and over what they are spread."""
_DEMANDS: list[dict[str, object]] = [
    *[{}] * 8,
    {"millicores": 3_000},
    {"millicores": 2_000, "host_mebibytes": 6_000},
    {"host_mebibytes": 9_000, "limit_watts": 500},
    {"locality": Locality.NUMA, "millicores": 2_000, "host_mebibytes": 3_000},
    {"locality": Locality.NUMA, "rails": 1},
    {"locality": Locality.PCIE, "rails": 1, "rail_speed": 200_000, "millicores": 1_000},
    {"locality": Locality.PCIE},
    {"rails": 2},
    {"rails": 1, "rail_speed": 400_000},
    {"software": (Requirement(name="driver", at_least="580.65"),)},
    {"profile": "1g.10gb"},
    {"profile": "1g.10gb", "locality": Locality.NUMA, "millicores": 1_000},
    {"share": 300},
    {"share": 500, "millicores": 1_000},
    {"share": 700, "locality": Locality.NUMA},
]
"""What a replica needs beside devices of a model; a share is of one device."""
_MAKERS = dict(zip(MODELS, (Vendor.NVIDIA, None, Vendor.AMD), strict=True))
"""None: nobody tells who made it."""


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Node:
    """A node of up to four devices in one or two NVLink domains, in some state of health."""
    healths = st.sampled_from([Health.HEALTHY] * 5 + [Health.FAILED, Health.DEGRADED])
    count = draw(st.integers(0, 4))
    split = draw(among([1, 2, 4]))
    model = draw(among(MODELS))
    cuts, sharing = draw(among([("",) * 4] * 4 + [("", "1g.10gb") * 2, ("1g.10gb",) * 4])), draw(_SHARINGS)
    parts, limit = draw(among([0, 1, 2, 2])), draw(among([None, 400, 700, 700]))
    devices = tuple(
        builders.accelerator(
            name,
            i,
            model=model,
            vendor=_MAKERS[model],
            memory_mebibytes=draw(among([40_000, 80_000])),
            nvlink_domain=draw(among(["", f"{name}-{i // split}", f"{name}-{i // split}"])),
            health=draw(healths),
            cut=cuts[i],
            sharing=None if cuts[i] else sharing,
            power_limit_watts=limit,
            numa_node=i * 2 // 4 if parts else None,
            pcie_switch=f"switch-{i // 2}" if parts else "",
        )
        for i in range(count)
    )
    return builders.node(
        name,
        accelerators=0,
        cordoned=draw(among([False] * 5 + [True])),
        health=draw(healths),
        taints=draw(among([()] * 4 + [TAINTS[:1], TAINTS[1:2], TAINTS])),
        power_cap_watts=draw(among([None, None, 1_200, 2_500])),
        cluster=ClusterId(draw(among(["eu-1" if name.startswith("eu") else "us-1"] * 9 + ["eu-1"]))),
    ).model_copy(update={"accelerators": devices, **draw(_machines(parts))})


@st.composite
def _machines(draw: st.DrawFn, parts: int) -> dict[str, object]:
    """What a node has beside its devices, as far as anybody tells."""
    found: dict[str, object] = {"software": draw(among([(), _software("570.10"), _software("580.65.06-1")]))}
    if draw(among([False, True, True])):
        found |= {"millicores": 8_000, "allots_mebibytes": 16_000, "other_millicores": draw(among([0, 500, 3_000]))}
    if parts:
        state = among([LinkState.UP, LinkState.UP, LinkState.DOWN])
        found["numa_nodes"] = tuple(NumaNode(index=i, cpus=4, memory_mebibytes=Mebibytes(8_000)) for i in range(parts))
        found["nics"] = tuple(
            Nic(
                name=f"rdma{i}",
                use=NicUse.RDMA,
                speed=MegabitsPerSecond(400_000),
                state=draw(state),
                used=MegabitsPerSecond(draw(among([0, 250_000]))),
                numa_node=i // 2,
                pcie_switch=f"switch-{i // 2}",
            )
            for i in range(4)
        )
    return found


def _software(driver: str) -> tuple[Software, ...]:
    return (Software(name="driver", version=driver), Software(name="kernel", version="6.12.0"))


_QUOTAS = (
    *[()] * 6,
    (Quota(accelerators=MilliGpu(4_000)),),
    (Quota(accelerators=MilliGpu(2_000), watts=Watts(4_000)), Quota(accelerators=MilliGpu(8_000))),
    (Quota(site=SiteId("eu-de"), accelerators=MilliGpu(1_000)), Quota(site=SiteId("us-east"), watts=Watts(700))),
    (Quota(model=MODELS[0], accelerators=MilliGpu(2_000)),),
    (Quota(site=SiteId("eu-de"), model=MODELS[1], accelerators=MilliGpu(0)), Quota(watts=Watts(2_000))),
)


@st.composite
def bounded(draw: st.DrawFn, tenant: str) -> dict[str, object]:
    """Who stands above a tenant, and the quotas that it has, some of one site or model."""
    over = {"tenant-b": (None, None, TenantId("tenant-a")), "tenant-c": (None, TenantId("tenant-b"))}
    return {"quotas": draw(among(_QUOTAS)), "parent": draw(among(over.get(tenant, (None,))))}


@st.composite
def facts(draw: st.DrawFn) -> law.Facts:
    """The small estate's law base with other isolation, budgets and racks."""
    isolation = st.sampled_from([law.Isolation.SHARED_NODE] * 3 + list(law.Isolation))
    tenants = tuple(
        builders.tenant(
            t,
            isolation=draw(isolation),
            apart_from=draw(among([(), (), ("tenant-c",), ("tenant-b",)])),
            residency=builders.residency(*draw(among([("DE", "FR"), ("DE", "FR", "US"), ("US",), ()]))),
            **draw(bounded(t)),
        )
        for t in TENANTS
    )
    racks = tuple(
        builders.rack(
            r,
            power_budget_watts=draw(st.integers(0, 9) | st.integers(3_000, 12_000)),
            nodes=tuple(n for n in NAMES if n.startswith(r) and draw(st.integers(0, 11))),
        )
        for r in ("eu-a", "eu-b", "us-a")
    )
    placed = [n for r in racks for n in r.nodes]
    joined = tuple(sorted(draw(st.sets(st.sampled_from(placed), max_size=3)))) if placed and draw(st.booleans()) else ()
    network = law.Network(id="rails", tenants=draw(among([(), TENANTS[:1], TENANTS])), nodes=joined)
    return builders.facts(tenants=tenants, racks=racks, datasets=(), networks=(network,) if joined else ())


@st.composite
def workloads(draw: st.DrawFn, name: str) -> Workload:
    """A pending workload of some tenant."""
    tenant = draw(among([*TENANTS, *TENANTS, "tenant-x"]))
    together, spread = draw(among(_COMPANY))
    demand = draw(st.sampled_from(_DEMANDS))
    least = int("profile" in demand or "locality" in demand)
    count = 1 if "share" in demand else draw(st.integers(least, 3))
    return builders.workload(
        name,
        tenant=tenant,
        namespace=draw(among([tenant] * 6 + ["tenant-a"])),
        cluster=ClusterId(draw(among(["eu-1", "eu-1", "us-1"]))),
        replicas=draw(st.integers(1, 4)),
        tolerations=draw(among([(), (), (Toleration(key="gpu"),), (Toleration(),)])),
        watts_per_accelerator=draw(among([0, 300, 700])),
        contract=builders.contract(
            count,
            **demand,
            models=draw(among([(), (), MODELS[:1], MODELS])),
            vendors=draw(among([(), (), (Vendor.AMD,), (Vendor.AMD, Vendor.NVIDIA)])),
            memory_mebibytes=draw(among([0, 0, 60_000])),
            bandwidth=draw(among(list(BandwidthClass))),
            preemptible=draw(among([False, False, True])),
            deadline=draw(among([None, None, builders.START + timedelta(hours=1)])),
            together=together,
            spread=spread,
        ),
    )


@st.composite
def roomy(draw: st.DrawFn) -> law.Facts:
    """Facts under which most things have room: every node placed, some watts to spare, and most tenants at ease."""
    isolation = st.sampled_from([law.Isolation.SHARED_NODE] * 6 + list(law.Isolation)[:3])
    everywhere = builders.residency("DE", "FR", "US")
    residencies = st.sampled_from([everywhere, everywhere, builders.residency("DE", "FR")])
    tenants = tuple(
        builders.tenant(t, isolation=draw(isolation), residency=draw(residencies), **draw(bounded(t))) for t in TENANTS
    )
    racks = tuple(
        builders.rack(
            r, power_budget_watts=draw(st.integers(4_000, 9_000)), nodes=tuple(n for n in NAMES if n.startswith(r))
        )
        for r in ("eu-a", "eu-b", "us-a")
    )
    return builders.facts(tenants=tenants, racks=racks, datasets=())


@st.composite
def estates(
    draw: st.DrawFn, most_workloads: int = 5, law_base: st.SearchStrategy[law.Facts] | None = None
) -> FrozenEstate:
    """An estate whose workloads are seated wherever they happen to fit, lawful or not."""
    estate = builders.estate(
        law_base=draw(law_base if law_base is not None else facts()),
        nodes=[draw(nodes(n)) for n in NAMES if draw(st.integers(0, 7))],
        workloads=(),
    )
    for number in range(draw(st.integers(1, most_workloads))):
        estate = settled(draw, estate, draw(workloads(f"w{number}")))
    return estate


def settled(draw: st.DrawFn, estate: FrozenEstate, workload: Workload) -> FrozenEstate:
    """The estate with this workload, its replicas seated wherever they happen to fit."""
    estate = estate.with_workload(workload)
    for replica in range(workload.replicas):
        name = draw(among(NAMES))
        node = estate.node(NodeId(name))
        # With shares some device again, taken in part or not.
        shared = workload.contract.share is not None
        free = [a.index for a in node.accelerators if shared or a.index not in estate.taken(node.id)] if node else []
        free = free[draw(st.integers(0, 3)) % len(free) :] if shared and free else free
        binding = builders.binding(replica, name, *free[: workload.contract.accelerators_per_replica])
        if seat(estate, workload, (binding,)) is None:
            workload = workload.model_copy(update={"bindings": (*workload.bindings, binding)})
            estate = estate.with_workload(workload)
    return estate


@st.composite
def reserved(draw: st.DrawFn, estate: FrozenEstate, holder: TenantId | None = None) -> FrozenEstate:
    """The estate with up to four reservations of what is sound and free, made as they are made.

    With a holder all are theirs and in force.
    """
    sound = {n.id: _sound(estate, n) for n in estate.nodes() if n.health is Health.HEALTHY}
    homes = [(name, indexes) for name, indexes in sound.items() if indexes]
    for number in range(draw(st.integers(0, 4)) if homes else 0):
        node, free = draw(among(homes))
        indexes = free[: draw(st.integers(1, len(free)))]
        start = builders.START + timedelta(hours=draw(st.integers(0, 0 if holder else 3)))
        terms = Terms(
            tenant=holder or draw(among([TenantId(t) for t in TENANTS])),
            workload=draw(among([None, None, WorkloadId("w0")])),
            seats=(Seat(node=node, accelerators=indexes),),
            watts_per_accelerator=draw(among([0, 700, 1_500])),
            start=start,
            end=start + timedelta(hours=draw(st.integers(1, 3))),
            meanwhile=draw(among(list(Meanwhile))),
        )
        made = effects.effect(ReserveCapacity(reservation=ReservationId(f"r{number}"), terms=terms), estate)
        if isinstance(made, Ok):
            assert isinstance(made.value, FrozenEstate)
            estate = made.value
    return estate


def _sound(estate: FrozenEstate, node: Node) -> tuple[int, ...]:
    taken = estate.taken(node.id)
    return tuple(a.index for a in node.accelerators if a.health is Health.HEALTHY and a.index not in taken)


@st.composite
def asks(draw: st.DrawFn, estate: FrozenEstate) -> Ask:
    """Homes for some or all replicas of some workload, or for more than it has."""
    workload = draw(among(list(estate.workloads())))
    every = tuple(range(workload.replicas))
    some = st.lists(st.sampled_from(every), min_size=1, unique=True).map(tuple)
    more = st.just((*every, workload.replicas, workload.replicas + 1))
    return Ask(
        workload=WorkloadId(workload.id),
        replicas=draw(st.just(every) | some | more),
        sites=draw(among([(), (), (SiteId("eu-de"),), (SiteId("us-east"),)])),
        avoid=frozenset(NodeId(n) for n in draw(st.lists(st.sampled_from(NAMES), max_size=2))),
        at=draw(among([None, builders.START, builders.START + timedelta(minutes=90)])),
    )
