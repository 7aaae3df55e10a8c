"""Site → row → rack → node as one tree, each with what colours it: use, power, temperature, health, tenant, law.

Called by the door for `placet topology`, which draws it. Of a large estate the nodes may be left out: racks carry what
theirs add up to. Pure; `seen` says which racks and nodes a reader may know of, and nothing else is in the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from estate.fabrics.links import Link
from estate.facilities.cooling import Cdu
from estate.facilities.places import RackSpace
from estate.hardware import Health, Node
from estate.ids import NodeId, RackId, SiteId, TenantId
from estate.law import Rack
from estate.machines import LinkState
from estate.readings import Gauge
from estate.records import Model
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.units import MilliCelsius
from tools.views import withheld
from tools.views.measured import fresh
from tools.views.sums import Sums, Use, of_node, total

_SUMMED = ("nodes", "fenced", "accelerators", "taken", "free", "failed", "watts", "links_down")
_JOINED = (*_SUMMED, "reserved")
MOST_NODES = 2_000
"""Up to so many nodes a tree has them, unless it is asked otherwise."""


class Figures(Model):
    """What a place adds up to."""

    nodes: int
    fenced: int
    accelerators: int
    taken: int
    free: int
    """Kept for nobody."""
    reserved: int = 0
    """Kept free now for whoever reserved them."""
    failed: int
    watts: int
    links_down: int
    """Ports of machines that carry nothing; of a rack also the links of the leaves that serve it."""
    budget_watts: int | None = None
    coolant: MilliCelsius | None = None
    """Of the warmest coolant that comes back; null where nobody measures it."""
    hottest: MilliCelsius | None = None
    """Of the hottest device; null where none is measured, or not lately."""
    health: Health
    """The worst below."""
    tenants: dict[TenantId, int]
    """The devices that each holds here."""


class NodeCell(Model):
    """A node in its rack."""

    id: NodeId
    figures: Figures


class RackCell(Model):
    """A rack in its row."""

    id: RackId
    figures: Figures
    nodes: tuple[NodeCell, ...] = ()


class RowCell(Model):
    """A row of a site; an empty id: racks that no declaration puts into a row."""

    id: str
    racks: tuple[RackCell, ...]


class SiteCell(Model):
    """A site."""

    id: SiteId
    country: str
    figures: Figures
    rows: tuple[RowCell, ...]


class Topology(Model):
    """The tree, and which estate it shows."""

    version: str
    sites: tuple[SiteCell, ...]
    strays: int = 0
    """Nodes that no fact places."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of the tree is asked for, and who reads it."""

    site: SiteId | None = None
    rack: RackId | None = None
    nodes: bool | None = None
    """Whether nodes are in it; None: where there are not too many."""
    sees: Callable[[NodeId], bool] | None = None
    """None: everything."""
    tenants: frozenset[TenantId] | None = None
    """Whose shares may be told; None: everybody's."""
    now: datetime | None = None
    """For what is measured and reserved; None: nothing is."""
    idle: Mapping[NodeId, int] = field(default_factory=dict)
    """By node, what is kept free for tenants of whom the reader may be told; worked out by `topology`."""


def topology(sums: Sums, scope: Scope) -> Topology:
    """The tree of one snapshot."""
    facts, scope = sums.snapshot.facts, replace(scope, idle=withheld.devices(sums.snapshot, scope.now, scope.tenants))
    wanted = [r for r in facts.racks if scope.site in (None, r.site) and scope.rack in (None, r.id)]
    few = sum(len(r.nodes) for r in wanted) <= MOST_NODES
    deep = few if scope.nodes is None else scope.nodes
    cells = {r.id: _rack(sums, r, scope, deep=deep) for r in wanted if _shown(sums, r, scope)}
    sites = [_site(sums.snapshot, s, [r for r in wanted if r.site == s and r.id in cells], cells) for s in facts.site]
    strays = len(sums.strays) if scope.sees is None and scope.site is None and scope.rack is None else 0
    return Topology(
        version=str(sums.snapshot.version),
        sites=tuple(s for s in sites if s.rows or _asked_empty(scope, s.id)),
        strays=strays,
    )


def _asked_empty(scope: Scope, site: SiteId) -> bool:
    """A site without racks is shown to whoever sees everything."""
    return scope.sees is None and scope.rack is None and scope.site in (None, site)


def _shown(sums: Sums, rack: Rack, scope: Scope) -> bool:
    if scope.sees is None or scope.tenants is None:
        return True
    return not scope.tenants.isdisjoint(sums.racks[rack.id].tenants)


def _site(snapshot: Snapshot, site: SiteId, racks: list[Rack], cells: dict[RackId, RackCell]) -> SiteCell:
    rows: dict[str, list[tuple[int, RackCell]]] = {}
    for rack in racks:
        space = snapshot.stock.get(Ref("rack", rack.id))
        built = space if isinstance(space, RackSpace) else None
        row = built.row or "" if built else ""
        rows.setdefault(row, []).append((built.position or 0 if built else 0, cells[rack.id]))
    return SiteCell(
        id=site,
        country=snapshot.facts.site[site].country,
        figures=_joined([cells[r.id].figures for r in racks]),
        rows=tuple(
            RowCell(id=row, racks=tuple(c for _, c in sorted(found, key=lambda f: (f[0], _natural(f[1].id)))))
            for row, found in sorted(rows.items(), key=lambda f: _natural(f[0]))
        ),
    )


