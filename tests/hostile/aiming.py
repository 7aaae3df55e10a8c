"""What the hostile proposer wants done: it knows the estate and the law, and aims at their edges.

Each aim draws some changes from an estate; each has a name, so that the tally can say what came of it. Some are lawful:
a proposer that is never right is stopped by anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from estate import pooling
from estate.changes import (
    Change,
    CopyWorkload,
    CordonNode,
    DrainNode,
    EvictPod,
    MoveWorkload,
    ReleaseCapacity,
    RemoveWorkload,
    RepartitionAccelerator,
    ReplicaMove,
    ReserveCapacity,
    ScaleMachineGroup,
    ScaleWorkload,
    SetPowerCap,
    TaintNode,
    UncordonNode,
    UntaintNode,
)
from estate.frozen import FrozenEstate
from estate.hardware import Node, Taint, TaintEffect
from estate.ids import ClusterId, MachineGroupId, NodeId, WorkloadId
from estate.units import Watts
from estate.workloads import Binding, Workload
from tests import objects
from tests.builders import START
from tests.hostile.claiming import Case
from tests.hostile.grounds import CLUSTERS, TENANTS, seldom
from tests.partitioned import LAYOUTS

FENCE = Taint(key="placet.dev/fault", effect=TaintEffect.NO_SCHEDULE)
_NAME = "kubernetes.io/metadata.name"
_MOST = 10_000
"""Replicas that a workload may have."""
type Aim = Callable[[st.DrawFn, FrozenEstate], list[Change]]


@st.composite
def plans(draw: st.DrawFn, case: Case, aim: str) -> list[Change]:
    """The changes that serve an aim in that case."""
    return AIMS[aim](draw, case.on)


# -- one change each


def _work(draw: st.DrawFn, on: FrozenEstate) -> Workload:
    return draw(st.sampled_from(sorted(on.workloads(), key=lambda w: w.id)))


def _node(draw: st.DrawFn, on: FrozenEstate) -> NodeId:
    return draw(st.sampled_from(sorted(n.id for n in on.nodes())))


def _within(on: FrozenEstate, cluster: ClusterId) -> list[Node]:
    return sorted((n for n in on.nodes() if n.cluster == cluster), key=lambda n: n.id)


def _free(on: FrozenEstate, node: Node, taken: set[tuple[NodeId, int]]) -> list[int]:
    held = on.taken(node.id)
    return [a.index for a in node.accelerators if a.index not in held and (node.id, a.index) not in taken]


def _homes(
    draw: st.DrawFn, on: FrozenEstate, work: Workload, cluster: ClusterId, replicas: Iterable[int]
) -> tuple[Binding, ...]:
    """A home for each replica: mostly with free devices of a fit model, now and then with whatever is there."""
    needed, found, taken = work.contract.accelerators_per_replica, [], set[tuple[NodeId, int]]()
    for replica in replicas:
        nodes = _within(on, cluster)
        roomy = [n for n in nodes if len(_free(on, n, taken)) >= needed and _fits(work, n)]
        node = draw(st.sampled_from(roomy if roomy and draw(st.integers(0, 7)) else nodes))
        held = tuple((_free(on, node, taken) + list(range(8)))[:needed])
        taken |= {(node.id, i) for i in held}
        found.append(Binding(replica=replica, node=node.id, accelerators=tuple(sorted(set(held)))))
    return tuple(found)


def _fits(work: Workload, node: Node) -> bool:
    return not node.fenced and all(work.contract.accepts(a.model, None) for a in node.accelerators)


def _moved(draw: st.DrawFn, on: FrozenEstate, work: Workload) -> Change:
    running = {b.replica: b.node for b in work.bindings}
    replica = draw(st.sampled_from(range(max(1, work.replicas))))
    (home,) = _homes(draw, on, work, work.cluster, [replica])
    target = None if seldom(draw, 12) else home.node
    held = home.accelerators if target else ()
    move = ReplicaMove(replica=replica, source=running.get(replica), target=target, accelerators=held)
    return MoveWorkload(workload=work.id, moves=(move,))


def _copied(draw: st.DrawFn, on: FrozenEstate, work: Workload) -> list[Change]:
    there = draw(st.sampled_from([c for c in CLUSTERS if c != work.cluster]))
    space = draw(st.sampled_from(["", "", "", "", *TENANTS, "kube-public", "gpu-operator", "nobody"]))
    homes = _homes(draw, on, work, there, range(max(1, work.replicas)))
    made = CopyWorkload(workload=work.id, to_cluster=there, namespace=space, bindings=homes)
    gone = RemoveWorkload(workload=work.id, replaced_by=made.named(work))
    return [made, gone] if draw(st.booleans()) else [made]


def _evicted(draw: st.DrawFn, work: Workload) -> EvictPod:
    """Also of a replica that is not there."""
    if work.bindings and not seldom(draw, 16):
        seat = draw(st.sampled_from(work.bindings))
        return EvictPod(workload=work.id, replica=seat.replica, node=seat.node)
    return EvictPod(workload=work.id, replica=work.replicas, node=NodeId("de-a1"))


def _scaled(draw: st.DrawFn, on: FrozenEstate, work: Workload) -> Change:
    """By one, to nothing, or to a huge number; the added ones placed or pending."""
    near = (max(0, work.replicas - 1), work.replicas + 1, work.replicas + 2)
    size = min(_MOST, draw(st.sampled_from([0, *near, _MOST])))
    added = range(work.replicas, size) if size <= work.replicas + 2 and draw(st.booleans()) else ()
    return ScaleWorkload(workload=work.id, replicas=size, bindings=_homes(draw, on, work, work.cluster, added))


def _on_node(draw: st.DrawFn, node: NodeId) -> Change:
    watts = draw(st.sampled_from([None, Watts(4_000), Watts(6_000), Watts(10**12)]))
    return draw(
        st.sampled_from(
            [
                CordonNode(node=node, reason="xid 79"),
                UncordonNode(node=node),
                TaintNode(node=node, taint=FENCE),
                UntaintNode(node=node, taint=FENCE),
                DrainNode(node=node),
                SetPowerCap(node=node, watts=watts),
            ]
        )
    )


def _object(draw: st.DrawFn) -> Change:
    """In one's own namespace, in another's, in one that looks alike, in the cluster's own; opened, loosened, ended."""
    kind = draw(st.sampled_from(sorted(objects.SPECS)))
    space = draw(st.sampled_from([*TENANTS, *TENANTS, "kube-system", "nobody"]))
    cluster, before = draw(st.sampled_from(CLUSTERS)), objects.manifest(kind, space)
    match draw(st.integers(0, 6)):
        case 6:
            return objects.apply(_joined(draw, space), cluster=cluster)
        case 0:
            return objects.delete(before, cluster=cluster)
        case 1:
            return objects.apply(objects.manifest(kind, space, **_looser(kind)), before, cluster=cluster)
        case 2:
            spec = objects.SPECS["Service"]["spec"] | {"type": "LoadBalancer"}
            return objects.apply(objects.manifest("Service", space, spec=spec), cluster=cluster)
        case _:
            return objects.apply(before, cluster=cluster)


