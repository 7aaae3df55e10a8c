"""What contracts promise beyond devices a second time, node by node in plain Python. Shares no code with the engine but
the estate's own questions, the axes of sovereignty, and the table of how often things fail."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import product

from estate.fabrics.links import Fabric, FabricSort, Link
from estate.fabrics.storage import Copy, Storage
from estate.facilities.places import SitePlan
from estate.facilities.power import Feed, Pdu, Redundancy, Ups
from estate.hardware import Node
from estate.ids import ClusterId, DatasetId, SiteId
from estate.itemkinds import State
from estate.machines import LinkState
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.terms import Supply
from estate.uses.offers import Price, Unit
from estate.workloads import Span, Workload, WorkloadKind
from policies import sovereignty
from policies.sovereignty import Bounds
from tests.placement import naive
from tools.placement.availabilities import UPTIMES
from tools.placement.port import Ask

NOBODY_KNOWS = 10**18


def refuses(running: Snapshot, workload: Workload, ask: Ask, node: Node, begun: bool) -> bool:
    """Whether the contract keeps one more replica off the node. `workload` has all replicas that are seated."""
    contract, site = workload.contract, running.site_of(node.id)
    if contract.fault:
        return True
    limits = (contract.ready_within, contract.data_cost_ceiling)
    brought = data(running, workload, site, ask.at)
    if any(limit is not None and found > limit for found, limit in zip(brought, limits, strict=True)):
        return True
    if contract.storage and _storage_left(running, node.cluster) < contract.storage:
        return True
    if contract.latency is not None and contract.users and _latency(running, contract.users, site) > contract.latency:
        return True
    if contract.supply is not None and not _supplied(running, node, contract.supply):
        return True
    late = _late(running, workload, ask, node, begun)
    return late or _dear(running, workload, ask, node) or _far(running, workload, node)


def aims(running: Snapshot, workload: Workload, ask: Ask, node: Node) -> tuple[int, ...]:
    """What its kind of work is after, on that node."""
    site = running.site_of(node.id)
    seconds = data(running, workload, site, ask.at)[0]
    match workload.kind:
        case WorkloadKind.TRAINING | WorkloadKind.FINE_TUNING:
            stated = any(p.run_time is not None for p in workload.contract.paces)
            return (_steps(running, workload, node), _lasts(running, workload, ask, node) if stated else seconds)
        case WorkloadKind.INFERENCE:
            return (seconds, _request(running, workload, ask, node))
        case _:
            free = len(naive.free(running, node))
            healthy = sum(a.health.value == "healthy" for a in node.accelerators)
            return (seconds, int(free == healthy > workload.contract.accelerators_per_replica))


def data(running: Snapshot, workload: Workload, site: SiteId | None, at: datetime | None) -> tuple[int, int]:
    """Seconds and micro-dollars until its data is at a site."""
    seconds = cost = 0
    for dataset in workload.datasets:
        lawful = _lawful(running, dataset)
        held = [(c, s) for c, s in _copies(running, dataset) if s.site in lawful]
        if any(s.site == site for _, s in held):
            continue
        ways = [_brought(running, c, s, site, at) for c, s in held] if site in lawful else []
        best = min(ways, default=(NOBODY_KNOWS, NOBODY_KNOWS))
        seconds, cost = seconds + best[0], cost + best[1]
    return min(seconds, NOBODY_KNOWS), min(cost, NOBODY_KNOWS)


def _copies(running: Snapshot, dataset: DatasetId) -> list[tuple[Copy, Storage]]:
    found = []
    for copy in running.stock.all("copy"):
        assert isinstance(copy, Copy)
        store = running.stock.get(Ref("storage", copy.storage))
        if copy.dataset == dataset and copy.complete and isinstance(store, Storage) and store.state is not State.FAILED:
            found.append((copy, store))
    return found


def _lawful(running: Snapshot, dataset: DatasetId) -> set[SiteId]:
    known = running.facts.dataset[dataset]
    bounds = Bounds(known.tenant, (dataset,))
    return {
        c.site
        for c in running.facts.clusters
        if all(a.holds for a in sovereignty.exposure_of(running.facts, bounds, c.id))
    }


def _brought(
    running: Snapshot, copy: Copy, store: Storage, site: SiteId | None, at: datetime | None
) -> tuple[int, int]:
    """Over the line between two sites: there are no more than two."""
    if copy.mebibytes is None:
        return NOBODY_KNOWS, NOBODY_KNOWS
    size = copy.mebibytes * 1024 * 1024
    lines = [k for k in _lines(running) if {e.of.id for e in k.ends} == {store.site, site}]
    free = max((max(k.capacity - (k.used if k.used is not None else k.capacity), 0) for k in lines), default=0)
    here = [s for s in running.stock.all("storage") if isinstance(s, Storage) and s.site == site]
    written = [s.written for s in here if s.written is not None and s.state is not State.FAILED]
    rates = [free, *([store.read * 8] if store.read is not None else []), *([max(written) * 8] if written else [])]
    seconds = -(-size * 8 // (min(rates) * 10**6)) if min(rates) else NOBODY_KNOWS
    return seconds, _egress(running, store.site, size, at)


def _egress(running: Snapshot, source: SiteId, size: int, at: datetime | None) -> int:
    prices = [p for p in running.stock.all("price") if isinstance(p, Price) and p.unit is Unit.EGRESS_GIGABYTE]
    here = [p.amount for p in prices if p.site in (None, source) and (at is None or p.valid_until > at)]
    return -(-size * max(here) // 10**9) if here else NOBODY_KNOWS


def _lines(running: Snapshot) -> list[Link]:
    found = []
    for link in running.stock.all("link"):
        assert isinstance(link, Link)
        fabric = running.stock.get(Ref("fabric", link.fabric))
        if isinstance(fabric, Fabric) and fabric.sort is FabricSort.WAN and link.state is LinkState.UP:
            found.append(link)
    return found


def _storage_left(running: Snapshot, cluster: ClusterId) -> int:
    """Of all storage that this cluster, or one that shares a storage with it, is served by."""
    group = {cluster}
    for _ in running.facts.clusters:
        for store in _stores(running):
            served = _served(running, store)
            group |= served if served & group else set()
    speed = sum(s.read or 0 for s in _stores(running) if _served(running, s) & group)
    used = sum(w.contract.storage * len(w.bindings) for w in running.workloads() if w.cluster in group)
    return speed - used


def _stores(running: Snapshot) -> list[Storage]:
    found = [s for s in running.stock.all("storage") if isinstance(s, Storage)]
    return [s for s in found if s.read is not None and s.state is not State.FAILED]


def _served(running: Snapshot, store: Storage) -> set[ClusterId]:
    at = {c.id for c in running.facts.clusters if c.site == store.site}
    return at & set(store.clusters) if store.clusters else at


def _latency(running: Snapshot, users: tuple[str, ...], site: SiteId | None) -> int:
    """Over all lines, by relaxing every one of them until nothing changes."""
    far = {f"site/{site}": 0}
    for _ in range(10):
        for link in _lines(running):
            one, other = (str(e.of) for e in link.ends)
            for near, end in ((one, other), (other, one)):
                if link.latency is not None and near in far:
                    far[end] = min(far.get(end, NOBODY_KNOWS), far[near] + link.latency)
    return max(_to(running, far, u) for u in users)


def _to(running: Snapshot, far: dict[str, int], users: str) -> int:
    direct = [far[name] for name in (f"site/{users}", f"region/{users}") if name in far]
    if direct:
        return min(direct)
    inside = [s for s in running.stock.all("site") if isinstance(s, SitePlan) and s.region == users]
    return max((far.get(f"site/{s.id}", NOBODY_KNOWS) for s in inside), default=NOBODY_KNOWS)


def _supplied(running: Snapshot, node: Node, wanted: Supply) -> bool:
    rack = running.rack_of(node.id)
    if rack is None:
        return False
    plugged = [p for p in running.stock.all("pdu") if isinstance(p, Pdu) and p.rack == rack]
    names = {running.facts.rack[rack].power_feed, *(p.feed for p in plugged if p.state is not State.FAILED)}
    feeds = [f for f in running.stock.all("feed") if isinstance(f, Feed) and f.id in names]
    behind = {u.id for u in running.stock.all("ups") if isinstance(u, Ups) and u.state is not State.FAILED}
    good = [f for f in feeds if f.state is not State.FAILED and f.ups in behind]
    doubled = any(_doubled(running, f.id) for f in good[:1])
    return bool(good) if wanted is Supply.BUFFERED else len(good) > 1 or doubled


def _doubled(running: Snapshot, name: str) -> bool:
    feed = running.stock.get(Ref("feed", name))
    if not isinstance(feed, Feed) or feed.redundancy is not Redundancy.TWO_N:
        return False
    partner = running.stock.get(Ref("feed", feed.partner or ""))
    return isinstance(partner, Feed) and partner.state is not State.FAILED


def price(running: Snapshot, workload: Workload, node: Node, at: datetime | None) -> int:
    """Micro-dollars an hour of a replica on its dearest devices there that would do."""
    contract, site = workload.contract, running.site_of(node.id)
    if not contract.accelerators_per_replica:
        return 0
    models = {a.model for a in node.accelerators if contract.accepts(a.model, _maker(running, a.model))}
    prices = [p for p in running.stock.all("price") if isinstance(p, Price) and p.unit is Unit.GPU_HOUR]
    prices = [p for p in prices if p.site in (None, site) and (at is None or p.valid_until > at)]
    dearest = []
    for model in models:
        exact = [p.amount for p in prices if p.model == model] or [p.amount for p in prices if not p.model]
        dearest.append(max(exact) if exact else NOBODY_KNOWS)
    each = max(dearest, default=NOBODY_KNOWS)
    return min(each * contract.accelerators_per_replica, NOBODY_KNOWS)


def _maker(running: Snapshot, model: str) -> object:
    return next((a.vendor for n in running.nodes() for a in n.accelerators if a.model == model and a.vendor), None)


def _dear(running: Snapshot, workload: Workload, ask: Ask, node: Node) -> bool:
    ceiling = workload.contract.cost_ceiling
    if ceiling is None or not workload.contract.accelerators_per_replica:
        return False
    known = {n.id: price(running, workload, n, ask.at) for n in running.nodes()}
    spent = sum(known[b.node] for b in workload.bindings if b.node in known)
    waiting = sum(r not in {b.replica for b in workload.bindings} for r in ask.replicas) - 1
    return known[node.id] > ceiling - spent - waiting * min(known.values())


def _run_time(running: Snapshot, workload: Workload, node: Node) -> int:
    contract = workload.contract
    models = {a.model for a in node.accelerators if contract.accepts(a.model, _maker(running, a.model))}
    paces = [contract.pace_on(m) for m in models] if contract.accelerators_per_replica else [contract.pace_on("")]
    times = [NOBODY_KNOWS if p is None or p.run_time is None else p.run_time for p in paces]
    return max(times, default=NOBODY_KNOWS)


def _lasts(running: Snapshot, workload: Workload, ask: Ask, node: Node) -> int:
    brought = data(running, workload, running.site_of(node.id), ask.at)[0]
    return min(_run_time(running, workload, node) + brought, NOBODY_KNOWS)


def _late(running: Snapshot, workload: Workload, ask: Ask, node: Node, begun: bool) -> bool:
    contract = workload.contract
    if contract.deadline is None or ask.at is None or begun or not any(p.run_time for p in contract.paces):
        return False
    lasts = _lasts(running, workload, ask, node)
    begins = max(ask.at, contract.start or ask.at)
    return lasts >= NOBODY_KNOWS or begins + timedelta(seconds=lasts) > contract.deadline


def _far(running: Snapshot, workload: Workload, node: Node) -> bool:
    stage = workload.contract.stage
    if stage is None:
        return False
    here = naive.span(running, node.id, stage.near)
    others = [w for n in stage.beside if (w := running.workload(n)) is not None]
    seats = [n for w in others for b in w.bindings if (n := running.node(b.node)) is not None]
    theirs = {naive.span(running, n.id, stage.near) for n in seats if n.health.value == "healthy"}
    return not here or (bool(theirs) and here not in theirs)


def _steps(running: Snapshot, workload: Workload, node: Node) -> int:
    others = [b.node for b in workload.bindings if running.node(b.node) is not None]
    if not others:
        return 0
    for steps, over in enumerate((Span.NODE, Span.RACK, Span.LEAF, Span.SITE)):
        domains = {naive.span(running, n, over) for n in (*others, node.id)}
        if len(domains) == 1 and domains != {""}:
            return steps
    return 4


def _request(running: Snapshot, workload: Workload, ask: Ask, node: Node) -> int:
    contract, hourly = workload.contract, price(running, workload, node, ask.at)
    models = {a.model for a in node.accelerators if contract.accepts(a.model, _maker(running, a.model))}
    everywhere = {a.model for n in running.nodes() for a in n.accelerators}
    stated = any((p := contract.pace_on(m)) is not None and p.items_per_hour for m in everywhere)
    if not stated or not contract.accelerators_per_replica:
        return hourly
    rates = [p.items_per_hour or 0 if (p := contract.pace_on(m)) is not None else 0 for m in models]
    slowest = min(rates, default=0)
    return NOBODY_KNOWS if hourly >= NOBODY_KNOWS or not slowest else hourly * 1000 // slowest


def permille(running: Snapshot, workload: Workload) -> int:
    """Of the time in which its promise is kept: every way in which domains may fail, one by one."""
    seats = [b.node for b in workload.bindings if running.node(b.node) is not None]
    within = {n: _domains(running, n) for n in seats}
    domains = sorted({d for around in within.values() for d in around})
    least = max(1, workload.contract.min_available)
    needed = max(1, least - max(0, workload.replicas - len(seats)))
    chance = 0.0
    for states in product((True, False), repeat=len(domains)):
        up = dict(zip(domains, states, strict=True))
        if sum(all(up[d] for d in within[n]) for n in seats) >= needed:
            weight = 1.0
            for (over, _), works in up.items():
                share = UPTIMES[Span(over)] / 10**6
                weight *= share if works else 1 - share
            chance += weight
    return int(chance * 1000 + 1e-9)


def _domains(running: Snapshot, node: str) -> list[tuple[str, str]]:
    named = [(over.value, naive.span(running, node, over)) for over in UPTIMES]
    site = naive.span(running, node, Span.SITE)
    spared = [(o, n) for o, n in named if n and not (o == "feed" and _doubled(running, n))]
    return [(over, f"{site}/{name}" if over == "feed" else name) for over, name in spared]


def layouts(workload: Workload) -> list[tuple[Span, int] | None]:
    """The caps that are tried, in order."""
    spare = max(1, workload.replicas - max(1, workload.contract.min_available))
    spans = (Span.NODE, Span.RACK, Span.FEED, Span.SITE)
    return [None, *((over, most) for most in dict.fromkeys((spare, 1)) for over in spans)]


def capped(running: Snapshot, workload: Workload, node: Node, cap: tuple[Span, int] | None) -> bool:
    """Whether the node's domain holds as many as it may."""
    if cap is None or workload.contract.availability is None:
        return False
    here = naive.span(running, node.id, cap[0])
    held = sum(naive.span(running, b.node, cap[0]) == here for b in workload.bindings if running.node(b.node))
    return not here or held >= cap[1]
