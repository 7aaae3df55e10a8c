"""Made-up laws, estates, changes and questions: what Cedar and the kernel are both asked about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from estate import reserving
from estate.attachments import Attachment, AttachmentSort
from estate.changes import (
    Change,
    CopyWorkload,
    CordonNode,
    DrainNode,
    EvictPod,
    MoveWorkload,
    ReleaseCapacity,
    RemoveWorkload,
    ReplicaMove,
    ScaleWorkload,
    SetPowerCap,
    TaintNode,
    UncordonNode,
    UntaintNode,
)
from estate.effects import lay_out
from estate.frozen import FrozenEstate
from estate.hardware import Taint, TaintEffect
from estate.ids import ClusterId, Country, DatasetId, EntityId, NodeId, RackId, TenantId
from estate.law import ClusterName, Dataset, Declassification, Facts, Grant, Isolation, Network, Pool, Residency, Volume
from estate.modes import Mode
from estate.proposals import Evidence
from estate.results import Refusal
from estate.workloads import Binding, Workload
from policies.questions import Matter, Question, Standing
from tests import builders, partitioned, pooled, reserved
from tests.policies.asking import law, mandate_of

COUNTRIES = st.sampled_from([Country(c) for c in ("DE", "FR", "US")])
FEW = st.lists(COUNTRIES, max_size=3, unique=True).map(tuple)
ENTITIES = ("eu-hosting", "us-cloud", "acme", "borel", "corvus")
TENANTS = ("tenant-a", "tenant-b", "tenant-c")
NODES = [NodeId(f"{r}{n}") for r in ("eu-a", "eu-b", "us-a") for n in (1, 2, 3)]
FENCE = Taint(key="placet.dev/fault", effect=TaintEffect.NO_SCHEDULE)
LAKE = Attachment(sort=AttachmentSort.STORAGE, kind="nfs", name="10.0.0.7/lake")
FAST = Attachment(sort=AttachmentSort.STORAGE, kind="storage-class", name="fast")
DATA = Attachment(sort=AttachmentSort.STORAGE, kind="claim", name="data")
RAILS = Attachment(sort=AttachmentSort.NETWORK, kind="network-attachment", name="rails", namespace="tenant-b")
CLAIMS = (
    "rack eu-a draws 9000 W",
    "a-serve.",
    "b-train of tenant-b holds accelerators 0, 1",
    "(tenant-c)",
    "uses `a-records`, and nobody-knows-what",
    "eu-1.b-train--b-trains",
)
_DEFAULT = partitioned.stating()


@st.composite
def residencies(draw: st.DrawFn) -> Residency:
    """Limits that are wide, or odd on one axis."""
    wide = builders.residency("DE", "FR", "US")
    axis = draw(st.sampled_from(["geographic", "legal", "operational", "key"]))
    return wide if draw(st.booleans()) else wide.model_copy(update={axis: draw(FEW)})


def _one(draw: st.DrawFn, items: tuple[Any, ...], **update: Any) -> tuple[Any, ...]:
    """The same things, one of them changed."""
    if not items:
        return items
    chosen = draw(st.integers(0, len(items) - 1))
    return tuple(item.model_copy(update=update) if n == chosen else item for n, item in enumerate(items))


@st.composite
def lineages(draw: st.DrawFn) -> dict[str, Any]:
    """`a-records` made of others' data in one or two steps, some of it declassified, some granted."""
    tenant, wide = st.sampled_from(TENANTS).map(TenantId), builders.residency("DE", "FR", "US")
    names = [DatasetId(n) for n in ("a-records", "b-scans", "c-logs")]

    def data(number: int) -> Dataset:
        made_of = tuple(d for d in names[number + 1 :] if draw(st.booleans()))
        lifted = tuple(d for d in made_of if draw(st.integers(0, 3)) == 0)
        return Dataset(
            id=names[number],
            tenant=draw(tenant),
            personal=True,
            residency=draw(residencies()) if number else wide,
            derived_from=made_of,
            declassified=Declassification(of=lifted, basis="anonymised") if lifted else None,
        )

    def grant() -> Grant:
        until = builders.START + timedelta(days=draw(st.sampled_from([0, 1])))
        where = tuple(ClusterId(c) for c in ("eu-1", "us-1") if draw(st.integers(0, 2)) == 0)
        return Grant(
            dataset=draw(st.sampled_from(names)), to=draw(tenant), basis="DPA-1", valid_until=until, clusters=where
        )

    return {"datasets": tuple(map(data, range(3))), "grants": tuple(grant() for _ in range(draw(st.integers(0, 6))))}


