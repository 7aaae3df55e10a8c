"""The placement rules a second time, node by node in plain Python, for the differential test. Shares no code with
the engine but the estate's own questions and the sovereignty axes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil

from estate.changes.seating import seat
from estate.hardware import Accelerator, Health, Node
from estate.ids import ClusterId, NodeId, RackId
from estate.law import Isolation, Tenant
from estate.machines import LinkState, Nic, NicUse
from estate.snapshots import Snapshot
from estate.uses.reservations import Reservation, Terms
from estate.workloads import BandwidthClass, Binding, Locality, Span, Workload, WorkloadKind
from policies import sovereignty
from tests.placement import naive_facilities, naive_points, naive_promises, naive_quotas
from tools.placement.port import Ask

type Cap = tuple[Span, int] | None

_STRICTNESS = [
    Isolation.SHARED_NODE,
    Isolation.DEDICATED_NODE,
    Isolation.DEDICATED_RACK,
    Isolation.DEDICATED_CLUSTER,
]


def place(snapshot: Snapshot, ask: Ask) -> tuple[Binding, ...] | None:
    """The bindings by the documented rules, or None."""
    workload = snapshot.workload(ask.workload)
    assert workload is not None
    for cap in naive_promises.layouts(workload) if workload.contract.availability is not None else (None,):
        found = _placed(snapshot, workload, ask, cap)
        if found is not None and _available(snapshot, workload, ask, found):
            return found
    return None


def _placed(snapshot: Snapshot, workload: Workload, ask: Ask, cap: Cap) -> tuple[Binding, ...] | None:
    kept = tuple(b for b in workload.bindings if b.replica not in ask.replicas)
    for cluster in _clusters(snapshot, workload, ask):
        start = workload.model_copy(update={"bindings": kept, "cluster": cluster})
        running = snapshot.with_workload(start)
        for domain in _domains(running, start, ask):
            found = _in_cluster((snapshot, running), start, ask, domain, cap, begun=bool(workload.bindings))
            if found is not None:
                return found
    return None


def _available(snapshot: Snapshot, workload: Workload, ask: Ask, found: tuple[Binding, ...]) -> bool:
    promised = workload.contract.availability
    if promised is None:
        return True
    kept = (b for b in workload.bindings if b.replica not in ask.replicas)
    seated = workload.model_copy(update={"bindings": (*kept, *found)})
    return naive_promises.permille(snapshot, seated) >= promised


def faults(snapshot: Snapshot, ask: Ask, bindings: tuple[Binding, ...]) -> Iterator[str]:
    """What is wrong with these homes, one after another; of a single one also whether it is the best by points."""
    workload = snapshot.workload(ask.workload)
    assert workload is not None
    first = snapshot.node(bindings[0].node)
    assert first is not None
    if first.cluster not in _clusters(snapshot, workload, ask):
        yield "the cluster is not open to it"
    kept = tuple(b for b in workload.bindings if b.replica not in ask.replicas)
    workload = workload.model_copy(update={"bindings": kept, "cluster": first.cluster})
    running = snapshot.with_workload(workload)
    begun, free_choice = bool(kept), workload.contract.together is None and workload.contract.availability is None
    if not _available(snapshot, workload, ask, bindings):
        yield "less available than promised"
    for binding in bindings:
        open_to = [n for n in running.nodes() if not naive_promises.refuses(running, workload, ask, n, begun)]
        homes = {n.id: _home((snapshot, running), workload, ask, n, binding.replica) for n in open_to}
        if homes.get(binding.node) != binding:
            yield f"{binding} is no home: {homes.get(binding.node)} would be"
        if len(bindings) == 1 and free_choice:
            best = min((_worth(running, workload, ask, n), at) for at, n in enumerate(open_to) if homes[n.id])
            if open_to[best[1]].id != binding.node:
                yield f"{binding} is not the best home"
        grown = max(workload.replicas, binding.replica + 1)
        workload = workload.model_copy(update={"bindings": (*workload.bindings, binding), "replicas": grown})
        running = running.with_workload(workload)


def _worth(running: Snapshot, workload: Workload, ask: Ask, node: Node) -> tuple[tuple[int, ...], int]:
    """What is reserved for it, what its kind is after, then points: less is better. What agents and batch are after
    the points are about."""
    aims = naive_promises.aims(running, workload, ask, node)
    filling = workload.kind in (WorkloadKind.AGENT, WorkloadKind.BATCH)
    beyond = _beyond(running, workload, node, ask)
    return (beyond, *(aims[:1] if filling else aims)), -naive_points.points(running, workload, node)


def span(snapshot: Snapshot, node: NodeId, over: Span) -> str:
    """The domain of a node by fact, or nothing."""
    rack = snapshot.facts.rack.get(snapshot.rack_of(node) or RackId(""))
    if over is Span.NODE:
        return node
    if rack is None:
        return ""
    return {Span.RACK: rack.id, Span.LEAF: rack.leaf_switch, Span.FEED: rack.power_feed, Span.SITE: rack.site}[over]


def _domains(running: Snapshot, workload: Workload, ask: Ask) -> list[str | None]:
    """Where all stand together and none stands yet: each domain of the cluster that holds all, the fullest first."""
    over = workload.contract.together
    if over is None or any(running.node(b.node) is not None for b in workload.bindings):
        return [None]
    room: dict[str, int] = {}
    for node in running.nodes():
        name = span(running, node.id, over)
        if node.cluster == workload.cluster and name:
            room[name] = room.get(name, 0) + _seats(running, workload, node, ask)
    needed = workload.contract.accelerators_per_replica * len(ask.replicas)
    mine = dict.fromkeys(room, 0)
    for node in running.nodes():
        name = span(running, node.id, over)
        if node.cluster == workload.cluster and name:
            mine[name] += len(_own(running, workload, node, ask) & {*_open(running, workload, node, ask)})
    roomy = [d for d in sorted(room, key=lambda d: (-mine[d], room[d], d)) if room[d] >= needed]
    return [*roomy] or [None]


def _near(running: Snapshot, workload: Workload, node: Node) -> bool:
    """Whether it stands with its other replicas, and apart from them, as its contract has it."""
    others = [b.node for b in workload.bindings if running.node(b.node) is not None]
    together, spread = workload.contract.together, workload.contract.spread
    if together is not None:
        here, theirs = span(running, node.id, together), {span(running, n, together) for n in others}
        if not here or (theirs and theirs != {here}):
            return False
    if spread is not None:
        here = span(running, node.id, spread)
        if not here or here in {span(running, n, spread) for n in others}:
            return False
    return True


def allows(running: Snapshot, workload: Workload, node: Node) -> bool:
    """Whether one more replica may stand there: law, neighbours, rack power. `running` is without it."""
    ask = Ask(workload=workload.id, replicas=())
    placed = _lawful_place(running, workload, ask, node)
    return placed and _apart(running, workload, node) and _powered(running, workload, node)


def _clusters(snapshot: Snapshot, workload: Workload, ask: Ask) -> Iterator[ClusterId]:
    yield workload.cluster
    if set(range(workload.replicas)) <= set(ask.replicas):
        others = {*snapshot.facts.cluster, *(n.cluster for n in snapshot.nodes())} - {workload.cluster}
        yield from sorted(others)


def _in_cluster(
    estates: tuple[Snapshot, Snapshot], workload: Workload, ask: Ask, domain: str | None, cap: Cap, *, begun: bool
) -> tuple[Binding, ...] | None:
    base, running = estates
    bindings: list[Binding] = []
    over = workload.contract.together
    for replica in sorted(ask.replicas):
        homes = []
        for node in running.nodes():
            if domain is not None and over is not None and span(running, node.id, over) != domain:
                continue
            if naive_promises.capped(running, workload, node, cap):
                continue
            if naive_promises.refuses(running, workload, ask, node, begun):
                continue
            binding = _home((base, running), workload, ask, node, replica)
            if binding is not None:
                beyond = _beyond(running, workload, node, ask)
                aims = (beyond, *naive_promises.aims(running, workload, ask, node))
                homes.append((aims, _score(running, workload, node, ask), node.id, binding))
        if not homes:
            return None
        chosen: Binding = min(homes, key=lambda h: h[:3])[3]
        bindings.append(chosen)
        grown = max(workload.replicas, replica + 1)
        workload = workload.model_copy(update={"bindings": (*workload.bindings, chosen), "replicas": grown})
        running = running.with_workload(workload)
    return tuple(bindings)


def _home(estates: tuple[Snapshot, Snapshot], workload: Workload, ask: Ask, node: Node, replica: int) -> Binding | None:
    """On the estate as it is before anything moves, and as it runs on."""
    base, running = estates
    if node.id in ask.avoid or not _lawful_place(running, workload, ask, node):
        return None
    if not _near(running, workload, node):
        return None
    if not _apart(running, workload, node):
        return None
    if not _off_the_reserved(running, workload, node, ask) or not _equipped(running, workload, node):
        return None
    devices = _pick(running, workload, node, ask)
    if devices is None:
        return None
    binding = Binding(replica=replica, node=node.id, accelerators=devices)
    if seat(running, workload, (binding,)) is not None:
        return None
    seated = running.with_workload(workload.model_copy(update={"bindings": (*workload.bindings, binding)}))
    rack = running.facts.rack[running.facts.rack_of[node.id]]
    if naive_facilities.watts(seated, rack.id) > rack.power_budget_watts or naive_facilities.overloads(base, seated):
        return None
    return None if naive_quotas.broken(base, seated, workload) else binding


def _lawful_place(running: Snapshot, workload: Workload, ask: Ask, node: Node) -> bool:
    facts, site = running.facts, running.site_of(node.id)
    cluster = facts.cluster.get(node.cluster)
    if site is None or cluster is None or cluster.site != site or (ask.sites and site not in ask.sites):
        return False
    owner = facts.tenant_of.get((node.cluster, workload.namespace))
    axes = sovereignty.exposure(facts, workload, node.cluster)
    return owner == workload.tenant and all(a.holds for a in axes) and _attached(running, workload, node)


def _attached(running: Snapshot, workload: Workload, node: Node) -> bool:
    """Whether what it mounts and joins there is its tenant's, and whatever network the machine is on."""
    facts, own = running.facts, workload.tenant
    machines = [n for n in facts.networks if node.id in n.nodes]
    told = {n.name: b for b in (*facts.volumes, *facts.networks) for n in b.names if n.cluster == node.cluster}
    named = [told.get(a.called(workload.namespace)) for a in workload.attachments]
    return all(b is not None and (b.everybody or own in b.tenants) for b in (*machines, *named))


