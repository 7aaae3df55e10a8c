"""What tenants may hold at most, by whom that is said, and how much of it is used: the one reading of a quota. Pure.

The gate (`levels`), placement, what-if questions and reports share it, so that none offers what another forbids. It
decides nothing: what goes beyond a quota is rule `tenant-quota`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from estate import reserving
from estate.ids import SiteId, TenantId
from estate.law import Facts, Quota
from estate.snapshots import Snapshot
from policies import holdings
from policies.holdings import Held, Holdings, Keeper
from policies.profiles import Ceiling

UNBOUNDED: Final = 10**12
"""The most of what nobody bounds."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A quota of a tenant, or a ceiling of the house for it: on what it and all below it hold together."""

    tenant: TenantId
    quota: Quota

    @property
    def devices(self) -> int | None:
        """The most accelerators; None: any number."""
        return None if self.quota.accelerators is None else self.quota.accelerators // 1000

    @property
    def watts(self) -> int | None:
        """The most watts; None: any number."""
        return None if self.quota.watts is None else int(self.quota.watts)

    @property
    def everywhere(self) -> bool:
        """Whether it counts accelerators of every model at every site."""
        return self.quota.site is None and not self.quota.model

    @property
    def scope(self) -> str:
        """In short: `site/model`."""
        return f"{self.quota.site or 'everywhere'}/{self.quota.model or 'any'}"

    def covers(self, site: SiteId | str | None, model: str) -> bool:
        """Whether accelerators of that model at that site count towards it."""
        return self.quota.site in (None, site) and self.quota.model in ("", model)

    def left(self, used: Held) -> int:
        """Accelerators that are left of it; negative beyond it, and without end where it bounds none."""
        return UNBOUNDED if self.devices is None else self.devices - used.devices

    def exceeded(self, before: Held, after: Held) -> bool:
        """Whether `after` is beyond it, and no less so than `before`: as the rule has it."""
        devices = self.devices is not None and after.devices > max(self.devices, before.devices)
        return devices or (self.watts is not None and after.watts > max(self.watts, before.watts))

    def __str__(self) -> str:
        kind = "ceiling of the house for" if isinstance(self.quota, Ceiling) else "quota of"
        return f"{kind} `{self.tenant}`{f' {self.quota.scope}' if self.quota.scope else ''}"


def above(facts: Facts, tenants: Iterable[TenantId]) -> tuple[TenantId, ...]:
    """These tenants with everybody above them, by id; whom no fact knows is none."""
    found = set[TenantId]()
    for name in tenants:
        over: TenantId | None = name
        while over is not None and over in facts.tenant and over not in found:
            found.add(over)
            over = facts.tenant[over].parent
    return tuple(sorted(found))


def bounds(facts: Facts, tenants: Iterable[TenantId], ceilings: Sequence[Ceiling] = ()) -> Iterator[Bound]:
    """Everything that work of these tenants counts towards."""
    for tenant in above(facts, tenants):
        own = (c for c in ceilings if c.tenant in (None, tenant))
        yield from (Bound(tenant, quota) for quota in (*facts.tenant[tenant].quotas, *own))


def held(snapshot: Snapshot, bound: Bound, places: Callable[[], Holdings]) -> Held:
    """What replicas hold within it; `places` is asked only where it is of one site or model."""
    own = snapshot.facts.tenants_below[bound.tenant]
    if not bound.everywhere:
        return holdings.held(places(), own, bound.quota.site, bound.quota.model)
    return Held(sum(snapshot.tenant_devices(t) for t in own), sum(int(snapshot.tenant_watts(t)) for t in own))


def used(snapshot: Snapshot, bound: Bound, places: Callable[[], Holdings]) -> Held:
    """That, with what is reserved for them there and not in use yet."""
    kept = reserving.unused(snapshot, snapshot.facts.tenants_below[bound.tenant], bound.quota.site, bound.quota.model)
    now = held(snapshot, bound, places)
    return Held(now.devices + kept.devices, now.watts + kept.watts)


@dataclass(frozen=True, slots=True)
class Books:
    """What is held, kept current, and what the house adds to the facts."""

    keeper: Keeper = field(default_factory=Keeper)
    ceilings: tuple[Ceiling, ...] = ()

    def bounds(self, facts: Facts, tenant: TenantId) -> tuple[Bound, ...]:
        """What work of this tenant counts towards."""
        return tuple(bounds(facts, (tenant,), self.ceilings))

    def used(self, snapshot: Snapshot, bound: Bound) -> Held:
        """That, with what is reserved and not in use yet."""
        return used(snapshot, bound, lambda: self.keeper.of(snapshot))

    def supposed(self, snapshot: Snapshot, after: Snapshot, bound: Bound) -> Held:
        """What replicas would hold within it in what is supposed to come of `snapshot`."""
        return held(after, bound, lambda: self.keeper.beyond(snapshot, after)[0])

    def exceeded(self, before: Snapshot, after: Snapshot, tenants: Iterable[TenantId]) -> Iterator[tuple[Bound, Held]]:
        """What the gate would forbid of a change from one to the other, with what would be used."""
        for bound in bounds(before.facts, tenants, self.ceilings):
            now = used(after, bound, lambda: self.keeper.beyond(before, after)[0])
            if bound.exceeded(self.used(before, bound), now):
                yield bound, now

    def every(self, snapshot: Snapshot) -> Iterator[tuple[Bound, Held]]:
        """Every quota on accelerators in the facts, with what is used of it."""
        for tenant in snapshot.facts.tenants:
            for quota in tenant.quotas:
                if quota.accelerators is not None:
                    bound = Bound(tenant.id, quota)
                    yield bound, self.used(snapshot, bound)