@st.composite
def belongings(draw: st.DrawFn) -> dict[str, Any]:
    """A volume and a network of some tenants, called as what workloads name; two machines are joined to the network."""

    def whose() -> dict[str, Any]:
        some = tuple(draw(st.sets(st.sampled_from(TENANTS), max_size=2)))
        return {"tenants": some, "everybody": not some and draw(st.booleans())}

    def called(*names: str) -> tuple[ClusterName, ...]:
        return tuple(ClusterName(cluster=c, name=n) for n in names for c in ("eu-1", "us-1") if draw(st.booleans()))

    volume = Volume(
        id="lake", names=called("nfs/10.0.0.7/lake", "claim/tenant-a/data", "storage-class/fast"), **whose()
    )
    joined = tuple(draw(st.sets(st.sampled_from(NODES), max_size=2)))
    return {
        "volumes": (volume,),
        "networks": (Network(id="rails", nodes=joined, names=called("network-attachment/tenant-b/rails"), **whose()),),
    }


def _tweaked(draw: st.DrawFn, known: Facts) -> dict[str, Any]:  # noqa: C901, PLR0912 - a table of what may be odd
    """One thing that is otherwise: a hole, a contradiction, a foreign hand, a promise."""
    entity = draw(st.sampled_from([EntityId(e) for e in ENTITIES]))
    match draw(st.integers(0, 17)):
        case 0:
            roles = st.sampled_from(["operator", "key_holder", "update_authority", "stop_authority"])
            return {"clusters": _one(draw, known.clusters, **{draw(roles): entity})}
        case 1:
            return {"clusters": _one(draw, known.clusters, subprocessors=(entity,))}
        case 2:
            who = draw(st.sampled_from(["admins_in", "support_in", "control_plane_in"]))
            return {"clusters": _one(draw, known.clusters, **{who: draw(FEW)})}
        case 3:
            where = draw(st.sampled_from(["replicas_in", "backups_in", "telemetry_in"]))
            return {"sites": _one(draw, known.sites, **{where: draw(FEW)})}
        case 4:
            return {"sites": _one(draw, known.sites, owner=entity)}
        case 5:
            return {"entities": _one(draw, known.entities, parents=(entity,))}
        case 6:
            return {"entities": _one(draw, known.entities, compelled_by=draw(FEW))}
        case 7:
            return {"tenants": _one(draw, known.tenants, residency=draw(residencies()))}
        case 8 | 9:
            return {"tenants": _one(draw, known.tenants, isolation=draw(st.sampled_from(list(Isolation))))}
        case 10:
            apart = (TenantId(draw(st.sampled_from(TENANTS))),)
            return {"tenants": _one(draw, known.tenants, apart_from=apart)}
        case 11:
            return {"tenants": _one(draw, known.tenants, namespaces=_DEFAULT.tenants[0].namespaces[:1])}
        case 12:
            cut = draw(st.sampled_from(["clusters", "tenants", "racks"]))
            return {cut: getattr(known, cut)[1:] if draw(st.booleans()) else getattr(known, cut)[:-1]}
        case 13:
            return {
                "datasets": _one(draw, known.datasets, residency=draw(residencies())) if draw(st.booleans()) else ()
            }
        case 14 | 15:
            return draw(lineages())
        case 16:
            return draw(belongings())
        case _:
            return {"valid_until": builders.START}


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """A group of machines: of some cluster and provider, somebody's or the house's, here or at a provider's."""
    racks = {"eu-1": [(), (RackId("eu-b"),)], "us-1": [(), (RackId("us-b"),)]}
    cluster = draw(st.sampled_from(["eu-1", "eu-1", "us-1"]))
    return pooled.pool(
        cluster=ClusterId(cluster),
        provider=EntityId(draw(st.sampled_from(ENTITIES))),
        tenant=draw(st.sampled_from([None, *map(TenantId, TENANTS)])),
        racks=draw(st.sampled_from(racks[cluster])),
    )


