"""Who uses most: nodes, racks, sites, tenants, devices. From kept sums; only what is shown is looked at closely."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from console.door.commands import Order, Ranked, Top
from console.door.sights import Reader
from console.door.views import Row
from estate.canonical import Json
from estate.hardware import Accelerator
from estate.ids import NodeId, RackId, TenantId
from estate.neighbours import accelerator
from estate.readings import Gauge, throttle_reasons
from estate.references import Ref
from estate.snapshots import Snapshot
from tools.views import measured
from tools.views.measured import AGE
from tools.views.sums import Load, Sums, Use
from tools.views.topologies import coolant


def top(reader: Reader, question: Top, now: datetime) -> list[Row]:
    """At most `limit` rows, the highest first, then by name. What is measured counts while it is new enough."""
    match question.what:
        case Ranked.NODES:
            return [_node(reader, n, now) for n in _nodes(reader, question, now)]
        case Ranked.DEVICES:
            found = (row for node in _nodes(reader, question, now) for row in _devices(reader, node, now))
            return [*islice(found, question.limit)]
        case Ranked.RACKS:
            rows: Iterator[Row] = (_rack(reader, r) for r in _racks(reader, question))
        case Ranked.SITES:
            rows = (_site(reader, s) for s in _sites(reader, question))
        case Ranked.TENANTS:
            rows = _tenants(reader, question)
    return _highest(rows, question)


def _highest(rows: Iterable[Row], question: Top) -> list[Row]:
    field = {Order.USE: "use_percent", Order.POWER: "watts", Order.TEMPERATURE: "coolant_celsius"}[question.by]
    return heapq.nsmallest(question.limit, rows, key=lambda row: (-_number(row.get(field)), str(row["name"])))


def _nodes(reader: Reader, question: Top, now: datetime) -> list[NodeId]:
    """The highest nodes; ranked by plain numbers, so that none is made but those that are shown."""
    sums = reader.sums
    warm = {r: coolant(sums.snapshot, r) for r in sums.racks} if question.by is Order.TEMPERATURE else {}

    def rank(entry: tuple[NodeId, Load]) -> tuple[float, str]:
        node, load = entry
        match question.by:
            case Order.USE:
                return (-load.taken / load.accelerators if load.accelerators else 0.0, node)
            case Order.POWER:
                return (-float(load.watts), node)
            case Order.TEMPERATURE:
                rack, hot = sums.snapshot.rack_of(node), measured.hottest(sums.snapshot, node, now)
                back = _celsius(warm.get(rack)) if rack else None
                return (-_number(hot if hot is not None else back), node)

    found = ((n, load) for n, load in sums.loads.items() if _wanted(reader, n, question))
    return [node for node, _ in heapq.nsmallest(question.limit, found, key=rank)]


def _wanted(reader: Reader, node: NodeId, question: Top) -> bool:
    placed = question.site is None or reader.sums.snapshot.site_of(node) == question.site
    return placed and reader.sees_node(node)


def _racks(reader: Reader, question: Top) -> Iterator[RackId]:
    sums = reader.sums
    seen = sums.racks if reader.sight.everything else sums.tenant_racks(reader.sight.tenants)
    return (r for r in seen if question.site in (None, sums.snapshot.facts.rack[r].site))


def _sites(reader: Reader, question: Top) -> list[Any]:
    facts = reader.sums.snapshot.facts
    seen = {facts.rack[r].site for r in _racks(reader, question)}
    return sorted(s for s in facts.site if s in seen or (reader.sight.everything and question.site in (None, s)))


def _node(reader: Reader, name: NodeId, now: datetime) -> Row:
    snapshot, load = reader.sums.snapshot, reader.sums.loads[name]
    rack = snapshot.rack_of(name)
    whole = reader.sight.everything
    return {
        "name": name,
        "site": snapshot.site_of(name) or "",
        "rack": rack or "",
        "taken": load.taken,
        "accelerators": load.accelerators,
        "use_percent": _percent(load.taken, load.accelerators),
        "watts": load.watts,
        "coolant_celsius": _celsius(coolant(snapshot, rack) if rack and whole else None),
        **_measured(snapshot, Ref("node", name), now, seen=whole),
        "workloads": [str(w.id) for w in snapshot.workloads_on(name) if reader.sight.of_tenant(w.tenant)],
    }


def _measured(snapshot: Snapshot, ref: Ref, now: datetime, *, seen: bool) -> Row:
    """What is measured: `celsius` of a node is of its hottest device, `drawn_watts` what a meter says."""
    found = measured.brief(snapshot, ref, now) if seen else {}
    return {"celsius": found.get("celsius"), "drawn_watts": found.get("watts"), "read_seconds_ago": found.get(AGE)}


def _devices(reader: Reader, name: NodeId, now: datetime) -> Iterator[Row]:
    snapshot = reader.sums.snapshot
    node = snapshot.node(name)
    held = {i: w for w in snapshot.workloads_on(name) for b in w.on(name) for i in b.accelerators}
    for device in node.accelerators if node is not None else ():
        work = held.get(device.index)
        seen = work is not None and reader.sight.of_tenant(work.tenant)
        if seen or reader.sight.everything:
            yield {
                "name": f"{name}/{device.index}",
                "model": device.model,
                "health": device.health.value,
                "use_percent": 100 if work is not None else 0,
                "watts": int(work.watts_per_accelerator) if work is not None else 0,
                "tenant": work.tenant if work is not None else "",
                "workload": work.id if work is not None else "",
                **_measured(snapshot, accelerator(name, device.index), now, seen=True),
                "throttled_by": _throttled(snapshot, name, device, now),
                "faults": [f.code for f in device.faults],
            }


def _throttled(snapshot: Snapshot, node: NodeId, device: Accelerator, now: datetime) -> list[Json]:
    """Why it runs slower than it could: as it is measured, else as its cluster says."""
    mask = measured.fresh(snapshot, accelerator(node, device.index), Gauge.THROTTLE, now)
    return [r.value for r in (device.throttled_by if mask is None else throttle_reasons(mask))]


def _rack(reader: Reader, name: RackId) -> Row:
    snapshot = reader.sums.snapshot
    rack, use = snapshot.facts.rack[name], reader.sums.racks[name]
    row: Row = {"name": name, "site": rack.site, **_of(use, reader)}
    if reader.sight.everything:
        row["budget_watts"] = int(rack.power_budget_watts)
        row["power_percent"] = _percent(use.watts, rack.power_budget_watts)
        row["coolant_celsius"] = _celsius(coolant(snapshot, name))
    return row


def _site(reader: Reader, name: Any) -> Row:
    sums = reader.sums
    use = sums.site(name)
    row: Row = {"name": name, "country": sums.snapshot.facts.site[name].country, **_of(use, reader)}
    if reader.sight.everything:
        racks = [sums.snapshot.facts.rack[r] for r in sums.snapshot.facts.racks_at.get(name, ())]
        row["budget_watts"] = sum(int(r.power_budget_watts) for r in racks)
        row["power_percent"] = _percent(use.watts, sum(r.power_budget_watts for r in racks))
        warm = [w for r in racks if (w := coolant(sums.snapshot, r.id)) is not None]
        row["coolant_celsius"] = _celsius(max(warm, default=None))
    return row


def _of(use: Use, reader: Reader) -> Row:
    """What a place adds up to; for people of a tenant only their own part."""
    if not reader.sight.everything:
        own = sum(use.tenants[t] for t in reader.sight.tenants if t in use.tenants)
        watts = sum(use.tenant_watts[t] for t in reader.sight.tenants if t in use.tenant_watts)
        return {"taken": own, "watts": watts}
    return {
        "nodes": use.nodes,
        "fenced": use.fenced,
        "taken": use.taken,
        "accelerators": use.accelerators,
        "use_percent": _percent(use.taken, use.accelerators),
        "failed": use.failed,
        "watts": use.watts,
    }


def _tenants(reader: Reader, question: Top) -> Iterator[Row]:
    sums, facts = reader.sums, reader.sums.snapshot.facts
    uses = [u for r, u in sums.racks.items() if question.site in (None, facts.rack[r].site)]
    everywhere = _whole(sums, uses, question)
    for tenant in facts.tenants:
        if reader.sight.of_tenant(tenant.id):
            held, watts = everywhere.tenants[tenant.id], everywhere.tenant_watts[tenant.id]
            yield {
                "name": tenant.id,
                "title": tenant.name,
                "taken": held,
                "use_percent": _percent(held, everywhere.accelerators) if reader.sight.everything else None,
                "watts": watts,
                "racks": sum(1 for u in uses if tenant.id in u.tenants),
                "quota": _quota(reader, tenant.id),
            }


def _whole(sums: Sums, uses: list[Use], question: Top) -> Use:
    whole = Use()
    for use in (*uses, *(sums.strays.values() if question.site is None else ())):
        whole.add(use)
    return whole


def _quota(reader: Reader, tenant: TenantId) -> int | None:
    quotas = reader.sums.snapshot.facts.tenant[tenant].quotas
    known = [q.accelerators // 1000 for q in quotas if q.accelerators is not None and not q.site and not q.model]
    return min(known, default=None)


def _percent(part: int, whole: int) -> int | None:
    return 100 * part // whole if whole else None


def _celsius(milli: int | None) -> int | None:
    return None if milli is None else milli // 1000


def _number(value: object) -> float:
    return float(value) if isinstance(value, int) else -1e9
