"""The law on what changes: which workloads may stand otherwise to the law than before, and what it says of each.

The sensors' watch keeps one `Watched` and shows it every delta. Nothing here looks through the fleet: what a change of
the estate may have made unlawful is found by what it names, what new facts may have by `Class`, and what time may have
by when each judgement ends (`Judgement.until`). A whole estate, and many at once, are looked at by and by (`AT_ONCE`).

It holds no rule. Cedar and the kernel are asked, by the request that a move would make (`reviewing`); equal seats under
equal facts have equal answers, and are asked of once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

from estate.attachments import Attachment
from estate.ids import ClusterId, DatasetId, NodeId, TenantId, WorkloadId
from estate.law import Facts, Residency
from estate.snapshots import Snapshot
from estate.things import ThingKind
from estate.verdicts import Failure
from estate.workloads import Workload
from policies import attaching, completeness, lineages, neighbours, reviewing, sovereignty
from policies.attaching import Foreign
from policies.bundle import Bundle
from policies.neighbours import Beside
from policies.sovereignty import Bounds

AT_ONCE: Final = 500
"""Workloads that one look takes from those that wait."""


class Class(NamedTuple):
    """What facts are asked about a workload, wherever its replicas stand."""

    tenant: TenantId
    cluster: ClusterId
    namespace: str
    datasets: tuple[DatasetId, ...]
    attachments: tuple[Attachment, ...]
    residency: Residency | None

    @classmethod
    def of(cls, workload: Workload) -> Class:
        """The class of a workload."""
        residency = workload.contract.residency
        what = workload.datasets, workload.attachments
        return cls(workload.tenant, workload.cluster, workload.namespace, *what, residency)

    def foreign(self, facts: Facts) -> Foreign:
        """What its workloads may not be attached to, wherever their replicas stand."""
        return attaching.strange(facts, self.tenant, self.cluster, self.namespace, self.attachments)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the law says of a workload where it stands, and until when that cannot change by time alone."""

    failures: tuple[Failure, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the estate is to judge, and by whom."""

    touched: tuple[WorkloadId, ...]
    renewed: bool
    """Whether other facts are in force than at the look before."""
    watched: Watched

    def judge(self, name: WorkloadId, snapshot: Snapshot, now: datetime) -> Judgement:
        """What the law says of that workload."""
        return self.watched.judge(name, snapshot, now)


@dataclass(slots=True)
class Watched:
    """One estate under one law, kept up with its deltas. One task alone uses it."""

    bundle: Bundle
    _facts: Facts | None = None
    _members: defaultdict[Class, set[WorkloadId]] = field(default_factory=lambda: defaultdict(set))
    _answers: dict[Hashable, tuple[Failure, ...]] = field(default_factory=dict)
    _answers_until: datetime | None = None
    """When the first grant or instrument ends of those that the answers may rest on."""
    _waiting: dict[WorkloadId, None] = field(default_factory=dict)

    def look(
        self,
        before: Snapshot,
        after: Snapshot,
        workloads: Iterable[WorkloadId],
        nodes: Iterable[NodeId],
        now: datetime,
    ) -> Look:
        """What to judge now that the estate went from `before` to `after` by a change of these, or by time."""
        renewed = self._facts is None or self._facts.facts_digest != after.facts.facts_digest
        # New facts are shown with everything there is, which did not change: the index has it.
        again = renewed and self._facts is not None and before.version.sequence == 0
        touched = {} if again else dict.fromkeys(self._touched(before, after, workloads, nodes))
        if renewed:
            self._waiting |= dict.fromkeys(touched if self._facts is None else sorted({*self._renewed(after, now)}))
            touched = {}
            self._facts = after.facts
        if renewed or (self._answers_until is not None and now >= self._answers_until):
            self._forget_answers(after.facts, now)
        for name in tuple(islice(self._waiting, AT_ONCE)):
            del self._waiting[name]
            touched[name] = None
        return Look(tuple(touched), renewed, self)

    def judge(self, name: WorkloadId, snapshot: Snapshot, now: datetime) -> Judgement:
        """What the law says of that workload where it stands; nothing against one that runs nowhere."""
        workload = snapshot.workload(name)
        if workload is None or not workload.bindings:
            return Judgement()
        seat, until = _seat(workload, snapshot), _until(workload, snapshot.facts, now)
        known = self._answers.get(seat) if seat is not None else None
        if known is not None:
            about = f"{ThingKind.WORKLOAD.value}/{name}"
            return Judgement(tuple(f.model_copy(update={"about": about}) for f in known), until)
        failures = reviewing.stands(snapshot, self.bundle, now, name)
        if seat is not None:
            self._answers[seat] = failures
        return Judgement(failures, until)

    def _touched(
        self, before: Snapshot, after: Snapshot, workloads: Iterable[WorkloadId], nodes: Iterable[NodeId]
    ) -> Iterator[WorkloadId]:
        """Those that the law would read otherwise; the index follows them."""
        for name in workloads:
            was, stands = before.workload(name), after.workload(name)
            old, new = (Class.of(w) if w is not None else None for w in (was, stands))
            if old != new:
                self._reclassed(name, old, new)
            if old != new or _nodes(was) != _nodes(stands):
                yield name
        for node in nodes:
            was_there, is_there = before.node(node), after.node(node)
            if (was_there and was_there.cluster) != (is_there and is_there.cluster):
                yield from (w.id for w in after.workloads_on(node))

    def _reclassed(self, name: WorkloadId, old: Class | None, new: Class | None) -> None:
        if old is not None and (members := self._members.get(old)) is not None:
            members.discard(name)
            if not members:
                del self._members[old]
        if new is not None:
            self._members[new].add(name)

    def _renewed(self, after: Snapshot, now: datetime) -> Iterator[WorkloadId]:
        """Those of whom other facts say otherwise: of their class, their place, or who stands beside them."""
        old, new = self._facts, after.facts
        assert old is not None
        promised = {t for t in {*old.tenant, *new.tenant} if _promise(old, t) != _promise(new, t)}
        for kind, members in self._members.items():
            if _read(old, kind, now) != _read(new, kind, now):
                yield from members
            if kind.tenant in promised:
                yield from (w for name in members for w in _around(after, name))
        moved = (n for n in {*old.rack_of, *new.rack_of} if _place(old, n) != _place(new, n))
        yield from (w.id for node in moved for w in after.workloads_on(node))

    def _forget_answers(self, facts: Facts, now: datetime) -> None:
        self._answers.clear()
        ends = (*(g.valid_until for g in facts.grants), *(t.valid_until for d in facts.datasets for t in d.transfers))
        self._answers_until = min((end for end in ends if end > now), default=None)


def intrudes(workload: Workload, snapshot: Snapshot) -> bool:
    """Whether it stands where another tenant was promised to be alone, and is not only the one who was promised."""
    near = _beside(workload, snapshot)
    return bool(near.alone_on_node or near.alone_in_rack or near.alone_in_cluster or near.apart)


def _seat(workload: Workload, snapshot: Snapshot) -> Hashable:
    """Everything of it that tier 0 reads; None where what fails names a node, so that no other fails in those words."""
    for node in _nodes(workload):
        found = snapshot.node(node)
        if found is None or completeness.missing_place(snapshot.facts, found.cluster, node):
            return None
    joined = attaching.foreign(snapshot.facts, workload, _nodes(workload)).networks
    return Class.of(workload), _beside(workload, snapshot), joined


def _beside(workload: Workload, snapshot: Snapshot) -> Beside:
    return neighbours.beside(snapshot, workload, _nodes(workload))


def _nodes(workload: Workload | None) -> frozenset[NodeId]:
    return frozenset(b.node for b in workload.bindings) if workload is not None else frozenset()


def _until(workload: Workload, facts: Facts, now: datetime) -> datetime | None:
    """When the first grant or instrument ends that it rests on."""
    if not workload.datasets:
        return None
    ends = lineages.ends(facts, workload.tenant, workload.datasets)
    return min((end for end in ends if end > now), default=None)


def _read(facts: Facts, kind: Class, now: datetime) -> Hashable:
    """What a decision on a workload of that class reads of the facts, its place and its neighbours aside."""
    bounds = Bounds(kind.tenant, kind.datasets, kind.residency)
    known = kind.tenant in facts.tenant and all(d in facts.dataset for d in kind.datasets)
    return (
        known,
        facts.tenant_of.get((kind.cluster, kind.namespace)),
        sovereignty.exposure_of(facts, bounds, kind.cluster),
        lineages.ungranted(facts, kind.tenant, kind.datasets, kind.cluster, now),
        lineages.lapsed(facts, kind.datasets, sovereignty.reached(facts, kind.cluster), now),
        kind.foreign(facts),
        neighbours.alone_in(facts, kind.tenant, kind.cluster),
    )


def _promise(facts: Facts, name: TenantId) -> Hashable:
    tenant = facts.tenant.get(name)
    return (tenant.isolation, frozenset(tenant.apart_from)) if tenant is not None else None


def _around(snapshot: Snapshot, name: WorkloadId) -> Iterator[WorkloadId]:
    """Whoever stands in its racks."""
    workload = snapshot.workload(name)
    for node in _nodes(workload):
        rack = snapshot.rack_of(node)
        near = [n.id for n in snapshot.nodes_in(rack)] if rack is not None else [node]
        yield from (w.id for n in near for w in snapshot.workloads_on(n))


def _place(facts: Facts, node: NodeId) -> Hashable:
    rack = facts.rack_of.get(node)
    joined = facts.networks_on.get(node, ())
    return rack, facts.rack[rack].site if rack is not None else None, joined