@st.composite
def laws(draw: st.DrawFn) -> Facts:
    """A wide or a European law base with up to four things otherwise; few, so that each decides alone."""
    wide = builders.residency("DE", "FR", "US")
    data = tuple(d.model_copy(update={"residency": wide}) for d in _DEFAULT.datasets)
    known = _DEFAULT.model_copy(update={"pools": (draw(pools()),) if draw(st.integers(0, 4)) else ()})
    if draw(st.integers(0, 3)):
        tenants = tuple(t.model_copy(update={"residency": wide}) for t in _DEFAULT.tenants)
        known = known.model_copy(update={"tenants": tenants, "datasets": data})
    for _ in range(draw(st.integers(0, 4))):
        known = known.model_copy(update=_tweaked(draw, known))
    return Facts.model_construct(**{f: getattr(known, f) for f in Facts.model_fields})


@st.composite
def estates(draw: st.DrawFn) -> FrozenEstate:
    """The default machines and work under a generated law, some of it under the wrong name."""

    def work(known: Workload) -> Workload:
        space = known.namespace if draw(st.integers(0, 5)) else draw(st.sampled_from(TENANTS))
        held = draw(st.sets(st.sampled_from([LAKE, DATA, RAILS, FAST]), max_size=2)) if draw(st.booleans()) else ()
        own = draw(residencies()) if draw(st.integers(0, 3)) == 0 else None
        promise = known.contract.model_copy(update={"residency": own})
        return known.model_copy(update={"namespace": space, "contract": promise, "attachments": tuple(held)})

    fenced = draw(st.sets(st.sampled_from(NODES), max_size=3))
    drawn = builders.estate(
        law_base=draw(laws()),
        nodes=[
            partitioned.managed(n.model_copy(update={"cordoned": n.id in fenced})) for n in builders.default_nodes()
        ],
        workloads=[work(w) for w in draw(st.sampled_from([builders.default_workloads(), builders.ganged_workloads()]))],
    )
    drawn = drawn.with_stock(drawn.stock.with_(pooled.group()))
    return reserved.holding(reserved.reserve("c-night", "tenant-c", reserved.seat("us-a3", 0)), on=drawn)


@st.composite
def changes(draw: st.DrawFn, on: FrozenEstate) -> Change:
    """A change that has a chance to have an effect."""
    workload = draw(st.sampled_from(list(on.workloads())))
    node = draw(st.sampled_from(NODES))
    match draw(st.integers(0, 17)):
        case 16:
            return pooled.scale(draw(st.sampled_from([4, 4, 5, 9])))
        case 17:
            return pooled.scale(2, draw(st.sampled_from([*NODES, pooled.SPARE])))
        case 14 | 15:
            standing = [ReleaseCapacity(reservation=r.id, tenant=r.tenant) for r in reserving.every(on)]
            return draw(st.sampled_from([_reserved(draw, on, node), *standing]))
        case 0:
            return draw(st.sampled_from([CordonNode(node=node), UncordonNode(node=node)]))
        case 1:
            cut = partitioned.repartition(node, draw(st.sampled_from(partitioned.LAYOUTS)))
            return draw(st.sampled_from([SetPowerCap(node=node, watts=None), cut]))
        case 2:
            return draw(st.sampled_from([TaintNode(node=node, taint=FENCE), UntaintNode(node=node, taint=FENCE)]))
        case 3 | 4:
            return DrainNode(node=draw(st.sampled_from([n for n in NODES if on.workloads_on(n)])))
        case 5 | 6:
            seat = draw(st.sampled_from(workload.bindings))
            return EvictPod(workload=workload.id, replica=seat.replica, node=seat.node)
        case 7:
            return ScaleWorkload(workload=workload.id, replicas=draw(st.integers(0, 4)))
        case 8 | 9 | 10:
            return _copied(draw, on, workload)
        case _:
            return _moved(draw, on, workload)