def _apart(running: Snapshot, workload: Workload, node: Node) -> bool:
    facts = running.facts
    mine = facts.tenant.get(workload.tenant)
    if mine is None:
        return False
    for other in facts.tenants:
        shares = any(n.cluster == node.cluster for n in other.namespaces)
        if other.id != mine.id and shares and _level(mine, other) >= 3:
            return False
    rack = running.rack_of(node.id)
    for elsewhere in running.nodes():
        same_node = elsewhere.id == node.id
        same_rack = rack is not None and running.rack_of(elsewhere.id) == rack
        for resident in running.workloads_on(elsewhere.id):
            level = _level(mine, facts.tenant.get(resident.tenant))
            if resident.tenant != mine.id and ((same_node and level >= 1) or (same_rack and level >= 2)):
                return False
    return True


def _level(mine: Tenant, other: Tenant | None) -> int:
    """0 may share a node, 1 not that, 2 not a rack either, 3 not even a cluster."""
    if other is None:
        return max(_STRICTNESS.index(mine.isolation), 2)
    apart = int(other.id in mine.apart_from or mine.id in other.apart_from)
    return max(_STRICTNESS.index(mine.isolation), _STRICTNESS.index(other.isolation), apart)


def _after(running: Snapshot, workload: Workload, node: Node) -> tuple[int, int]:
    """The rack's draw with one more replica on the node, and its budget."""
    rack = running.rack_of(node.id)
    assert rack is not None
    load = sum(
        w.watts_per_accelerator * len(b.accelerators) for w in running.workloads_on(node.id) for b in w.on(node.id)
    )
    more = node.idle_watts + load + workload.watts_per_accelerator * workload.contract.accelerators_per_replica
    drawn = more if node.power_cap_watts is None else min(more, node.power_cap_watts)
    before = naive_facilities.watts(running, rack)
    return before - running.node_watts(node.id) + drawn, running.facts.rack[rack].power_budget_watts