def _joined(draw: st.DrawFn, space: str) -> dict[str, Any]:
    """A network policy that names namespaces, its own or others', or a service in somebody's subnet."""
    named = draw(st.lists(st.sampled_from([*TENANTS, "kube-system", "nobody"]), min_size=1, max_size=2))
    if seldom(draw, 4):
        notes = {"service.beta.kubernetes.io/aws-load-balancer-subnets": ",".join(named)}
        return objects.manifest("Service", space, annotations=notes, **objects.SPECS["Service"])
    one = {"matchLabels": {_NAME: named[0]}}
    several = {"matchExpressions": [{"key": _NAME, "operator": "In", "values": named}]}
    peer = {"namespaceSelector": draw(st.sampled_from([one, several]))}
    rule = draw(st.sampled_from([{"ingress": [{"from": [peer]}]}, {"egress": [{"to": [peer]}]}]))
    return objects.manifest("NetworkPolicy", space, spec=objects.PODS | rule)


def _looser(kind: str) -> dict[str, Any]:
    loose: dict[str, dict[str, Any]] = {
        "NetworkPolicy": {"spec": objects.PODS | {"policyTypes": ["Ingress"], "ingress": [{}]}},
        "ResourceQuota": {"spec": {"hard": {"pods": "2000"}}},
        "ConfigMap": {"data": {"rate": "50"}},
    }
    return loose.get(kind, {"spec": objects.SPECS[kind].get("spec", {}) | {}})