def _reserved(draw: st.DrawFn, on: FrozenEstate, node: NodeId) -> Change:
    free = [i for i in range(8) if i not in on.taken(node)] or [0]
    holder = draw(st.sampled_from([*TENANTS, "nobody"]))
    return reserved.reserve("r-1", holder, reserved.seat(node, *free[: draw(st.integers(1, 4))]))


def _moved(draw: st.DrawFn, on: FrozenEstate, workload: Workload) -> Change:
    replica = draw(st.sampled_from(range(workload.replicas)))
    running = {b.replica: b.node for b in workload.bindings}
    (home,) = _homes(draw, on, workload, workload.cluster, [replica])
    move = ReplicaMove(replica=replica, source=running.get(replica), target=home.node, accelerators=home.accelerators)
    return MoveWorkload(workload=workload.id, moves=(move,))


def _copied(draw: st.DrawFn, on: FrozenEstate, workload: Workload) -> Change:
    there = ClusterId("us-1" if workload.cluster == "eu-1" else "eu-1")
    homes = _homes(draw, on, workload, there, range(workload.replicas))
    space = draw(st.sampled_from(["", "", "", *TENANTS, "kube-public", "gpu-operator"]))
    return CopyWorkload(workload=workload.id, to_cluster=there, namespace=space, bindings=homes)


def _homes(
    draw: st.DrawFn, on: FrozenEstate, workload: Workload, cluster: ClusterId, replicas: Iterable[int]
) -> tuple[Binding, ...]:
    targets = [n for n in NODES if (found := on.node(n)) is not None and found.cluster == cluster]
    needed = workload.contract.accelerators_per_replica
    homes = []
    taken: dict[NodeId, set[int]] = {}
    for replica in replicas:
        target = draw(st.sampled_from(targets))
        held = taken.setdefault(target, set(on.taken(target)))
        free = [i for i in range(8) if i not in held][:needed]
        held.update(free)
        homes.append(Binding(replica=replica, node=target, accelerators=tuple(free)))
    return tuple(homes)


def _ended(draw: st.DrawFn, on: FrozenEstate, planned: list[Change]) -> list[Change]:
    """The plan, most copies followed by the end of what was copied: a move to another cluster."""
    last = planned[-1]
    source = on.workload(last.workload) if isinstance(last, CopyWorkload) else None
    if not isinstance(last, CopyWorkload) or source is None or not draw(st.integers(0, 3)):
        return planned
    return [*planned, RemoveWorkload(workload=source.id, replaced_by=last.named(source))]


@st.composite
def questions(draw: st.DrawFn) -> Question | None:
    """A proposal laid out honestly on a generated estate; None where it has no effect there."""
    on = draw(estates())
    laid = lay_out(_ended(draw, on, [draw(changes(on)) for _ in range(draw(st.integers(1, 2)))]), on)
    if isinstance(laid, Refusal):
        return None
    acting = draw(st.lists(st.sampled_from([TenantId(t) for t in TENANTS]), max_size=2, unique=True).map(tuple))
    claims = draw(st.lists(st.sampled_from(CLAIMS), max_size=2))
    found = tuple(Evidence(source="mind", claim=c) for c in claims)
    update = {"steps": laid.value.steps, "for_tenants": acting, "evidence": found}
    proposed = builders.proposal(on=on).model_copy(update=update)
    return Question(
        Matter.of(proposed, mandate=mandate_of(proposed)), on, law(), Standing(Mode.AUTOMATIC), builders.START
    )
