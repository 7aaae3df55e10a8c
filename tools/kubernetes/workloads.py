"""A controller, its pods and the budgets → `estate.workloads.Workload`. Pure but for the numbers it is given.

`workload` is for raw objects as a live read brings them; the source keeps parsed ones and calls `assemble`: both mean
the same. What comes out is counted (`Workload.counted`): nodes and counts are true, numbers are book-keeping.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from estate.errors import BadInput
from estate.ids import ClusterId, NodeId, Uid
from estate.law import Facts
from estate.units import Mebibytes, Millicores, Watts
from estate.workloads import Binding, Gang, Workload, WorkloadContract, WorkloadKind
from tools.kubernetes import gangs, naming, objects, requirements, resources
from tools.kubernetes.allotments import Allotments
from tools.kubernetes.fields import Raw
from tools.kubernetes.numbering import Numbering
from tools.kubernetes.objects import Ask, Budget, Owner, Pod

_LONG_RUNNING = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "LeaderWorkerSet"})


def workload(
    owner: Raw,
    pods: Iterable[Raw],
    budgets: Iterable[Raw],
    facts: Facts,
    cluster: ClusterId,
    numbering: Numbering | None = None,
) -> Workload | None:
    """The workload that a raw controller (with its `kind`) is, with its own pods and its namespace's budgets.

    None where the estate does not hold it: it is over, or it needs no accelerator and its namespace is nobody's.

    Raises:
        BadInput: an object cannot be read; the reason names the field.
    """
    return assemble(
        objects.owner(owner, resources.of_object(owner)),
        [objects.pod(p) for p in pods],
        [objects.budget(b) for b in budgets],
        facts,
        cluster,
        numbering or Numbering(),
    )


def assemble(
    owner: Owner, pods: Iterable[Pod], budgets: Iterable[Budget], facts: Facts, cluster: ClusterId, numbering: Numbering
) -> Workload | None:
    """As `workload`, of parsed objects. Pods that are no replicas are passed over. Raises BadInput for too many."""
    live = sorted((p for p in pods if p.counts), key=lambda p: (p.ref.name, p.ref.uid))
    ask = owner.ask or _asked_together(live)
    tenant = facts.tenant_of.get((cluster, owner.namespace), naming.UNASSIGNED)
    per_replica = _per_replica(owner, ask, live, numbering.allotments)
    needs_none = not per_replica and not any(p.ask.accelerators for p in live)
    if (tenant == naming.UNASSIGNED and needs_none) or (owner.finished and not live):
        return None
    bound = [p for p in live if p.node]
    wanted = len(live) if owner.desired is None else owner.desired
    replicas = max(min(wanted, objects.MOST_REPLICAS), len(bound))
    if replicas > objects.MOST_REPLICAS:
        raise BadInput(f"pods: {replicas} that are bound are more than {objects.MOST_REPLICAS}")
    numbers = numbering.replicas(owner.ref.uid, [p.ref.uid for p in bound], replicas)
    bindings = _bindings(numbers, bound, lambda name: naming.node_id(facts, cluster, name), numbering)
    return Workload(
        id=naming.workload_id(cluster, owner.namespace, owner.ref.word, owner.ref.name),
        uid=Uid(owner.ref.uid),
        tenant=tenant,
        cluster=cluster,
        namespace=owner.namespace,
        name=owner.ref.name,
        kind=ask.kind or _kind(owner.ref.kind),
        contract=WorkloadContract(
            accelerators_per_replica=per_replica,
            models=ask.models,
            min_available=_min_available(ask, owner.namespace, budgets, replicas),
            vendors=ask.vendors,
            millicores=Millicores(ask.room.millicores),
            host_mebibytes=Mebibytes(ask.room.mebibytes),
            profile=ask.cut if per_replica else "",
        ),
        replicas=replicas,
        watts_per_accelerator=Watts(0) if needs_none else numbering.watts((b.node for b in bindings), ask.models),
        datasets=ask.datasets,
        bindings=bindings,
        counted=True,
        tolerations=ask.tolerations,
        gangs=_gangs(owner, cluster, live, numbers),
    )


def _per_replica(owner: Owner, ask: Ask, live: Sequence[Pod], allotments: Allotments) -> int:
    """What one replica is promised: what its template asks for; what pods hold by name, or ask for where no template
    is known, counts where it is more.
    """
    wanted = ask.accelerators + allotments.wanted(ask, owner.namespace)
    told = (allotments.held(p).count for p in live if p.claims or owner.ask is None)
    return min(max((wanted, *told)), objects.MOST_PER_REPLICA)


def _bindings(
    numbers: Mapping[str, int],
    bound: Sequence[Pod],
    called: Callable[[str], NodeId],
    numbering: Numbering,
) -> tuple[Binding, ...]:
    found, allotments = [], numbering.allotments
    for pod in bound:
        node, held = called(pod.node), allotments.held(pod)
        rest = max(0, min(held.count, objects.MOST_PER_REPLICA) - len(held.named))
        kept = numbering.devices(pod.ref.uid, node, rest, allotments.named_on(pod.node), pod.ask.cut)
        devices = tuple(sorted({*held.named, *kept}))
        found.append(Binding(replica=numbers[pod.ref.uid], node=node, accelerators=devices))
    return tuple(sorted(found, key=lambda b: b.replica))


def _gangs(owner: Owner, cluster: ClusterId, pods: Sequence[Pod], numbers: Mapping[str, int]) -> tuple[Gang, ...]:
    """The gangs of these pods: one of every replica where all name the same, else each with the bound ones in it."""
    named: defaultdict[str, list[int]] = defaultdict(list)
    for pod in pods:
        named[owner.gang_of(pod)] += [numbers[pod.ref.uid]] if pod.ref.uid in numbers else []
    if len(named) == 1 and "" not in named:
        return (Gang(id=gangs.identified(cluster, owner.namespace, next(iter(named)))),)
    return tuple(
        Gang(id=gangs.identified(cluster, owner.namespace, name), replicas=tuple(sorted(replicas)))
        for name, replicas in sorted(named.items())
        if name and replicas
    )


def _asked_together(pods: Sequence[Pod]) -> Ask:
    """What pods ask for whose controller is known by name only: the first says what it is, all name their datasets."""
    if not pods:
        return Ask()
    datasets = {d for p in pods for d in p.ask.datasets}
    return replace(pods[0].ask, datasets=tuple(sorted(datasets)))


def _min_available(ask: Ask, namespace: str, budgets: Iterable[Budget], replicas: int) -> int:
    """The most that any budget which selects the pods asks for."""
    mine = (
        b for b in budgets if b.namespace == namespace and b.selector is not None and b.selector.selects(ask.labels)
    )
    return max((_demand(b, replicas) for b in mine), default=0)


def _demand(budget: Budget, replicas: int) -> int:
    if budget.min_available is not None:
        return requirements.scaled(budget.min_available, replicas)
    if budget.max_unavailable is not None:
        return max(0, replicas - requirements.scaled(budget.max_unavailable, replicas))
    return 0


def _kind(controller: str) -> WorkloadKind:
    return WorkloadKind.INFERENCE if controller in _LONG_RUNNING else WorkloadKind.BATCH
