"""Valid defaults for tests: a small whole estate of two sites, and one of each record. A test states only what counts.

The estate: sites `eu-de` (Germany, European entities) and `us-east` (a United States entity), clusters `eu-1` and
`us-1`, two racks a site (`eu-a`, `eu-b`, `us-a`, `us-b`) of four nodes with eight accelerators each (`eu-a1` ...).
`tenant-a` and `tenant-b` may be in Europe only, on all three axes, and `tenant-b` wants to be asked before it is
disturbed; `tenant-c` may be in both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from estate import canonical, effects, identities, law, proposals, results
from estate.changes import Change, CordonNode
from estate.events import Event, Place, event_id
from estate.frozen import FrozenEstate
from estate.hardware import Accelerator, Node
from estate.ids import (
    ChannelId,
    ClusterId,
    ComponentId,
    Country,
    DatasetId,
    EntityId,
    GangId,
    IncidentId,
    InstallationId,
    NodeId,
    RackId,
    SiteId,
    TenantId,
    Uid,
    WorkloadId,
)
from estate.observations import EventType, Severity
from estate.snapshots import SnapshotVersion
from estate.units import Mebibytes, Watts
from estate.uses.running import ComponentSort, Maker
from estate.workloads import Binding, Gang, Workload, WorkloadContract, WorkloadKind
from estate.worlds import World

INSTALLATION = InstallationId("test")
START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
EU = (Country("DE"), Country("FR"))
US = (Country("US"),)
RACK_BUDGET = Watts(22_000)
IDLE = Watts(1_000)
PER_ACCELERATOR = Watts(700)


class TestClock:
    """A clock that stands still until it is set or moved."""

    __test__ = False

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def set(self, now: datetime) -> None:
        """Put the hands to `now`."""
        self.now = now

    def advance(self, seconds: float = 0.0, **units: float) -> datetime:
        """Move forward by `seconds` and by whatever `timedelta` takes; the new time."""
        self.now += timedelta(seconds=seconds, **units)
        return self.now


class TestEntropy:
    """Bytes that are the same in every run and never twice within one: SHA-256 of a seed and a counter."""

    __test__ = False

    def __init__(self, seed: str = "placet") -> None:
        self._seed = seed
        self._calls = 0

    def __call__(self, size: int) -> bytes:
        self._calls += 1
        drawn = b""
        while len(drawn) < size:
            text = f"{self._seed}:{self._calls}:{len(drawn)}".encode()
            drawn += bytes.fromhex(canonical.digest(text).removeprefix("sha256:"))
        return drawn[:size]


def residency(*countries: str) -> law.Residency:
    """The same countries on all three axes."""
    names = tuple(Country(c) for c in countries)
    return law.Residency(geographic=names, legal=names, operational=names)


def facts(**over: Any) -> law.Facts:
    """The law base of the small estate; `over` replaces whole fields."""
    fields: dict[str, Any] = {
        "version": 1,
        "author": "test author",
        "basis": "written for tests",
        "valid_until": START + timedelta(days=365),
        "entities": _entities(),
        "sites": (_site("eu-de", "DE", "eu-hosting"), _site("us-east", "US", "us-cloud")),
        "racks": tuple(rack(r) for r in ("eu-a", "eu-b", "us-a", "us-b")),
        "clusters": (_cluster("eu-1", "eu-de", "eu-hosting", "DE"), _cluster("us-1", "us-east", "us-cloud", "US")),
        "tenants": (
            tenant("tenant-a", entity=EntityId("acme")),
            tenant("tenant-b", entity=EntityId("borel"), disruption=law.DisruptionConsent.APPROVAL),
            tenant("tenant-c", entity=EntityId("corvus"), residency=residency("DE", "FR", "US")),
        ),
        "datasets": (
            law.Dataset(
                id=DatasetId("a-records"), tenant=TenantId("tenant-a"), personal=True, residency=residency("DE", "FR")
            ),
        ),
    }
    return law.Facts(**_registering(fields | over))


def _registering(fields: dict[str, Any]) -> dict[str, Any]:
    """With the agent registered for every tenant, where nothing else was said."""
    owners, tenants = [e.id for e in fields["entities"]], tuple(t.id for t in fields["tenants"])
    known = [registration("agent-1", sort=ComponentSort.AGENT, owner=o, tenants=tenants) for o in owners[:1]]
    return {"registrations": tuple(known)} | fields


def _entities() -> tuple[law.LegalEntity, ...]:
    seats = {"eu-hosting": "DE", "us-cloud": "US", "acme": "DE", "borel": "FR", "corvus": "US"}
    return tuple(law.LegalEntity(id=EntityId(e), name=e, seat=Country(seat)) for e, seat in seats.items())


def _site(name: str, country: str, owner: str) -> law.Site:
    here = (Country(country),)
    return law.Site(
        id=SiteId(name),
        country=Country(country),
        owner=EntityId(owner),
        replicas_in=here,
        backups_in=here,
        telemetry_in=here,
    )


def _cluster(name: str, site: str, entity: str, country: str) -> law.Cluster:
    who = EntityId(entity)
    return law.Cluster(
        id=ClusterId(name),
        uid=Uid(f"uid-{name}"),
        site=SiteId(site),
        operator=who,
        key_holder=who,
        update_authority=who,
        stop_authority=who,
        admins_in=(Country(country),),
        support_in=(Country(country),),
    )


def registration(name: str = "scripted", **over: Any) -> law.Registration:
    """A model that may see everything of all three tenants, within the process that asks it."""
    fields: dict[str, Any] = {
        "id": ComponentId(name),
        "sort": ComponentSort.MODEL,
        "content": canonical.digest(name.encode()),
        "owner": EntityId("acme"),
        "provenance": "built by acme from revision 1",
        "tenants": tuple(TenantId(t) for t in ("tenant-a", "tenant-b", "tenant-c")),
        "data_classes": tuple(law.DataClass),
    }
    return law.Registration(**(fields | over))


def maker(name: str = "agent-1", sort: ComponentSort = ComponentSort.AGENT) -> Maker:
    """Who had a part in a proposal, of the digest that `registration` registers."""
    return Maker(sort=sort, id=ComponentId(name), content=canonical.digest(name.encode()))


def rack(name: str, **over: Any) -> law.Rack:
    """A rack of four nodes; its name begins with `eu` or `us`."""
    fields: dict[str, Any] = {
        "id": RackId(name),
        "site": SiteId("eu-de" if name.startswith("eu") else "us-east"),
        "power_budget_watts": RACK_BUDGET,
        "leaf_switch": f"leaf-{name}",
        "nodes": tuple(NodeId(f"{name}{n}") for n in range(1, 5)),
    }
    return law.Rack(**(fields | over))


def tenant(name: str, **over: Any) -> law.Tenant:
    """A tenant with one namespace, its own name, in both clusters; Europe only unless told otherwise."""
    fields: dict[str, Any] = {
        "id": TenantId(name),
        "name": name,
        "entity": EntityId("acme"),
        "residency": residency("DE", "FR"),
        "namespaces": tuple(law.Namespace(cluster=ClusterId(c), name=name) for c in ("eu-1", "us-1")),
    }
    return law.Tenant(**(fields | over))


def node(name: str = "eu-a1", *, accelerators: int = 8, **over: Any) -> Node:
    """A healthy node of H100s; its cluster follows from its name."""
    fields: dict[str, Any] = {
        "id": NodeId(name),
        "uid": Uid(f"uid-{name}"),
        "cluster": ClusterId("eu-1" if name.startswith("eu") else "us-1"),
        "name": f"{name}.{'eu' if name.startswith('eu') else 'us'}.example",
        "boot_id": f"boot-{name}",
        "accelerators": tuple(accelerator(name, i) for i in range(accelerators)),
        "idle_watts": IDLE,
    }
    return Node(**(fields | over))


def accelerator(node_name: str = "eu-a1", index: int = 0, **over: Any) -> Accelerator:
    """A healthy H100 whose aliases follow from its node and index."""
    fields: dict[str, Any] = {
        "index": index,
        "uuid": f"GPU-{node_name}-{index}",
        "pci_address": f"0000:{0x17 + index:02x}:00.0",
        "model": "H100-SXM5-80GB",
        "memory_mebibytes": Mebibytes(81_559),
        "nvlink_domain": f"{node_name}-nvl",
    }
    return Accelerator(**(fields | over))


def contract(accelerators: int = 2, **over: Any) -> WorkloadContract:
    """A promise of that many accelerators a replica, and no more than that."""
    return WorkloadContract(**({"accelerators_per_replica": accelerators} | over))


def binding(replica: int, node_name: str, *indexes: int) -> Binding:
    """A running replica."""
    return Binding(replica=replica, node=NodeId(node_name), accelerators=indexes)


def workload(name: str = "a-serve", **over: Any) -> Workload:
    """Two pending replicas of tenant-a's inference on `eu-1`; `over` replaces whole fields."""
    owner = over.get("tenant", "tenant-a")
    fields: dict[str, Any] = {
        "id": WorkloadId(name),
        "uid": Uid(f"uid-{name}"),
        "tenant": TenantId(owner),
        "cluster": ClusterId("eu-1"),
        "namespace": str(owner),
        "name": name,
        "kind": WorkloadKind.INFERENCE,
        "contract": contract(),
        "replicas": 2,
        "watts_per_accelerator": PER_ACCELERATOR,
    }
    return Workload(**(fields | over))