def _others(running: Snapshot, workload: Workload) -> list[Terms]:
    """What is reserved for others."""
    every = [r.terms for r in running.stock.all("reservation") if isinstance(r, Reservation)]
    return [t for t in every if t.tenant != workload.tenant or t.workload not in (None, workload.id)]


def _kept(running: Snapshot, workload: Workload, ask: Ask) -> list[Terms]:
    """Those of them that do not let it in until they start."""
    found = []
    for terms in _others(running, workload):
        begun, over = (ask.at is not None and ask.at >= at for at in (terms.start, terms.end))
        ends = workload.contract.deadline is not None and workload.contract.deadline <= terms.start
        moves = workload.contract.preemptible and ask.at is not None and terms.meanwhile == "preemptible"
        lets_in = not begun and terms.meanwhile != "nobody" and (ends or moves)
        if not over and not lets_in:
            found.append(terms)
    return found


def _own(running: Snapshot, workload: Workload, node: Node, ask: Ask) -> set[int]:
    """Its devices that are reserved for this workload at this time."""
    every = [r.terms for r in running.stock.all("reservation") if isinstance(r, Reservation)]
    mine = [t for t in every if t not in _others(running, workload)]
    now = [t for t in mine if ask.at is not None and t.start <= ask.at < t.end]
    return {i for t in now for s in t.seats if s.node == node.id for i in s.accelerators}


