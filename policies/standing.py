"""What is in force where a matter takes place: the sites, tenants and clusters concerned, their mode and freezes.

Pure. Gate and executor ask it before they decide; a proposer's own word for its site is only added, never trusted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from estate.changes import CopyWorkload
from estate.changes.kinds import tenants_on
from estate.conditions import Condition
from estate.effects import Step
from estate.ids import ClusterId, Digest, NodeId, SiteId, TenantId, WorkloadId
from estate.modes import Freeze, Mode
from estate.snapshots import Snapshot
from estate.things import ThingKind
from estate.workloads import Workload
from policies import objects, windows
from policies.bundle import Bundle
from policies.domains import Domain
from policies.forecasts import wanted
from policies.profiles import Profile
from policies.questions import Matter, Ratified, Standing
from policies.reliefs import Relief


class Controls(Protocol):
    """The signed freezes and modes in force (`policies.controls.Controls`)."""

    def freezes(self, site: SiteId | None, tenants: Iterable[TenantId]) -> tuple[Freeze, ...]:
        """The freezes that stand over the site or any of the tenants."""

    def mode(self, site: SiteId | None, tenants: Iterable[TenantId]) -> Mode:
        """The most cautious mode set for the site and the tenants."""

    def reliefs(self, now: datetime) -> tuple[Relief, ...]:
        """The exceptions and the broken glass in force."""

    def ratified(self, bundle: Digest, now: datetime) -> Ratified:
        """Whether people have signed those rules into force, and who wrote them."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Where a matter takes place, and whom it touches."""

    sites: tuple[SiteId, ...]
    tenants: tuple[TenantId, ...]
    clusters: frozenset[ClusterId]


def concern(matter: Matter, snapshot: Snapshot) -> Concern:
    """The sites, tenants and clusters that the steps touch, read off the snapshot and not off the proposal."""
    nodes = {n for s in matter.steps for n in _nodes(s, snapshot)}
    workloads = [w for s in matter.steps for w in _workloads(s, snapshot)]
    known = [n for name in nodes if (n := snapshot.node(name)) is not None]
    changes = tuple(s.change for s in matter.steps)
    clusters = (
        {n.cluster for n in known} | {w.cluster for w in workloads} | objects.clusters_of(snapshot.facts, changes)
    )
    clusters |= {c.to_cluster for c in changes if isinstance(c, CopyWorkload)}
    at = {site for n in nodes if (site := snapshot.site_of(n)) is not None}
    of = {c.site for name in clusters if (c := snapshot.facts.cluster.get(name)) is not None}
    beside = {t for n in nodes for t in tenants_on(snapshot, n)} if _on_nodes(matter) else set[TenantId]()
    holding = {t for c in changes if (t := objects.owner_of_change(snapshot.facts, c)) is not None}
    tenants = {w.tenant for w in workloads} | beside | holding | set(matter.for_tenants)
    return Concern(tuple(sorted({matter.site} | at | of)), tuple(sorted(tenants)), frozenset(clusters))


@dataclass(frozen=True, slots=True)
class Scene:
    """What else is known where a decision is made."""

    now: datetime
    law: Bundle
    in_flight: tuple[Step, ...] = ()
    executor_known: bool = True
    recent: Mapping[Domain, int] = field(default_factory=dict)
    at_once: Mapping[Domain, int] = field(default_factory=dict)

    @property
    def profile(self) -> Profile:
        """The numbers of the law."""
        return self.law.profile


def standing(matter: Matter, found: Concern, controls: Controls, scene: Scene) -> Standing:
    """All that is in force over everything concerned."""
    freezes, mode = in_force(found, controls)
    return Standing(
        mode=mode,
        freezes=freezes,
        in_flight=scene.in_flight,
        executor_known=scene.executor_known,
        recent=scene.recent,
        at_once=scene.at_once,
        windows_shut=windows.windows_shut(scene.profile, found.sites, found.tenants, scene.now),
        closures=windows.closures_shut(scene.profile, found.sites, found.tenants, scene.now),
        reliefs=tuple(r for r in controls.reliefs(scene.now) if _relieves(r, matter, found, scene.profile)),
        ratified=controls.ratified(scene.law.digest, scene.now),
    )


def in_force(found: Concern, controls: Controls) -> tuple[tuple[Freeze, ...], Mode]:
    """The freezes and the most cautious mode over everything concerned."""
    freezes = {f: None for site in found.sites for f in controls.freezes(site, found.tenants)}
    modes = [controls.mode(site, found.tenants) for site in found.sites]
    return tuple(freezes), max(modes, key=lambda m: m.caution)


def _relieves(relief: Relief, matter: Matter, found: Concern, profile: Profile) -> bool:
    """Whether its scope covers all that is concerned. Nobody's exception helps what is proposed for themselves."""
    scope = relief.scope
    site = scope.site is None or set(found.sites) == {scope.site}
    tenant = scope.tenant is None or set(found.tenants) == {scope.tenant}
    own = relief.rule is not None and matter.on_behalf_of in relief.by
    return site and tenant and not own and relief.lasts <= timedelta(days=profile.exceptions_last_days)


def _workloads(step: Step, snapshot: Snapshot) -> list[Workload]:
    """The workload that the step changes, and those of which it read something."""
    things = (step.change.target(), *(c.about for c in step.preconditions))
    names = {WorkloadId(t.id) for t in things if t.kind is ThingKind.WORKLOAD}
    return [w for name in sorted(names) if (w := snapshot.workload(name)) is not None]


def _on_nodes(matter: Matter) -> bool:
    return any(s.change.target().kind is ThingKind.NODE for s in matter.steps)


def _nodes(step: Step, snapshot: Snapshot) -> set[NodeId]:
    return {*wanted(snapshot, (step,)), *_targets(step.preconditions)}


def _targets(conditions: Iterable[Condition]) -> set[NodeId]:
    return {NodeId(c.about.id) for c in conditions if c.about.kind is ThingKind.NODE}
