"""The demo's estate: two sites under two jurisdictions, three tenants, racks with power budgets, 256 accelerators.

Demo, evals and benchmarks start from it; `racks` makes it larger. Deterministic: no clock, no randomness.
The numbers are those of air-cooled eight-way H100 machines: 700 W an accelerator, 2 kW for the rest of the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from string import ascii_lowercase

from estate.hardware import Accelerator, Node
from estate.ids import ClusterId, Country, DatasetId, EntityId, NodeId, RackId, SiteId, TenantId, Uid, WorkloadId
from estate.law import (
    Cluster,
    Dataset,
    DisruptionConsent,
    Facts,
    LegalEntity,
    Namespace,
    Rack,
    Residency,
    Site,
    Tenant,
)
from estate.units import Mebibytes, Watts
from estate.workloads import Binding, Workload, WorkloadContract, WorkloadKind
from estate.worlds import World

EU = tuple(Country(c) for c in ("DE", "FR", "NL"))
DE, US = Country("DE"), Country("US")
NODES_PER_RACK, ACCELERATORS_PER_NODE = 4, 8
RACK_BUDGET = Watts(28_000)
ACCELERATOR_WATTS, IDLE_WATTS = Watts(700), Watts(2_000)
MODEL = "H100-SXM5-80GB"


def facts(valid_until: datetime, racks: int = 4) -> Facts:
    """The law base, with `racks` racks a site."""
    return Facts(
        version=1,
        author="dora.legal",
        basis="hosting agreements HA-2026-11 and HA-2026-12, data processing agreements DPA-7 to DPA-9",
        valid_until=valid_until,
        entities=_entities(),
        sites=(
            _site("eu-de", DE, "nordrhein-compute", (DE, Country("NL"))),
            _site("us-east", US, "hudson-cloud", (US,)),
        ),
        racks=tuple(_racks(racks)),
        clusters=(_eu_cluster(), _us_cluster()),
        tenants=_tenants(),
        datasets=(
            Dataset(
                id=DatasetId("loan-files"),
                tenant=TenantId("tenant-a"),
                personal=True,
                residency=Residency(geographic=EU, legal=EU, operational=EU),
            ),
        ),
    )


def world(racks: int = 4) -> World:
    """What is observed at the start: every node healthy, some busy."""
    return World(nodes=tuple(_nodes(racks)), workloads=_workloads())


def _entities() -> tuple[LegalEntity, ...]:
    def entity(name: str, title: str, seat: Country, *parents: str) -> LegalEntity:
        return LegalEntity(id=EntityId(name), name=title, seat=seat, parents=tuple(EntityId(p) for p in parents))

    return (
        entity("nordrhein-compute", "Nordrhein Compute GmbH", DE),
        entity("rhein-keys", "Rhein Keys GmbH", DE),
        entity("hudson-cloud", "Hudson Cloud Inc.", US),
        entity("hudson-cloud-eu", "Hudson Cloud Europe B.V.", Country("NL"), "hudson-cloud"),
        entity("elbe-bank", "Elbe Bank AG", DE),
        entity("charite-data", "Klinikdaten gGmbH", DE),
        entity("mango-robotics", "Mango Robotics Inc.", US),
    )


def _site(name: str, country: Country, owner: str, rests_in: tuple[Country, ...]) -> Site:
    return Site(
        id=SiteId(name),
        country=country,
        owner=EntityId(owner),
        replicas_in=(country,),
        backups_in=rests_in,
        telemetry_in=(country,),
    )


def _racks(count: int) -> Iterator[Rack]:
    for site, prefix in (("eu-de", "eu"), ("us-east", "us")):
        for rack in rack_names(prefix, count):
            nodes = tuple(NodeId(f"{rack}{n}") for n in range(1, NODES_PER_RACK + 1))
            feed = "a" if rack[-1] in "acegikmoqsuwy" else "b"
            yield Rack(
                id=RackId(rack),
                site=SiteId(site),
                power_budget_watts=RACK_BUDGET,
                power_feed=f"{site}-{feed}",
                leaf_switch=f"leaf-{rack}",
                nodes=nodes,
            )


def rack_names(prefix: str, count: int) -> list[str]:
    """`eu-a`, `eu-b`, …, `eu-z`, `eu-ba`, … : rack names of a site."""
    letters = len(ascii_lowercase)
    names = []
    for index in range(count):
        head = ascii_lowercase[index // letters] if index >= letters else ""
        names.append(f"{prefix}-{head}{ascii_lowercase[index % letters]}")
    return names


def _eu_cluster() -> Cluster:
    return Cluster(
        id=ClusterId("eu-1"),
        uid=Uid("9f5d1c52-0d5e-4a55-8a0e-6f1d3c1f0001"),
        site=SiteId("eu-de"),
        operator=EntityId("nordrhein-compute"),
        key_holder=EntityId("rhein-keys"),
        update_authority=EntityId("nordrhein-compute"),
        stop_authority=EntityId("nordrhein-compute"),
        admins_in=(DE,),
        support_in=(DE, Country("NL")),
    )


def _us_cluster() -> Cluster:
    return Cluster(
        id=ClusterId("us-1"),
        uid=Uid("9f5d1c52-0d5e-4a55-8a0e-6f1d3c1f0002"),
        site=SiteId("us-east"),
        operator=EntityId("hudson-cloud"),
        key_holder=EntityId("hudson-cloud"),
        update_authority=EntityId("hudson-cloud"),
        stop_authority=EntityId("hudson-cloud"),
        subprocessors=(EntityId("hudson-cloud-eu"),),
        admins_in=(US,),
        support_in=(US,),
    )


def _tenants() -> tuple[Tenant, ...]:
    europe = Residency(geographic=EU, legal=EU, operational=EU)
    both = Residency(geographic=(*EU, US), legal=(*EU, US), operational=(*EU, US))
    return (
        _tenant("tenant-a", "Elbe Bank", "elbe-bank", europe, ("eu-1", "us-1")),
        _tenant("tenant-b", "Klinikdaten", "charite-data", europe, ("eu-1",), DisruptionConsent.APPROVAL),
        _tenant("tenant-c", "Mango Robotics", "mango-robotics", both, ("eu-1", "us-1")),
    )


def _tenant(
    name: str,
    title: str,
    entity: str,
    residency: Residency,
    clusters: Iterable[str],
    disruption: DisruptionConsent = DisruptionConsent.AUTOMATIC,
) -> Tenant:
    return Tenant(
        id=TenantId(name),
        name=title,
        entity=EntityId(entity),
        residency=residency,
        disruption=disruption,
        namespaces=tuple(Namespace(cluster=ClusterId(c), name=name) for c in clusters),
    )


def _nodes(racks: int) -> Iterator[Node]:
    for cluster, prefix in (("eu-1", "eu"), ("us-1", "us")):
        for rack in rack_names(prefix, racks):
            for number in range(1, NODES_PER_RACK + 1):
                yield _node(cluster, f"{rack}{number}")


def _node(cluster: str, name: str) -> Node:
    return Node(
        id=NodeId(name),
        uid=Uid(f"node-{name}-uid"),
        cluster=ClusterId(cluster),
        name=name,
        boot_id=f"boot-{name}-1",
        accelerators=tuple(_accelerator(name, index) for index in range(ACCELERATORS_PER_NODE)),
        idle_watts=IDLE_WATTS,
    )


def _accelerator(node: str, index: int) -> Accelerator:
    return Accelerator(
        index=index,
        uuid=f"GPU-{node}-{index}",
        pci_address=f"0000:{0x17 + 0x11 * index:02x}:00.0",
        model=MODEL,
        memory_mebibytes=Mebibytes(81_559),
        nvlink_domain=f"{node}-nvl",
    )


def _workloads() -> tuple[Workload, ...]:
    low, high, full = (0, 1, 2, 3), (4, 5, 6, 7), tuple(range(8))
    inference, training = WorkloadKind.INFERENCE, WorkloadKind.TRAINING
    return (
        _workload("tenant-a", "a-chat", inference, {"eu-a1": low, "eu-a2": low, "eu-a3": low}, min_available=2),
        _workload("tenant-a", "a-scoring", WorkloadKind.BATCH, {"eu-b1": low}, datasets=("loan-files",)),
        _workload("tenant-b", "b-imaging", inference, {"eu-a1": high, "eu-b2": low}, min_available=1),
        _workload("tenant-b", "b-segmentation", training, {"eu-b4": full}),
        _workload("tenant-c", "c-render", WorkloadKind.BATCH, {"eu-a2": high, "eu-a3": high}),
        _workload("tenant-c", "c-planner", training, {"eu-c1": full}),
        _workload("tenant-c", "c-pilot", inference, {"us-a1": low, "us-a2": low}, cluster="us-1", min_available=1),
        _workload("tenant-c", "c-simulator", WorkloadKind.BATCH, {"us-b1": full, "us-b2": full}, cluster="us-1"),
    )


def _workload(  # noqa: PLR0913 - a row of a table
    tenant: str,
    name: str,
    kind: WorkloadKind,
    homes: dict[str, tuple[int, ...]],
    *,
    cluster: str = "eu-1",
    min_available: int = 0,
    datasets: tuple[str, ...] = (),
) -> Workload:
    per_replica = len(next(iter(homes.values())))
    return Workload(
        id=WorkloadId(name),
        uid=Uid(f"workload-{name}-uid"),
        tenant=TenantId(tenant),
        cluster=ClusterId(cluster),
        namespace=tenant,
        name=name,
        kind=kind,
        contract=WorkloadContract(
            accelerators_per_replica=per_replica,
            models=(MODEL,),
            memory_mebibytes=Mebibytes(80_000),
            min_available=min_available,
        ),
        replicas=len(homes),
        watts_per_accelerator=ACCELERATOR_WATTS,
        datasets=tuple(DatasetId(d) for d in datasets),
        bindings=tuple(
            Binding(replica=replica, node=NodeId(node), accelerators=indexes)
            for replica, (node, indexes) in enumerate(homes.items())
        ),
    )


def power_hungry_job() -> Workload:
    """The job that somebody else starts in rack `eu-b` while a plan for that rack is being rehearsed."""
    return _workload("tenant-c", "c-finetune", WorkloadKind.FINE_TUNING, {"eu-b3": tuple(range(8))})