def _beyond(running: Snapshot, workload: Workload, node: Node, ask: Ask) -> int:
    """How many of its devices would not be reserved ones, wherever on the node they are."""
    needed, joined = workload.contract.accelerators_per_replica, workload.contract.bandwidth
    usable, own = _usable(running, workload, node, ask), _own(running, workload, node, ask)
    if joined is not BandwidthClass.SAME_NVLINK_DOMAIN or needed < 2:
        return needed - min(needed, sum(a.index in own for a in usable))
    names = {a.nvlink_domain for a in usable} - {""}
    domains = [[a.index in own for a in usable if a.nvlink_domain == d] for d in names]
    return needed - max((min(needed, sum(d)) for d in domains if len(d) >= needed), default=0)


def _off_the_reserved(running: Snapshot, workload: Workload, node: Node, ask: Ask) -> bool:
    """Whether nobody is near who reserved a place and was promised the distance."""
    mine = running.facts.tenant[workload.tenant]
    for terms in _kept(running, workload, ask):
        level = _level(mine, running.facts.tenant.get(terms.tenant)) if terms.tenant != mine.id else 0
        for seat_ in terms.seats:
            same_rack = running.rack_of(seat_.node) == running.rack_of(node.id)
            there = running.node(seat_.node) is not None
            if there and ((level >= 1 and seat_.node == node.id) or (level >= 2 and same_rack)):
                return False
    return True


def _powered(running: Snapshot, workload: Workload, node: Node) -> bool:
    drawn, budget = _after(running, workload, node)
    return drawn <= budget


def _kept_on(running: Snapshot, workload: Workload, node: Node, ask: Ask) -> set[int]:
    """Its devices that are reserved for somebody else."""
    return {i for t in _kept(running, workload, ask) for s in t.seats if s.node == node.id for i in s.accelerators}


