"""Tools about workloads: finding them, their contract, and where the law lets them be."""

from __future__ import annotations

from estate.ids import ClusterId, Country, SiteId, TenantId, WorkloadId
from estate.law import DisruptionConsent, Residency
from estate.records import Model
from estate.verdicts import Dimension
from estate.workloads import Workload, WorkloadContract, WorkloadKind
from policies import sovereignty
from policies.sovereignty import Bounds
from tools.catalogue.tools import Answer, Desk, Tool

MOST_FOUND = 200


class WorkloadQuestion(Model):
    """Which workload."""

    workload: WorkloadId


class ContractAnswer(Answer):
    """A workload, whose it is, what it was promised, and the limits that bind it."""

    workload: Workload
    contract: WorkloadContract
    tenant: TenantId
    known_tenant: bool
    """False: no signed fact knows the tenant, so nothing will be permitted."""
    disruption: DisruptionConsent | None
    limits: Residency
    """What tenant, datasets and contract allow together."""


class SearchQuestion(Model):
    """Which workloads; what is left out matches all."""

    tenant: TenantId | None = None
    work: WorkloadKind | None = None
    cluster: ClusterId | None = None


class Found(Model):
    """One line of a search."""

    workload: WorkloadId
    tenant: TenantId
    work: WorkloadKind
    cluster: ClusterId
    replicas: int
    running: int


class SearchAnswer(Answer):
    """The matches by id, at most two hundred, and how many there are in all."""

    workloads: tuple[Found, ...]
    total: int


class AxisFinding(Model):
    """One axis of sovereignty: what is allowed, what the cluster exposes to, and what is not known."""

    dimension: Dimension
    holds: bool
    allowed: tuple[Country, ...]
    found: tuple[Country, ...]
    unknown: tuple[str, ...]


class ClusterFinding(Model):
    """One cluster under the law for one workload."""

    cluster: ClusterId
    site: SiteId
    lawful: bool
    axes: tuple[AxisFinding, ...]


class LawfulAnswer(Answer):
    """Every cluster of the facts, and whether the workload may be there on all three axes."""

    workload: WorkloadId
    lawful: tuple[ClusterId, ...]
    clusters: tuple[ClusterFinding, ...]


def tenant_of_workload(desk: Desk, question: WorkloadQuestion) -> ContractAnswer:
    """The workload with contract, tenant and limits."""
    workload = desk.workload(question.workload)
    facts = desk.snapshot.facts
    tenant = facts.tenant.get(workload.tenant)
    return ContractAnswer(
        snapshot=desk.snapshot.version,
        workload=workload,
        contract=workload.contract,
        tenant=workload.tenant,
        known_tenant=tenant is not None,
        disruption=tenant.disruption if tenant else None,
        limits=sovereignty.limits(facts, Bounds.of(workload)).residency,
    )


def search_workloads(desk: Desk, question: SearchQuestion) -> SearchAnswer:
    """The workloads of a tenant, a kind, a cluster. A scan of the estate: for planning, never per event."""
    wanted = [
        Found(
            workload=w.id,
            tenant=w.tenant,
            work=w.kind,
            cluster=w.cluster,
            replicas=w.replicas,
            running=len(w.bindings),
        )
        for w in desk.snapshot.workloads()
        if question.tenant in (None, w.tenant)
        and question.work in (None, w.kind)
        and question.cluster in (None, w.cluster)
    ]
    return SearchAnswer(snapshot=desk.snapshot.version, workloads=tuple(wanted[:MOST_FOUND]), total=len(wanted))


def lawful_clusters(desk: Desk, question: WorkloadQuestion) -> LawfulAnswer:
    """Each cluster on the three axes of sovereignty."""
    workload = desk.workload(question.workload)
    findings = tuple(_under_law(desk, workload, c) for c in sorted(desk.snapshot.facts.cluster))
    return LawfulAnswer(
        snapshot=desk.snapshot.version,
        workload=workload.id,
        lawful=tuple(f.cluster for f in findings if f.lawful),
        clusters=findings,
    )


def _under_law(desk: Desk, workload: Workload, cluster: ClusterId) -> ClusterFinding:
    facts = desk.snapshot.facts
    axes = sovereignty.exposure(facts, workload, cluster)
    return ClusterFinding(
        cluster=cluster,
        site=facts.cluster[cluster].site,
        lawful=all(a.holds for a in axes),
        axes=tuple(
            AxisFinding(
                dimension=a.dimension,
                holds=a.holds,
                allowed=tuple(sorted(a.allowed)),
                found=tuple(sorted(a.found)),
                unknown=a.unknown,
            )
            for a in axes
        ),
    )


TENANT_OF_WORKLOAD = Tool(
    "tenant_of_workload",
    "One workload: its tenant, contract, bindings, consent to disruption, and residency limits on three axes.",
    WorkloadQuestion,
    ContractAnswer,
    tenant_of_workload,
)
SEARCH_WORKLOADS = Tool(
    "search_workloads",
    "List workloads, all or by tenant, kind of work and cluster.",
    SearchQuestion,
    SearchAnswer,
    search_workloads,
)
LAWFUL_CLUSTERS = Tool(
    "lawful_clusters",
    "For one workload, every cluster: whether sovereignty holds there on each axis, and why not.",
    WorkloadQuestion,
    LawfulAnswer,
    lawful_clusters,
)
