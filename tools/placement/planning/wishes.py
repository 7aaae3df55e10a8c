"""What room is made for: a workload that does not exist yet, or what one of the estate waits for."""

from __future__ import annotations

from collections.abc import Sequence

from estate.errors import BadInput
from estate.ids import ClusterId, NodeId, SiteId, TenantId, Uid, WorkloadId
from estate.law import Namespace
from estate.snapshots import Snapshot
from estate.workloads import BandwidthClass, Workload, WorkloadContract, WorkloadKind
from tools.placement.attempts import Attempt
from tools.placement.engine import MaskEngine
from tools.placement.planning.plans import Burst, Free
from tools.placement.port import Ask
from tools.placement.searching import search
from tools.placement.wishes import Wish


def wished(snapshot: Snapshot, goal: Free | Burst) -> tuple[Workload, tuple[int, ...]]:
    """The workload that room is made for, and which of its replicas wait.

    Raises:
        BadInput: nobody of that name, nothing that waits, or a tenant without a namespace there.
    """
    return _waiting(snapshot, goal.workload) if goal.workload else _made_up(snapshot, goal)


def fitting(
    engine: MaskEngine, estate: Snapshot, wish: Workload, replicas: Sequence[int], nodes: frozenset[NodeId]
) -> tuple[Wish, Attempt]:
    """The wish by the engine's own search on these nodes, as far as it fits."""
    seen = estate if estate.workload(wish.id) is not None else estate.with_workload(wish)
    columns = engine.columns_of(seen)
    avoid = frozenset(columns.ids) - nodes
    asked = Wish(seen, columns, Ask(wish.id, tuple(replicas), avoid=avoid), wish)
    return asked, search(asked)


def _waiting(snapshot: Snapshot, name: WorkloadId) -> tuple[Workload, tuple[int, ...]]:
    workload = snapshot.workload(name)
    if workload is None:
        raise BadInput(f"workload: no workload `{name}`; see `placet get workloads`")
    waiting = tuple(sorted(set(range(workload.replicas)) - {b.replica for b in workload.bindings}))
    if not waiting:
        raise BadInput(f"workload: nothing of `{name}` waits; name a tenant and a number of accelerators instead")
    return workload, waiting


def _made_up(snapshot: Snapshot, goal: Free | Burst) -> tuple[Workload, tuple[int, ...]]:
    assert goal.tenant is not None, "a goal names a workload or a tenant"
    if goal.tenant not in snapshot.facts.tenant:
        known = ", ".join(sorted(snapshot.facts.tenant)[:20])
        raise BadInput(f"tenant: no tenant `{goal.tenant}`; there are {known}")
    here = {a.model for n in snapshot.nodes() for a in n.accelerators}
    if isinstance(goal, Free) and (strange := sorted({*goal.models} - here)):
        raise BadInput(f"models: nobody here has a `{strange[0]}`; there are {', '.join(sorted(here))}")
    space = _namespace(snapshot, goal.tenant, goal.site)
    replicas = goal.accelerators // goal.each
    contract = WorkloadContract(
        accelerators_per_replica=goal.each,
        models=goal.models,
        bandwidth=BandwidthClass.SAME_NVLINK_DOMAIN if goal.each > 1 else BandwidthClass.SAME_NODE,
    )
    wish = Workload(
        id=WorkloadId(f"wish-of-{goal.tenant}"),
        uid=Uid("wish"),
        tenant=goal.tenant,
        cluster=space.cluster,
        namespace=space.name,
        name="wish",
        kind=WorkloadKind.BATCH,
        contract=contract,
        replicas=replicas,
        watts_per_accelerator=max((w.watts_per_accelerator for w in snapshot.workloads()), default=0),
    )
    return wish, tuple(range(replicas))


def _namespace(snapshot: Snapshot, tenant: TenantId, site: SiteId | None) -> Namespace:
    """The tenant's namespace in the cluster, of that site where one is named, that has the most nodes."""
    facts = snapshot.facts
    nodes: dict[ClusterId, int] = {}
    for node in snapshot.nodes():
        nodes[node.cluster] = nodes.get(node.cluster, 0) + 1
    offered = [n for n in facts.tenant[tenant].namespaces if n.cluster in facts.cluster]
    there = [n for n in offered if site in (None, facts.cluster[n.cluster].site)]
    if not there:
        where = f"at `{site}`" if site else "anywhere"
        raise BadInput(
            f"tenant: `{tenant}` has no namespace {where}; give it one in the signed facts, or name another site"
        )
    return min(there, key=lambda n: (-nodes.get(n.cluster, 0), n.cluster, n.name))