def free(running: Snapshot, node: Node) -> list[int]:
    """The devices of a node that nobody holds and that work."""
    taken = running.taken(node.id)
    return [a.index for a in node.accelerators if a.health is Health.HEALTHY and a.index not in taken]


def _free(running: Snapshot, node: Node, workload: Workload, ask: Ask) -> list[int]:
    taken = running.taken(node.id) | _kept_on(running, workload, node, ask)
    return [a.index for a in node.accelerators if a.health is Health.HEALTHY and a.index not in taken]


def _equipped(running: Snapshot, workload: Workload, node: Node) -> bool:
    """Processors and memory beside what pods request, and everything installed that must be."""
    contract = workload.contract
    here = [w.contract for w in running.workloads_on(node.id) for _ in w.on(node.id)]
    cpu = sum(c.millicores for c in here) + node.other_millicores + contract.millicores
    memory = sum(c.host_mebibytes for c in here) + node.other_mebibytes + contract.host_mebibytes
    if contract.millicores and node.millicores is not None and cpu > node.millicores:
        return False
    if contract.host_mebibytes and node.allots_mebibytes is not None and memory > node.allots_mebibytes:
        return False
    return all(
        any(s.name == r.name and _dotted(s.version) >= _dotted(r.at_least) for s in node.software)
        for r in contract.software
    )


def _dotted(version: str) -> list[int]:
    return [int(p) for p in version.split("-", maxsplit=1)[0].split(".")]


def _holders(running: Snapshot, node: Node, index: int) -> list[Workload]:
    """Who holds a device, once for each replica that does."""
    return [w for w in running.workloads_on(node.id) for b in w.on(node.id) if index in b.accelerators]


def milli(running: Snapshot, node: Node, index: int) -> int:
    """Thousandths of a device that nobody holds."""
    (device,) = [a for a in node.accelerators if a.index == index]
    held = sum(w.contract.share or 1000 for w in _holders(running, node, index))
    return max(1000 - held, 0) if device.health is Health.HEALTHY else 0


def _open(running: Snapshot, workload: Workload, node: Node, ask: Ask) -> list[int]:
    """Devices that one more replica could hold, or a share of, were they of its kind."""
    share = workload.contract.share
    if share is None:
        return _free(running, node, workload, ask)
    kept = _kept_on(running, workload, node, ask)
    fitting = [a.index for a in node.accelerators if milli(running, node, a.index) >= share and a.index not in kept]
    return [i for i in fitting if {w.tenant for w in _holders(running, node, i)} <= {workload.tenant}]


