"""Which nodes of a cluster may hold a tenant's work by signed facts alone: what the law at the door is compiled from.

It asks the law's own functions (`sovereignty`, `completeness`, `neighbours`) and has no rule of its own. Facts know
where nodes stand, who can compel whom, and which tenants share a cluster; they do not know what runs where. So
isolation inside the cluster is the namespaces that a tenant's pods must be kept off, on a node and in a rack: the
scheduler, which knows what runs where, holds them (`distances`). `Tenancy.unheld` names the promises that only Placet's
own decisions and its watch over the estate hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.ids import (
    ClusterId,
    DatasetId,
    Digest,
    InstallationId,
    NodeId,
    PolicyId,
    RackId,
    SiteId,
    TenantId,
    Uid,
    WorkloadId,
)
from estate.law import Facts, Isolation
from estate.snapshots import SnapshotVersion
from estate.verdicts import Dimension
from estate.workloads import Workload, WorkloadContract, WorkloadKind
from policies import completeness, lineages, sovereignty
from policies.neighbours import beside, off_node, off_rack
from policies.words import reach_told


@dataclass(frozen=True, slots=True)
class Bar:
    """Why a tenant may run nowhere in the cluster: one failed dimension, in words."""

    policy: PolicyId
    dimension: Dimension
    needed: str
    found: str

    def __str__(self) -> str:
        return f"{self.policy} ({self.dimension.value}): needed {self.needed}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Tenancy:
    """A tenant with namespaces in the cluster, and what the facts say of it there."""

    tenant: TenantId
    namespaces: tuple[str, ...]
    bars: tuple[Bar, ...]
    datasets: tuple[DatasetId, ...]
    """The datasets that its work may use in this cluster; no other may be named."""
    off_nodes: tuple[str, ...]
    """Namespaces of the tenants with whom it may share no node."""
    off_racks: tuple[str, ...]
    """Those of the tenants with whom it may share no rack."""
    unheld: tuple[str, ...]
    """Promises that cannot be held at the door of this one cluster."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The lawful ground of one cluster: its nodes by their Kubernetes names, and its tenants."""

    cluster: ClusterId
    site: SiteId
    version: int
    digest: Digest
    nodes: Mapping[str, RackId]
    tenancies: tuple[Tenancy, ...]


def survey(facts: Facts, cluster: ClusterId) -> Ground:
    """The lawful ground of `cluster`.

    Raises:
        BadInput: the facts know no such cluster.
    """
    known = facts.cluster.get(cluster)
    if known is None:
        there = ", ".join(sorted(facts.cluster)) or "none"
        raise BadInput(f"no cluster `{cluster}` in the facts; there are {there}")
    return Ground(
        cluster=cluster,
        site=known.site,
        version=facts.version,
        digest=Digest(facts.facts_digest),
        nodes=dict(sorted(_nodes(facts, cluster))),
        tenancies=tuple(_tenancies(facts, cluster)),
    )


def _nodes(facts: Facts, cluster: ClusterId) -> Iterator[tuple[str, RackId]]:
    """The name of each node that the facts place here: `n` of the id `c.n`, else of `n` (`docs/decisions/0009`)."""
    for placed, rack in facts.rack_of.items():
        name = placed.removeprefix(f"{cluster}.")
        bare = name == placed
        if bare and (_of_a_cluster(facts, placed) or NodeId(f"{cluster}.{name}") in facts.rack_of):
            continue
        if not completeness.missing_place(facts, cluster, placed):
            yield name, rack


def _of_a_cluster(facts: Facts, node: NodeId) -> bool:
    """Whether the id says itself which cluster the node is of."""
    head, dot, _ = node.partition(".")
    return bool(dot) and ClusterId(head) in facts.cluster


def _tenancies(facts: Facts, cluster: ClusterId) -> Iterator[Tenancy]:
    held: dict[TenantId, list[str]] = {}
    for (where, namespace), tenant in facts.tenant_of.items():
        if where == cluster:
            held.setdefault(tenant, []).append(namespace)
    for tenant, namespaces in sorted(held.items()):
        work = _work(tenant, cluster, namespaces[0])
        bars = (*_sovereign(facts, work), *_crowded(facts, work))
        datasets = tuple(sorted(d for d in facts.dataset if not bars and _usable(facts, work, d)))
        yield Tenancy(
            tenant,
            tuple(sorted(namespaces)),
            bars,
            datasets,
            off_nodes=tuple(sorted(n for o in held if off_node(facts, tenant, o) and o != tenant for n in held[o])),
            off_racks=tuple(sorted(n for o in held if off_rack(facts, tenant, o) and o != tenant for n in held[o])),
            unheld=tuple(_unheld(facts, tenant, cluster)),
        )


def _work(tenant: TenantId, cluster: ClusterId, namespace: str) -> Workload:
    """Any work of the tenant there: only whose it is and where it stands is asked of it."""
    return Workload(
        id=WorkloadId("any"),
        uid=Uid("any"),
        tenant=tenant,
        cluster=cluster,
        namespace=namespace,
        name="any",
        kind=WorkloadKind.INFERENCE,
        contract=WorkloadContract(accelerators_per_replica=0),
        replicas=0,
    )


def _usable(facts: Facts, work: Workload, dataset: DatasetId) -> bool:
    """Also for as long as the facts hold: a door knows no time, so that a grant which ends before opens none."""
    lasting = facts.valid_until - timedelta(microseconds=1)
    borrowed = lineages.ungranted(facts, work.tenant, (dataset,), work.cluster, lasting)
    return not borrowed and not _sovereign(facts, _using(work, dataset))


def _using(work: Workload, dataset: DatasetId) -> Workload:
    return work.model_copy(update={"datasets": (dataset,)})


def _sovereign(facts: Facts, work: Workload) -> tuple[Bar, ...]:
    return tuple(
        Bar(PolicyId(f"sovereignty-{a.dimension.value}"), a.dimension, *reach_told(a.allowed, a.found, a.unknown))
        for a in sovereignty.exposure(facts, work, work.cluster)
        if not a.holds
    )


def _crowded(facts: Facts, work: Workload) -> tuple[Bar, ...]:
    """Isolation from the tenants whose namespaces share the cluster, on an estate where nothing runs yet."""
    empty = FrozenEstate(SnapshotVersion(installation=InstallationId("door"), epoch=0, sequence=0), facts)
    near = beside(empty, work, ())
    alone = near.isolation == Isolation.DEDICATED_CLUSTER and near.in_cluster
    if not (alone or near.alone_in_cluster):
        return ()
    found = f"in the cluster: {', '.join(sorted(near.in_cluster))}"
    needed = f"isolation `{near.isolation}`, and what its neighbours were promised"
    return (Bar(PolicyId("tenant-isolation"), Dimension.TENANT, needed, found),)


def _unheld(facts: Facts, tenant: TenantId, cluster: ClusterId) -> Iterator[str]:
    """No API server knows what runs in another cluster's part of a rack."""
    mine = {rack for _, rack in _nodes(facts, cluster)}
    for other in sorted(facts.cluster.keys() - {cluster}):
        shared = sorted(mine & {rack for _, rack in _nodes(facts, other)})
        there = {t for (where, _), t in facts.tenant_of.items() if where == other} - {tenant}
        if shared and (off := sorted(t for t in there if off_rack(facts, tenant, t))):
            yield f"apart from {', '.join(off)} of cluster {other} in the racks that both clusters share"
