"""Histories of an estate in which names, devices and homes meet often, and the questions that tell estates apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from estate import alterations
from estate.devices import Fault, Partitioning, Sharing, Vendor
from estate.frozen import FrozenEstate
from estate.hardware import Accelerator, Health, Node, Taint, TaintEffect
from estate.ids import ClusterId, GangId, NodeId, RackId, SiteId, TenantId, WorkloadId
from estate.law import Facts
from estate.machines import Nic, NicUse, Software
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.workloads import Binding, Gang, Workload
from tests import builders
from tests.drawing import among
from tools.inventory.columns import changes
from tools.inventory.columns.changes import Change

NODES = tuple(NodeId(n) for n in ("eu-a1", "eu-a2", "eu-b1", "us-a1", "stray"))
WORKLOADS = tuple(WorkloadId(w) for w in ("one", "two", "three"))
CLUSTERS = (ClusterId("eu-1"), ClusterId("us-1"))
NAMES = ("same", "other")
UUIDS = tuple(f"GPU-{n}" for n in range(6))
GANGS = (GangId("ring"), GangId("pair"))
DOMAINS = ("d1", "d2")
_FAULT = (Fault(code="xid-79", first_at=builders.START, last_at=builders.START),)
INDEXES = (0, 1, 2, 3, 4, 9, -1)
_moved = builders.rack("us-b", nodes=(NodeId("eu-a1"), NodeId("stray")))
FACTS = (
    builders.facts(),
    builders.facts(version=2, racks=(builders.rack("eu-a", nodes=(NodeId("eu-a2"), NodeId("eu-b1"))), _moved)),
)

_DRIVER = (Software(name="driver", version="580.65"),)
_health = st.sampled_from(Health)
_taints = st.sampled_from(
    (
        (),
        (Taint(key="placet.dev/fault", effect=TaintEffect.NO_SCHEDULE),),
        (Taint(key="placet.dev/rest", effect=TaintEffect.PREFER_NO_SCHEDULE),),
        (Taint(key="nvidia.com/gpu", value="present", effect=TaintEffect.NO_SCHEDULE),),
    )
)


class _Fields(dict[str, Any]):
    """Fields of a model, hashable by what they are."""

    def __hash__(self) -> int:  # type: ignore[override]  # never written
        return hash(tuple(self.items()))


_SIZES = (
    _Fields(),
    _Fields(sharing=Sharing.MPS),
    _Fields(cut="1g.10gb", board="GPU-b", start=2, board_mebibytes=81_559, power_limit_watts=400),
)
_ROOMS = (
    _Fields(),
    _Fields(millicores=8_000, allots_mebibytes=16_000, other_millicores=500, software=_DRIVER),
    _Fields(millicores=2_000, other_mebibytes=9, partitioning=Partitioning(layout="all-1g.10gb")),
)
_CONTRACTS = (
    *map(builders.contract, (0, 1, 2, 4)),
    builders.contract(1, share=300),
    builders.contract(1, share=600, millicores=700),
    builders.contract(2, millicores=1_500, host_mebibytes=4_000),
)
_caps = st.sampled_from((None, 0, 1_500, 9_000))


@st.composite
def _devices(draw: st.DrawFn) -> tuple[Accelerator, ...]:
    """Numbered as they should be, or hostile: any numbers, one of them twice."""
    count = draw(st.integers(0, 5))
    plain = draw(st.booleans())
    return tuple(
        Accelerator(
            index=at if plain else draw(among(INDEXES)),
            uuid=draw(among(UUIDS)),
            pci_address=draw(among(("", "0000:17:00.0"))),
            model=draw(among(("H100", "MI300X"))),
            memory_mebibytes=draw(among((81_559, 196_608))),
            health=draw(_health),
            nvlink_domain=draw(among(("", *DOMAINS))),
            faults=draw(among(((), _FAULT))),
            vendor=draw(among((None, *Vendor))),
            **draw(among(_SIZES)),
        )
        for at in range(count)
    )


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    """Any node of the small world."""
    return Node(
        id=draw(among(NODES)),
        uid=draw(among(("u1", "u2"))),
        cluster=draw(among(CLUSTERS)),
        name=draw(among(NAMES)),
        accelerators=draw(_devices()),
        idle_watts=draw(among((0, 900))),
        power_cap_watts=draw(_caps),
        cordoned=draw(st.booleans()),
        health=draw(_health),
        taints=draw(_taints),
        nics=draw(among(((), (Nic(name="eth0", use=NicUse.DATA, switch=DOMAINS[0], speed=100_000),)))),
        sockets=draw(among((None, 2))),
        **draw(among(_ROOMS)),
    )


@st.composite
def _bindings(draw: st.DrawFn, replica: int) -> Binding:
    held = draw(st.lists(st.sampled_from(INDEXES), max_size=3))
    return Binding(replica=replica, node=draw(among(NODES)), accelerators=tuple(held))


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Any workload of the small world, its replicas in any order."""
    replicas = draw(st.integers(0, 6))
    running = draw(st.permutations(range(replicas)))[: draw(st.integers(0, replicas))]
    made = builders.workload(
        tenant=draw(among(("tenant-a", "tenant-b", "nobody"))),
        cluster=draw(among(CLUSTERS)),
        namespace=draw(among(NAMES)),
        replicas=replicas,
        watts_per_accelerator=draw(among((0, 700))),
        contract=draw(among(_CONTRACTS)),
        bindings=tuple(draw(_bindings(r)) for r in running),
        gangs=draw(among(((), *((Gang(id=g),) for g in GANGS)))),
    )
    return made.model_copy(update={"id": draw(among(WORKLOADS)), "name": draw(among(NAMES))})