def _seats(running: Snapshot, workload: Workload, node: Node, ask: Ask) -> int:
    """How many devices, or shares of the asked size, the node has to give."""
    share = workload.contract.share
    if share is None:
        return len(_free(running, node, workload, ask))
    return sum(milli(running, node, i) // share for i in _open(running, workload, node, ask))


def _usable(running: Snapshot, workload: Workload, node: Node, ask: Ask) -> list[Accelerator]:
    contract, open_ = workload.contract, _open(running, workload, node, ask)
    return [
        a
        for a in node.accelerators
        if a.index in open_
        and a.memory_mebibytes >= contract.memory_mebibytes
        and (not contract.models or a.model in contract.models)
        and (not contract.vendors or a.vendor in (None, *contract.vendors))
        and a.cut == contract.profile
        and (contract.share is None or a.sharing is not None)
        and (a.power_limit_watts or 0) >= contract.limit_watts
    ]


def _pick(running: Snapshot, workload: Workload, node: Node, ask: Ask) -> tuple[int, ...] | None:
    usable, own = _usable(running, workload, node, ask), _own(running, workload, node, ask)
    parts = [_part(workload, a) for a in node.accelerators]
    order = list(dict.fromkeys(p for p in parts if p is not None))
    groups = [[a for a in usable if _part(workload, a) == p] for p in order] if workload.contract.locality else [usable]
    needed = workload.contract.accelerators_per_replica
    mine = [min(needed, sum(a.index in own for a in g)) for g in groups]
    found = [(-mine[n], len(g), n, _within(running, workload, node, g, own)) for n, g in enumerate(groups)]
    fitting = [f for f in found if f[3] is not None and _serves(running, workload, node, order[f[2]] if order else "")]
    return min(fitting)[3] if fitting else None


def _part(workload: Workload, thing: Accelerator | Nic) -> object:
    """The part of the node that it is in; None where nobody tells."""
    if workload.contract.locality is None:
        return "node"
    return thing.numa_node if workload.contract.locality is Locality.NUMA else thing.pcie_switch or None


def _serves(running: Snapshot, workload: Workload, node: Node, part: object) -> bool:
    """Whether that part has the processors, memory and rails for one more, beside those with devices in it."""
    contract, part = workload.contract, part if workload.contract.locality else "node"
    numa = next((n for n in node.numa_nodes if n.index == part), None) if contract.locality is Locality.NUMA else None
    cpu = None if numa is None else numa.cpus * 1000
    memory = None if numa is None else int(numa.memory_mebibytes)
    ports = [n for n in node.nics if n.use is NicUse.RDMA and n.state is LinkState.UP and _part(workload, n) == part]
    rails = sum(n.speed - (n.used or 0) >= contract.rail_speed for n in ports)
    homes = {a.index: _part(workload, a) for a in node.accelerators}
    for resident in running.workloads_on(node.id):
        for binding in resident.on(node.id):
            inside = sum(homes[i] == part for i in binding.accelerators) if contract.locality else 1
            share = Fraction(inside, max(len(binding.accelerators), 1) if contract.locality else 1)
            rails -= ceil(resident.contract.rails * share)
            cpu = None if cpu is None else cpu - ceil(resident.contract.millicores * share)
            memory = None if memory is None else memory - ceil(resident.contract.host_mebibytes * share)
    enough = (cpu is None or cpu >= contract.millicores) and (memory is None or memory >= contract.host_mebibytes)
    return enough and rails >= contract.rails


def _within(
    running: Snapshot, workload: Workload, node: Node, usable: list[Accelerator], own: set[int]
) -> tuple[int, ...] | None:
    """Devices out of these, those of its own first."""
    contract = workload.contract
    if contract.share is not None:
        spare = ((a.index not in own, milli(running, node, a.index), (a.index,)) for a in usable)
        return min(spare, default=(False, 0, None))[2]
    needed = contract.accelerators_per_replica
    domains: dict[str, list[int]] = {}
    for device in usable:
        if device.nvlink_domain:
            domains.setdefault(device.nvlink_domain, []).append(device.index)
    order = list(dict.fromkeys(a.nvlink_domain for a in node.accelerators if a.nvlink_domain))
    joined = contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN
    least = 0 if joined else min(needed, sum(a.index in own for a in usable))
    held = {name: len(own & {*d}) for name, d in domains.items()}
    fits = [name for name, d in domains.items() if len(d) >= needed and held[name] >= least]
    if fits:
        best = min(fits, key=lambda d: (-held[d], len(domains[d]), order.index(d)))
        return _first(domains[best], own, needed)
    if joined and needed > 1:
        return None
    return _first([a.index for a in usable], own, needed) if len(usable) >= needed else None


def _first(indexes: list[int], own: set[int], needed: int) -> tuple[int, ...]:
    return tuple(sorted(sorted(indexes, key=lambda i: (i not in own, i))[:needed]))


def _score(running: Snapshot, workload: Workload, node: Node, ask: Ask) -> tuple[int, int]:
    drawn, budget = _after(running, workload, node)
    left = len(_free(running, node, workload, ask)) - workload.contract.accelerators_per_replica
    if workload.contract.share is not None:
        left = sum(milli(running, node, a.index) for a in node.accelerators) - workload.contract.share
    return left, drawn * 1000 // max(budget, 1)