def _rack(sums: Sums, rack: Rack, scope: Scope, *, deep: bool) -> RackCell:
    snapshot, warm = sums.snapshot, coolant(sums.snapshot, rack.id)
    if scope.sees is None:
        budget, nodes = int(rack.power_budget_watts), snapshot.nodes_in(rack.id) if deep else ()
        figures = _figures(sums.racks[rack.id], scope, budget, warm, sum(scope.idle.get(n, 0) for n in rack.nodes))
    else:
        nodes = tuple(n for n in snapshot.nodes_in(rack.id) if scope.sees(n.id))
        kept = sum(scope.idle.get(n.id, 0) for n in nodes)
        figures = _figures(total(of_node(snapshot, n) for n in nodes), scope, None, None, kept)
    ordered = sorted(nodes if deep else (), key=lambda n: _natural(n.id))
    cells = tuple(_node(snapshot, n, scope, warm) for n in ordered)
    hot = max((c.figures.hottest for c in cells if c.figures.hottest is not None), default=None)
    down = figures.links_down + (_dark(snapshot, rack.id) if scope.sees is None else 0)
    return RackCell(id=rack.id, figures=figures.model_copy(update={"hottest": hot, "links_down": down}), nodes=cells)


def _dark(snapshot: Snapshot, rack: RackId) -> int:
    """How many links carry nothing of the switches that serve the rack."""
    space = snapshot.stock.get(Ref("rack", rack))
    leaves = [Ref("switch", leaf) for leaf in space.leaves] if isinstance(space, RackSpace) else []
    links = (snapshot.stock.get(ref) for leaf in leaves for ref in snapshot.stock.naming(leaf))
    return sum(isinstance(link, Link) and link.state is LinkState.DOWN for link in links)


def _node(snapshot: Snapshot, node: Node, scope: Scope, warm: MilliCelsius | None) -> NodeCell:
    cap = None if node.power_cap_watts is None else int(node.power_cap_watts)
    kept = scope.idle.get(node.id, 0)
    figures = _figures(of_node(snapshot, node), scope, cap, warm if scope.sees is None else None, kept)
    now = scope.now if scope.sees is None else None
    hot = fresh(snapshot, Ref("node", node.id), Gauge.TEMPERATURE, now) if now is not None else None
    return NodeCell(id=node.id, figures=figures.model_copy(update={"health": _worst(node), "hottest": hot}))


def _figures(use: Use, scope: Scope, budget: int | None, warm: MilliCelsius | None, kept: int) -> Figures:
    told = {t: n for t, n in sorted(use.tenants.items()) if scope.tenants is None or t in scope.tenants}
    sound = Health.DEGRADED if use.failed or use.unhealthy else Health.HEALTHY
    fields = {name: getattr(use, name) for name in _SUMMED} | {"free": use.free - kept, "reserved": kept}
    return Figures(**fields, budget_watts=budget, coolant=warm, health=sound, tenants=told)


def _joined(parts: Iterable[Figures]) -> Figures:
    found = list(parts)
    sums = {n: sum(getattr(f, n) for f in found) for n in _JOINED}
    tenants: dict[TenantId, int] = {}
    for figures in found:
        for tenant, held in figures.tenants.items():
            tenants[tenant] = tenants.get(tenant, 0) + held
    budgets = [f.budget_watts for f in found]
    budget = None if None in budgets else sum(b for b in budgets if b is not None)
    warmest = max((f.coolant for f in found if f.coolant is not None), default=None)
    hottest = max((f.hottest for f in found if f.hottest is not None), default=None)
    health = Health.DEGRADED if any(f.health is not Health.HEALTHY for f in found) else Health.HEALTHY
    return Figures(
        **sums,
        budget_watts=budget,
        coolant=warmest,
        hottest=hottest,
        health=health,
        tenants=dict(sorted(tenants.items())),
    )


def _worst(node: Node) -> Health:
    if node.health is not Health.HEALTHY:
        return node.health
    sound = all(a.health is Health.HEALTHY for a in node.accelerators)
    return Health.HEALTHY if sound else Health.DEGRADED


def coolant(snapshot: Snapshot, rack: RackId) -> MilliCelsius | None:
    """What comes back from the rack's coolant distribution, where somebody measures it."""
    space = snapshot.stock.get(Ref("rack", rack))
    cdus = (snapshot.stock.get(Ref("cdu", c)) for c in space.cdus) if isinstance(space, RackSpace) else ()
    warm = [c.returned for c in cdus if isinstance(c, Cdu) and c.returned is not None]
    return max(warm, default=None)


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """So that `r2` stands before `r10`."""
    parts: list[tuple[int, str]] = []
    digits = ""
    for char in f"{name}\0":
        if char.isdigit():
            digits += char
            continue
        if digits:
            parts.append((int(digits), ""))
            digits = ""
        parts.append((-1, char))
    return tuple(parts)