_known = st.sampled_from(NODES)
_work = st.sampled_from(WORKLOADS)


@st.composite
def _bound(draw: st.DrawFn) -> alterations.Bound:
    return alterations.Bound(draw(_work), draw(_bindings(draw(st.integers(0, 6)))))


def typed() -> st.SearchStrategy[Change]:
    """One change of any kind, of things that are there or not."""
    return st.one_of(
        st.builds(changes.NodeSeen, nodes()),
        st.builds(changes.WorkloadSeen, workloads()),
        st.builds(changes.NodeGone, _known),
        st.builds(changes.WorkloadGone, _work),
        _bound(),
        st.builds(alterations.Unbound, _work, st.integers(0, 6)),
        st.builds(alterations.Cordoned, _known, st.booleans()),
        st.builds(alterations.Tainted, _known, _taints),
        st.builds(alterations.Capped, _known, _caps),
        st.builds(alterations.NodeJudged, _known, _health),
        st.builds(alterations.DeviceJudged, _known, st.sampled_from(INDEXES), _health),
    )


def histories(most: int = 30) -> st.SearchStrategy[list[Change | Facts]]:
    """Changes, and now and then other facts."""
    return st.lists(st.one_of(typed(), typed(), typed(), st.sampled_from(FACTS)), max_size=most)


def played(estate: FrozenEstate, change: Change | Facts) -> FrozenEstate:
    """What a change means, said by whole things."""
    match change:
        case Facts():
            return estate.with_facts(change)
        case changes.NodeSeen(node):
            return estate.with_node(node)
        case changes.NodeGone(name):
            return estate.without_node(name)
        case changes.WorkloadSeen(workload):
            return estate.with_workload(workload)
        case changes.WorkloadGone(name):
            return estate.without_workload(name)
        case alterations.Bound(name, binding):
            return _rebound(estate, name, binding.replica, binding)
        case alterations.Unbound(name, replica):
            return _rebound(estate, name, replica, None)
        case alterations.DeviceJudged(name, index, health):
            return _judged(estate, name, index, health)
    field, value = _single(change)
    return _renewed(estate, change.node, **{field: value})


