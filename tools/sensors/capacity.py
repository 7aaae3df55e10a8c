"""`capacity.pressure`: work that waits, quotas nearly used up, and free devices that lie too scattered to be of use.

Sums over a tenant or a site are kept by what each change adds and takes. They are made anew when the estate is seen for
the first time, so that a restart cannot carry an error on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import ClassVar, Final

from pydantic import Field

from estate.evidence import Quantity
from estate.hardware import Health
from estate.ids import NodeId, SiteId, TenantId, WorkloadId
from estate.law.tenants import Quota
from estate.observations import PLACEMENT_AWAITED, EventType, Severity, Whereabouts
from estate.records import Model
from estate.references import Ref, read_ref
from estate.snapshots import Snapshot
from estate.units import Seconds
from estate.workloads import Workload
from tools.sensors import places
from tools.sensors.alarms import Hold
from tools.sensors.levels import rising, wrong
from tools.sensors.port import Condition, Judged, Part, Seen, Sensor, Stimulus

_SINCE: Final = "since"


class Sums(Model):
    """What is remembered of a tenant (devices in use), a site (nodes by free devices, waiting replicas by size), or a
    workload that Placet holds back (since when, in seconds of the epoch).
    """

    of: dict[str, int] = Field(default_factory=dict)

    def having(self, word: str) -> dict[int, int]:
        """The sums of one sort by their number: `free/4` is how many nodes have four devices free."""
        found = (name.partition("/") for name, amount in self.of.items() if amount > 0)
        return {int(number): self.of[f"{sort}/{number}"] for sort, _, number in found if sort == word}


class Capacity(Sensor[Sums]):
    """Thresholds of waiting, quotas and fragmentation."""

    tells: ClassVar[EventType] = EventType.CAPACITY_PRESSURE
    remembers: ClassVar[type[Model]] = Sums

    pending_after_seconds: Seconds = Seconds(600)
    clear_after_seconds: Seconds = Seconds(120)
    placement_after_seconds: Seconds = Seconds(2)
    """How long what Placet's gate holds back may still grow before a place is asked for it."""
    placement_again_seconds: Seconds = Seconds(300)
    """How long it waits in vain before a place is asked for again; then twice as long, and so on."""
    quota_raise_above: int = Field(default=950, ge=1, le=2000)
    """Thousandths of a quota."""
    quota_clear_below: int = Field(default=900, ge=0, le=2000)
    quota_after_seconds: Seconds = Seconds(60)

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        homes = {NodeId(n) for n in seen.change.nodes}
        for name in map(WorkloadId, seen.change.workloads):
            before, after = seen.before.workload(name), seen.after.workload(name)
            yield f"workload/{name}", None
            yield from _asked(seen, before, after)
            yield from _used(seen, before, after)
            homes.update(b.node for w in (before, after) if w is not None for b in w.bindings)
        for node in sorted(homes):
            for snapshot, sign in ((seen.before, -1), (seen.after, 1)):
                if (site := snapshot.site_of(node)) is not None and (free := _free(snapshot, node)):
                    yield f"site/{site}", Part(f"free/{free}", sign)

    def judge(self, subject: str, memory: Sums | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Sums]:
        about = read_ref(subject)
        if about.kind == "workload":
            return self._pending(seen.after.workload(WorkloadId(about.id)), memory, seen.now)
        totals = Counter(memory.of if memory is not None and not seen.first else {})
        for part in stimuli:
            assert isinstance(part, Part)
            totals[part.name] += part.amount
        sums = Sums(of={name: amount for name, amount in totals.items() if amount})
        if about.kind == "site":
            return Judged(sums, (self._scattered(about, sums),))
        return Judged(sums, tuple(self._quotas(TenantId(about.id), sums, seen.after)))

    def _pending(self, workload: Workload | None, memory: Sums | None, now: datetime) -> Judged[Sums]:
        if workload is None:
            return Judged()
        pressed = self._pressed(workload)
        if not (workload.gated and len(workload.bindings) < workload.replicas):
            return Judged(None, (pressed,))
        began = memory.of.get(_SINCE) if memory is not None else None
        since = int(now.timestamp()) if began is None else began
        asked = _asked_before(int(now.timestamp()) - since, self.placement_again_seconds)
        due = since + (2 ** (asked + 1) - 1) * self.placement_again_seconds
        conditions = pressed, self._held_back(workload, asked)
        return Judged(Sums(of={_SINCE: since}), conditions, datetime.fromtimestamp(due, UTC))

    def _held_back(self, workload: Workload, asked: int) -> Condition:
        """Placet's own gate is on it: nobody else ends its waiting. Each asking is an alarm of its own."""
        waiting, name = workload.replicas - len(workload.bindings), f"workload/{workload.id}"
        return Condition(
            name=f"placement/{asked}",
            level=wrong(True),
            hold=Hold.seconds(self.placement_after_seconds, Seconds(0)),
            severity=Severity.WARNING,
            message=f"{waiting} of {workload.replicas} replicas of {name} wait for Placet to place them",
            code=PLACEMENT_AWAITED,
            whereabouts=places.of_workload(workload),
            values=(Quantity(name="waiting", value=waiting, unit="1"), Quantity(name="asked", value=asked, unit="1")),
            thresholds=(Quantity(name="placement-after", value=self.placement_after_seconds, unit="s"),),
            window_seconds=self.placement_after_seconds,
        )

    def _pressed(self, workload: Workload) -> Condition:
        waiting = workload.replicas - len(workload.bindings)
        size = workload.contract.accelerators_per_replica
        return Condition(
            name="pending",
            level=wrong(waiting > 0),
            hold=Hold.seconds(self.pending_after_seconds, self.clear_after_seconds),
            severity=Severity.WARNING,
            message=f"{waiting} of {workload.replicas} replicas of workload/{workload.id} wait for a node",
            code="capacity-pending",
            whereabouts=places.of_workload(workload),
            values=(
                Quantity(name="pending", value=waiting, unit="1"),
                Quantity(name="accelerators-per-replica", value=size, unit="1"),
            ),
            thresholds=(Quantity(name="pending-after", value=self.pending_after_seconds, unit="s"),),
            window_seconds=self.pending_after_seconds,
        )

    def _scattered(self, site: Ref, sums: Sums) -> Condition:
        """Some replica waits that all free devices together could hold, and no node alone."""
        free, waiting = sums.having("free"), sums.having("waits")
        total, most = sum(n * nodes for n, nodes in free.items()), max(free, default=0)
        stuck = [size for size in waiting if most < size <= total]
        return Condition(
            name="fragmented",
            level=wrong(bool(stuck)),
            hold=Hold.seconds(self.pending_after_seconds, self.clear_after_seconds),
            severity=Severity.WARNING,
            message=f"{total} accelerators are free at {site}, no node has more than {most}, and a replica waits",
            code="capacity-fragmented",
            whereabouts=Whereabouts(site=site.id),
            values=(
                Quantity(name="free", value=total, unit="1"),
                Quantity(name="free-on-one-node", value=most, unit="1"),
                Quantity(name="asked-by-replica", value=min(stuck, default=0), unit="1"),
            ),
            thresholds=(Quantity(name="pending-after", value=self.pending_after_seconds, unit="s"),),
            window_seconds=self.pending_after_seconds,
        )

    def _quotas(self, tenant: TenantId, sums: Sums, snapshot: Snapshot) -> Iterator[Condition]:
        known = snapshot.facts.tenant.get(tenant)
        for quota in known.quotas if known is not None else ():
            if quota.accelerators is not None:
                yield self._quota(tenant, quota, sums.of.get(_scope(quota.site, quota.model), 0), snapshot)

    def _quota(self, tenant: TenantId, quota: Quota, used: int, snapshot: Snapshot) -> Condition:
        limit, scope = int(quota.accelerators or 0), _scope(quota.site, quota.model)
        site = quota.site or next((s.id for s in snapshot.facts.sites), SiteId(""))
        return Condition(
            name=f"quota/{scope}",
            level=rising(used * 1_000_000, limit * self.quota_raise_above, limit * self.quota_clear_below),
            hold=Hold.seconds(self.quota_after_seconds, self.clear_after_seconds),
            severity=Severity.WARNING,
            message=f"tenant/{tenant} uses {used} accelerators of {limit / 1000:g} ({scope})",
            code="capacity-quota",
            whereabouts=Whereabouts(site=site),
            values=(Quantity(name="used", value=used * 1000, unit="1/1000"),),
            thresholds=(
                Quantity(name="quota", value=limit, unit="1/1000"),
                Quantity(name="raise-above", value=limit * self.quota_raise_above // 1000, unit="1/1000"),
                Quantity(name="clear-below", value=limit * self.quota_clear_below // 1000, unit="1/1000"),
            ),
            window_seconds=self.quota_after_seconds,
        )


def _asked_before(waited: int, period: int) -> int:
    """How often it was asked for a place: at once, after one period, after two more, after four more."""
    return (max(waited, 0) // max(period, 1) + 1).bit_length() - 1


def _free(snapshot: Snapshot, name: NodeId) -> int:
    """Devices that could take work now."""
    node = snapshot.node(name)
    if node is None or node.fenced or node.health is not Health.HEALTHY:
        return 0
    taken = snapshot.taken(name)
    return sum(1 for a in node.accelerators if a.health is Health.HEALTHY and a.index not in taken)


def _asked(seen: Seen, before: Workload | None, after: Workload | None) -> Iterator[tuple[str, Part]]:
    """Replicas that wait, at the site of their cluster."""
    for workload, sign in ((before, -1), (after, 1)):
        waiting = workload.replicas - len(workload.bindings) if workload is not None else 0
        cluster = seen.after.facts.cluster.get(workload.cluster) if workload is not None else None
        if workload is not None and cluster is not None and waiting > 0:
            size = workload.contract.accelerators_per_replica
            yield f"site/{cluster.site}", Part(f"waits/{size}", sign * waiting)


def _used(seen: Seen, before: Workload | None, after: Workload | None) -> Iterator[tuple[str, Part]]:
    """Devices in use, of the tenant and of all above it that have a quota."""
    for snapshot, workload, sign in ((seen.before, before, -1), (seen.after, after, 1)):
        payers = tuple(_payers(seen.after, workload.tenant)) if workload is not None else ()
        for binding in workload.bindings if workload is not None and payers else ():
            for scope, count in _scopes(snapshot, binding.node, binding.accelerators).items():
                yield from ((f"tenant/{tenant}", Part(scope, sign * count)) for tenant in payers)


def _payers(snapshot: Snapshot, tenant: TenantId) -> Iterator[TenantId]:
    name: TenantId | None = tenant
    while name is not None and (known := snapshot.facts.tenant.get(name)) is not None:
        if known.quotas:
            yield name
        name = known.parent


def _scopes(snapshot: Snapshot, node: NodeId, held: tuple[int, ...]) -> Counter[str]:
    """How many of the devices count towards each scope that a quota may have."""
    known, site = snapshot.node(node), snapshot.site_of(node)
    models = {a.index: a.model for a in known.accelerators} if known is not None else {}
    found = Counter[str]()
    for index in held:
        model = models.get(index, "")
        found.update({_scope(s, m) for s in (None, site) for m in ("", model)})
    return found


def _scope(site: SiteId | None, model: str) -> str:
    return f"{site or 'everywhere'}/{model or 'any'}"