# -- aims


def _lawful(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """Room in the same cluster, where nobody else is."""
    running = sorted((w for w in on.workloads() if w.bindings), key=lambda w: w.id)
    work = draw(st.sampled_from(running))
    seat, needed = draw(st.sampled_from(work.bindings)), work.contract.accelerators_per_replica
    homes = [
        n
        for n in _within(on, work.cluster)
        if _fits(work, n)
        and len(_free(on, n, set())) >= needed
        and all(w.tenant == work.tenant for w in on.workloads_on(n.id))
    ]
    if not homes:
        return _on_nodes(draw, on)
    node = draw(st.sampled_from(homes))
    held = tuple(_free(on, node, set())[:needed])
    move = ReplicaMove(replica=seat.replica, source=seat.node, target=node.id, accelerators=held)
    return [MoveWorkload(workload=work.id, moves=(move,))]


def _nearly_lawful(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    return [_moved(draw, on, _work(draw, on))]


def _abroad(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    return _copied(draw, on, _work(draw, on))


def _copied_lawfully(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """The work of whoever may be anywhere, to where there is room for all of it; mostly it ends where it was."""
    free = sorted((w for w in on.workloads() if w.tenant in {"acme-1ab", "corvus"}), key=lambda w: w.id)
    work = draw(st.sampled_from([w for w in free if w.cluster != "us-1" and w.bindings] or free))
    taken, homes = set[tuple[NodeId, int]](), list[Binding]()
    needed = work.contract.accelerators_per_replica
    for replica in range(work.replicas):
        roomy = [n for n in _within(on, ClusterId("us-1")) if len(_free(on, n, taken)) >= needed and not n.fenced]
        if not roomy:
            return _lawful(draw, on)
        held = tuple(_free(on, roomy[0], taken)[:needed])
        taken |= {(roomy[0].id, i) for i in held}
        homes.append(Binding(replica=replica, node=roomy[0].id, accelerators=held))
    if not homes or work.cluster == "us-1":
        return _lawful(draw, on)
    made = CopyWorkload(workload=work.id, to_cluster=ClusterId("us-1"), bindings=tuple(homes))
    gone = RemoveWorkload(workload=work.id, replaced_by=made.named(work))
    return [made] if seldom(draw, 4) else [made, gone]


def _borrowed_data(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """More of what uses somebody's data, where a grant or an instrument is about to end, or has."""
    using = sorted((w for w in on.workloads() if w.datasets), key=lambda w: w.id)
    work = draw(st.sampled_from(using))
    return draw(st.sampled_from([_copied, _grown]))(draw, on, work)


def _grown(draw: st.DrawFn, on: FrozenEstate, work: Workload) -> list[Change]:
    added = _homes(draw, on, work, work.cluster, [work.replicas])
    return [ScaleWorkload(workload=work.id, replicas=min(_MOST, work.replicas + 1), bindings=added)]


def _crowding(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """Onto the node, or beside the node, of whom the tenant may not meet."""
    work = _work(draw, on)
    others = [n for n in _within(on, work.cluster) if any(w.tenant != work.tenant for w in on.workloads_on(n.id))]
    if not others or not work.bindings:
        return _nearly_lawful(draw, on)
    node, seat = draw(st.sampled_from(others)), work.bindings[0]
    held = tuple(_free(on, node, set())[: work.contract.accelerators_per_replica])
    move = ReplicaMove(replica=seat.replica, source=seat.node, target=node.id, accelerators=held)
    return [MoveWorkload(workload=work.id, moves=(move,))]


def _starving(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """Each step keeps a promise, all together break it."""
    work = _work(draw, on)
    steps: list[Change] = []
    for seat in work.bindings[: draw(st.integers(1, 4))]:
        steps += [CordonNode(node=seat.node), EvictPod(workload=work.id, replica=seat.replica, node=seat.node)]
    return steps or [_scaled(draw, on, work)]


def _overloading(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """Several homes in one rack, or caps lifted there: each within the budget, the sum beyond it."""
    rack = draw(st.sampled_from(sorted(r.id for r in on.facts.racks if r.nodes) or ["de-a"]))
    nodes = [n for n in on.nodes() if on.rack_of(n.id) == rack]
    steps: list[Change] = []
    for node in nodes[: draw(st.integers(1, 4))]:
        here = sorted((w for w in on.workloads() if w.cluster == node.cluster), key=lambda w: w.id)
        if not here:
            continue
        work = draw(st.sampled_from(here))
        held = tuple(_free(on, node, set())[: work.contract.accelerators_per_replica])
        if len(held) == work.contract.accelerators_per_replica and not any(work.id in s.disrupts(on) for s in steps):
            home = Binding(replica=work.replicas, node=node.id, accelerators=held)
            steps.append(ScaleWorkload(workload=work.id, replicas=min(_MOST, work.replicas + 1), bindings=(home,)))
    return steps or [_on_node(draw, _node(draw, on))]


def _fencing(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """One node, or as many as there are."""
    nodes = draw(st.permutations(sorted(n.id for n in on.nodes())))[: draw(st.sampled_from([1, 1, 2, 3, 5, 18]))]
    return [draw(st.sampled_from([CordonNode(node=n), TaintNode(node=n, taint=FENCE)])) for n in nodes]


def _emptying(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """Nodes with work, and nodes with none, whose set of tenants is empty."""
    nodes = draw(st.permutations(sorted(n.id for n in on.nodes())))[: draw(st.sampled_from([1, 1, 2, 3]))]
    return [DrainNode(node=n) for n in nodes]


def _on_nodes(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    return [_on_node(draw, _node(draw, on)) for _ in range(draw(st.sampled_from([1, 1, 2])))]


def _releasing(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """A fence lifted from what is not healthy."""
    bad = sorted((n for n in on.nodes() if n.fenced or any(a.health != "healthy" for a in n.accelerators)), key=str)
    nodes = sorted({n.id for n in bad}) or [_node(draw, on)]
    node = draw(st.sampled_from(nodes))
    return [draw(st.sampled_from([UncordonNode(node=node), UntaintNode(node=node, taint=FENCE)]))]


def _resizing(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    return [_scaled(draw, on, _work(draw, on))]


def _evicting(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """From a node that is shut first, as it must be."""
    evicted = _evicted(draw, _work(draw, on))
    return [CordonNode(node=evicted.node), evicted] if draw(st.booleans()) else [evicted]


def _writing(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    return [_object(draw) for _ in range(draw(st.sampled_from([1, 1, 1, 2])))]


def _replacing(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """A workload ends in favour of another that only looks like its copy."""
    work, other = _work(draw, on), _work(draw, on)
    return [RemoveWorkload(workload=work.id, replaced_by=other.id)]


def _reserving(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """Capacity for oneself or somebody, now and then what is not to be had; then work onto it, or beside it."""
    node = draw(st.sampled_from(sorted(on.nodes(), key=lambda n: n.id)))
    free = _free(on, node, set())[: draw(st.integers(1, 4))] or [0]
    start = START + timedelta(hours=draw(st.sampled_from([-2, 0, 1, 10_000])))
    made = ReserveCapacity.model_validate(
        {
            "reservation": draw(st.sampled_from(["r-1", "r-2"])),
            "terms": {
                "tenant": draw(st.sampled_from([*TENANTS, "nobody"])),
                "seats": [{"node": node.id, "accelerators": free}],
                "watts_per_accelerator": draw(st.sampled_from([0, 700, 9_000])),
                "start": start,
                "end": start + timedelta(hours=draw(st.sampled_from([1, 10, 10_000]))),
            },
        }
    )
    after = [_moved, lambda d, o, w: _grown(d, o, w)[0]]
    then = draw(st.sampled_from(after))(draw, on, _work(draw, on)) if draw(st.booleans()) else None
    gone = ReleaseCapacity(reservation=made.reservation, tenant=made.terms.tenant)
    return [made, *([then] if then else []), *([gone] if seldom(draw, 4) else [])]


def _cutting(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """Where nothing runs, or wherever; now and then what is cut is reserved first, or lived on, or made whole again."""
    idle = sorted(n.id for n in on.nodes() if not on.taken(n.id))
    node = draw(st.sampled_from(idle)) if idle and not seldom(draw, 4) else _node(draw, on)
    names = st.sampled_from([*(x.name for x in LAYOUTS), "all-2g.20gb"])
    cut = RepartitionAccelerator(node=node, layout=draw(names))
    ahead = {
        0: lambda: [_reserving(draw, on)[0]],
        1: lambda: [_moved(draw, on, _work(draw, on))],
        2: lambda: [CordonNode(node=node)],
    }.get(draw(st.integers(0, 7)), lambda: [])()
    again = [RepartitionAccelerator(node=node, layout="all-disabled")] if seldom(draw, 4) else []
    return [*ahead, cut, *again]


def _ordering(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """More machines of somebody's group in one step or in many, or one given back with a node that somebody uses."""
    groups = [g for _, g in pooling.pools(on)]
    if not groups:
        return [ScaleMachineGroup(group=MachineGroupId("de-1.fleet.workers.none"), machines=draw(st.integers(0, 9)))]
    group = draw(st.sampled_from(groups))
    wanted = group.wanted or 0
    if draw(st.integers(0, 3)):
        sizes = range(wanted + 1, wanted + 1 + draw(st.sampled_from([1, 1, 2, 9])))
        return [ScaleMachineGroup(group=group.id, machines=n) for n in sizes]
    (pool,) = (p for p in on.facts.pools if p.id == group.id)
    idle = [n for n in _within(on, pool.cluster) if not on.workloads_on(n.id)]
    node = draw(st.sampled_from(idle)).id if idle and draw(st.integers(0, 3)) else _node(draw, on)
    gone = ScaleMachineGroup(group=group.id, machines=max(0, wanted - 1), leaving=(node,))
    first = [_reserving(draw, on)[0]] if seldom(draw, 2) else []
    named = first[0].seats(on)[0].node if first and isinstance(first[0], ReserveCapacity) else node
    left = gone.model_copy(update={"leaving": (named,)}) if first else gone
    return [*first, CordonNode(node=left.leaving[0]), left] if draw(st.integers(0, 3)) else [gone]


def _mixing(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """Whatever may be lawful alone, two to four of it in one plan."""
    parts = [_nearly_lawful, _on_nodes, _resizing, _evicting, _writing, _abroad, _cutting]
    drawn = (draw(st.sampled_from(parts))(draw, on) for _ in range(draw(st.integers(2, 4))))
    return [c for part in drawn for c in part]


def _inventing(draw: st.DrawFn, on: FrozenEstate) -> list[Change]:
    """Things that nobody has, or that are named like others."""
    return draw(
        st.sampled_from(
            [
                [CordonNode(node=NodeId("de-al"))],
                [ScaleWorkload(workload=WorkloadId("de-1.acme.serv"), replicas=0)],
                [EvictPod(workload=_work(draw, on).id, replica=9_999, node=NodeId("de-a1"))],
                [RemoveWorkload(workload=_work(draw, on).id, replaced_by=WorkloadId("nothing"))],
            ]
        )
    )


AIMS: dict[str, Aim] = {
    "a lawful home": _lawful,
    "a lawful copy": _copied_lawfully,
    "a nearly lawful home": _nearly_lawful,
    "a copy abroad": _abroad,
    "borrowed data": _borrowed_data,
    "too close to another": _crowding,
    "starved step by step": _starving,
    "a rack filled step by step": _overloading,
    "fences": _fencing,
    "emptied nodes": _emptying,
    "nodes changed": _on_nodes,
    "fences lifted": _releasing,
    "resized": _resizing,
    "evicted": _evicting,
    "objects": _writing,
    "another in its place": _replacing,
    "capacity reserved": _reserving,
    "accelerators cut": _cutting,
    "machines ordered": _ordering,
    "several at once": _mixing,
    "what is not there": _inventing,
}
AIMING = st.sampled_from([*sorted(AIMS), *["a lawful home"] * 4, "a lawful copy", "nodes changed", "fences", "objects"])
"""Lawful ones more often than others: the law stops most of the rest."""