def default_nodes() -> tuple[Node, ...]:
    """Sixteen nodes: four in each of the four racks."""
    return tuple(node(f"{r}{n}") for r in ("eu-a", "eu-b", "us-a", "us-b") for n in range(1, 5))


def default_workloads() -> tuple[Workload, ...]:
    """`a-serve` and `b-train` share `eu-a1`; `c-batch` fills `us-a1`."""
    return (
        workload(
            "a-serve",
            contract=contract(2, min_available=1),
            datasets=(DatasetId("a-records"),),
            bindings=(binding(0, "eu-a1", 0, 1), binding(1, "eu-a2", 0, 1)),
        ),
        workload(
            "b-train",
            tenant="tenant-b",
            kind=WorkloadKind.TRAINING,
            contract=contract(4),
            bindings=(binding(0, "eu-a1", 4, 5, 6, 7), binding(1, "eu-b1", 0, 1, 2, 3)),
        ),
        workload(
            "c-batch",
            tenant="tenant-c",
            cluster=ClusterId("us-1"),
            kind=WorkloadKind.BATCH,
            contract=contract(8),
            replicas=1,
            bindings=(binding(0, "us-a1", *range(8)),),
        ),
    )


def gang(name: str, *replicas: int) -> Gang:
    """A gang; of every replica where none is named."""
    return Gang(id=GangId(name), replicas=replicas)