def _single(
    change: alterations.Cordoned | alterations.Tainted | alterations.Capped | alterations.NodeJudged,
) -> tuple[str, Any]:
    match change:
        case alterations.Cordoned(_, cordoned):
            return "cordoned", cordoned
        case alterations.Tainted(_, taints):
            return "taints", taints
        case alterations.Capped(_, watts):
            return "power_cap_watts", watts
        case alterations.NodeJudged(_, health):
            return "health", health


def _renewed(estate: FrozenEstate, name: NodeId, **fields: Any) -> FrozenEstate:
    node = estate.node(name)
    if node is None or all(getattr(node, f) == v for f, v in fields.items()):
        return estate
    return _unclaimed(estate, estate.with_node(node.model_copy(update=fields)))


def _judged(estate: FrozenEstate, name: NodeId, index: int, health: Health) -> FrozenEstate:
    node = estate.node(name)
    if node is None:
        return estate
    devices = tuple(a.model_copy(update={"health": health}) if a.index == index else a for a in node.accelerators)
    return _renewed(estate, name, accelerators=devices)


def _rebound(estate: FrozenEstate, name: WorkloadId, replica: int, binding: Binding | None) -> FrozenEstate:
    workload = estate.workload(name)
    if workload is None or replica >= workload.replicas:
        return estate
    kept = [binding if b.replica == replica else b for b in workload.bindings]
    if binding is not None and all(b.replica != replica for b in workload.bindings):
        kept.append(binding)
    runs = [b.replica for b in workload.bindings]
    if binding is None and replica not in runs:
        return estate
    ordered = tuple(sorted((b for b in kept if b is not None), key=lambda b: b.replica))
    changed = workload.model_copy(update={"bindings": ordered})
    return _unclaimed(estate, estate.with_workload(changed))


def _unclaimed(before: FrozenEstate, after: FrozenEstate) -> FrozenEstate:
    """A single fact claims no name: of two that bear one, the one that was told whole last keeps it."""
    names = {name: getattr(before, name) for name in ("_names", "_uuids", "_workload_names")}
    return replace(after, **names)


def answers(estate: Snapshot) -> dict[str, Any]:
    """Every question of the port, about everything of the small world."""
    racks = [RackId(r) for r in ("eu-a", "eu-b", "us-a", "us-b", "none")]
    sites = [SiteId(s) for s in ("eu-de", "us-east", "none")]
    tenants = [TenantId(t) for t in ("tenant-a", "tenant-b", "none")]
    of_node: tuple[Callable[[NodeId], Any], ...] = (
        estate.node,
        estate.workloads_on,
        estate.rack_of,
        estate.site_of,
        estate.taken,
        estate.node_watts,
    )
    return {
        "nodes": tuple(estate.nodes()),
        "forms": [n.canonical() for n in estate.nodes()] + [w.canonical() for w in estate.workloads()],
        "workloads": tuple(estate.workloads()),
        "stranded": estate.stranded_accelerators(),
        "facts": estate.facts,
        **{f"{ask.__name__} {n}": ask(n) for ask in of_node for n in (*NODES, NodeId("none"))},
        **{f"workload {w}": estate.workload(w) for w in (*WORKLOADS, WorkloadId("none"))},
        **{f"rack {r}": (estate.nodes_in(r), estate.rack_watts(r), estate.fenced_in(r)) for r in racks},
        **{f"site {s}": (estate.fenced_at(s), estate.site_watts(s)) for s in sites},
        **{f"tenant {t}": (estate.tenant_devices(t), estate.tenant_watts(t)) for t in tenants},
        **{f"named {c} {n}": estate.named(c, n) for c in CLUSTERS for n in (*NAMES, "none")},
        **{f"gang {g}": estate.in_gang(g) for g in (*GANGS, GangId("none"))},
        **{f"of {k} {d}": estate.holding(Ref(k, d)) for k in ("nvlink-domain", "switch") for d in (*DOMAINS, "none")},
        **{f"uuid {u}": estate.accelerator(u) for u in (*UUIDS, "none")},
        **{f"work {c} {s} {n}": estate.workload_named(c, s, n) for c in CLUSTERS for s in NAMES for n in NAMES},
    }