def ganged_workloads() -> tuple[Workload, ...]:
    """As the default ones, with `b-train` and `b-eval` one gang over three nodes, and `a-rank` two gangs of two."""
    serve, train, batch = default_workloads()
    return (
        serve,
        train.model_copy(update={"gangs": (gang("b-job"),)}),
        workload(
            "b-eval",
            tenant="tenant-b",
            contract=contract(2),
            replicas=1,
            bindings=(binding(0, "eu-b2", 0, 1),),
            gangs=(gang("b-job"),),
        ),
        workload(
            "a-rank",
            contract=contract(1),
            replicas=4,
            bindings=tuple(binding(n, f"eu-a{n % 2 + 3}", n) for n in range(4)),
            gangs=(gang("a-rank-0", 0, 1), gang("a-rank-1", 2, 3)),
        ),
        batch,
    )


def world(**over: Any) -> World:
    """The nodes and workloads of the small estate, as a twin starts with them."""
    return World(**({"nodes": default_nodes(), "workloads": default_workloads()} | over))


def version(sequence: int = 1, epoch: int = 1) -> SnapshotVersion:
    """A snapshot version of the test installation."""
    return SnapshotVersion(installation=INSTALLATION, epoch=epoch, sequence=sequence)


def estate(
    *,
    law_base: law.Facts | None = None,
    nodes: Iterable[Node] | None = None,
    workloads: Iterable[Workload] | None = None,
    at: SnapshotVersion | None = None,
) -> FrozenEstate:
    """The small estate, with whatever is given in the place of the defaults."""
    return FrozenEstate.of(
        at or version(),
        law_base or facts(),
        default_nodes() if nodes is None else nodes,
        default_workloads() if workloads is None else workloads,
    )


def subject(name: str = "ada", kind: identities.SubjectKind = identities.SubjectKind.HUMAN) -> identities.Subject:
    """An actor enrolled locally."""
    return identities.Subject(kind=kind, issuer=INSTALLATION, name=name)


def steps(*changes: Change, on: FrozenEstate | None = None) -> tuple[effects.Step, ...]:
    """The steps of `changes` on the small estate; a refusal fails the test."""
    laid = effects.lay_out(changes, on or estate())
    assert isinstance(laid, results.Ok), laid
    return laid.value.steps


def proposal(*changes: Change, on: FrozenEstate | None = None, **over: Any) -> proposals.Proposal:
    """A proposal of `changes` (one cordon of `eu-a1` when there are none) by the agent."""
    seen = on or estate()
    fields: dict[str, Any] = {
        "installation": INSTALLATION,
        "incident": IncidentId("inc-1"),
        "attempt": 0,
        "lane": proposals.Lane.CASE,
        "site": SiteId("eu-de"),
        "snapshot": seen.version,
        "created_at": START,
        "proposer": subject("agent-1", identities.SubjectKind.AGENT),
        "summary": "fence the failing node",
        "steps": steps(*(changes or (CordonNode(node=NodeId("eu-a1"), reason="xid 79"),)), on=seen),
        "made_by": (maker(),),
    }
    return proposals.Proposal(**(fields | over))


def event(**over: Any) -> Event:
    """A fatal accelerator fault on `eu-a1`, device 0."""
    fields: dict[str, Any] = {
        "type": EventType.ACCELERATOR_FAILED,
        "severity": Severity.FATAL,
        "channel": ChannelId("eu-monitoring"),
        "source": "kernel/eu-a1",
        "sender_id": "line-1",
        "occurred_at": START,
        "received_at": START,
        "place": Place(
            site=SiteId("eu-de"),
            cluster=ClusterId("eu-1"),
            rack=RackId("eu-a"),
            node=NodeId("eu-a1"),
            accelerator=0,
        ),
        "code": "xid-79",
        "message": "GPU has fallen off the bus",
    } | over
    fields.setdefault("id", event_id(fields["channel"], fields["source"], fields["sender_id"]))
    return Event(**fields)
