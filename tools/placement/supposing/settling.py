"""`suppose`: (snapshot, suppositions) → what would be otherwise. Pure: no snapshot is written, and nothing is told.

Called by the door, the CLI and the catalogue. Whatever stops, or stands unlawfully under the supposed law, is given
another home if there is one, the promised first; so the answer names the placements that would change, and who would
have none. It is foresight and no verdict: what a change may do, the gate decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from estate import gangs
from estate.errors import BadInput
from estate.hardware import Health
from estate.ids import ClusterId, NodeId, TenantId, WorkloadId
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload
from tools.placement.assurance import domains
from tools.placement.assurance.promises import promised
from tools.placement.port import Ask, Engine, NoPlacement
from tools.placement.supposing import differing
from tools.placement.supposing.outcomes import Outcome, Stranded
from tools.placement.supposing.suppositions import (
    AddNodes,
    Grow,
    Lose,
    MoveWork,
    SetBudget,
    SetCap,
    SetFacts,
    SetQuota,
    Supposition,
)


@dataclass(slots=True)
class Settling:
    """The estate as it would be, so far."""

    engine: Engine
    now: datetime
    base: Snapshot
    """As it is."""
    estate: Snapshot
    waiting: dict[WorkloadId, tuple[int, ...]] = field(default_factory=dict)
    """Replicas that want a home."""
    where: dict[WorkloadId, MoveWork] = field(default_factory=dict)
    payers: set[TenantId] = field(default_factory=set)
    """Of whom another quota is supposed."""
    stopped: int = 0

    def take(self, supposed: Supposition) -> None:
        """Suppose one thing more."""
        match supposed:
            case Lose():
                self._lose(supposed)
            case MoveWork():
                self._move(supposed)
            case Grow():
                self._grow(supposed)
            case AddNodes():
                self.estate = supposed.apply(self.estate, self.base)
            case SetQuota():
                self.payers.add(supposed.tenant)
                self.estate = supposed.apply(self.estate)
            case SetBudget() | SetCap() | SetFacts():
                self.estate = supposed.apply(self.estate)
            case _:
                assert_never(supposed)

    def want(self, name: WorkloadId, replicas: Iterable[int]) -> None:
        """These replicas look for another home."""
        self.waiting[name] = tuple(sorted({*self.waiting.get(name, ()), *replicas}))

    def settle(self) -> Iterator[Stranded]:
        """A home for each that looks for one, the promised and the large first; those who find none."""
        for name in sorted(self.waiting, key=self._order):
            workload = self._workload(name)
            answer = self.engine.place(self.estate, self._ask(workload, self.waiting[name]))
            if isinstance(answer, NoPlacement):
                if name not in self.where:
                    gone = [b for b in workload.bindings if b.replica in self.waiting[name]]
                    self.estate = self.estate.with_workload(workload.without(gone))
                yield Stranded(
                    workload=name,
                    tenant=workload.tenant,
                    promised=promised(self.estate, workload, self.now),
                    replicas=self.waiting[name],
                    reasons=tuple(f"{r.nodes} nodes: {r.constraint} ({r.found})" for r in answer.refused[:4]),
                    nearest=answer.nearest,
                )
            else:
                self.estate = self.estate.with_workload(self._seated(workload, answer.bindings))

    def _lose(self, supposed: Lose) -> None:
        lost = domains.nodes_in(self.estate, Ref(domains.sort_of(supposed.domain.kind).value, supposed.domain.id))
        leaving: dict[WorkloadId, list[Binding]] = {}
        for node in lost:
            for workload in self.estate.workloads_on(node):
                leaving.setdefault(workload.id, []).extend(workload.on(node))
        for name, bindings in gangs.together(self.estate, leaving).items():
            self.stopped += len(bindings)
            self.want(name, (b.replica for b in bindings))
        for name, gone in leaving.items():
            self.estate = self.estate.with_workload(self._workload(name).without(gone))
        for node in lost:
            if (found := self.estate.node(node)) is not None:
                # Without devices, so that nobody is told to repair what is supposed to be lost.
                gone_node = found.model_copy(update={"health": Health.FAILED, "accelerators": ()})
                self.estate = self.estate.with_node(gone_node)

    def _move(self, supposed: MoveWork) -> None:
        workload, facts = self._workload(supposed.workload), self.estate.facts
        for field_name, name, known in (("site", supposed.site, facts.site), ("rack", supposed.rack, facts.rack)):
            if name is not None and name not in known:
                raise BadInput(f"{field_name}: no {field_name} `{name}`; there are {', '.join(sorted(known)[:12])}")
        self.where[workload.id] = supposed
        self.want(workload.id, range(workload.replicas))

    def _grow(self, supposed: Grow) -> None:
        workload = self._workload(supposed.workload)
        kept = tuple(b for b in workload.bindings if b.replica < supposed.replicas)
        self.stopped += len(workload.bindings) - len(kept)
        self.estate = self.estate.with_workload(
            workload.model_copy(update={"replicas": supposed.replicas, "bindings": kept})
        )
        added = range(workload.replicas, supposed.replicas)
        if added:
            self.want(workload.id, added)

    def _workload(self, name: WorkloadId) -> Workload:
        found = self.estate.workload(name)
        if found is None:
            raise BadInput(f"workload: no workload `{name}`; see `placet get workloads`")
        return found

    def _order(self, name: WorkloadId) -> tuple[bool, int, int, str]:
        workload = self._workload(name)
        size = workload.contract.accelerators_per_replica
        return (not promised(self.estate, workload, self.now), -size, -workload.replicas, name)

    def _ask(self, workload: Workload, replicas: tuple[int, ...]) -> Ask:
        goal, facts = self.where.get(workload.id), self.estate.facts
        if goal is None:
            return Ask(workload.id, replicas, at=self.now)
        sites = (goal.site,) if goal.site else (facts.rack[goal.rack].site,) if goal.rack else ()
        avoid = {b.node for b in workload.bindings} if not sites else set[NodeId]()
        if goal.rack is not None:
            meant = set(facts.rack[goal.rack].nodes)
            avoid |= {n for r in facts.racks_at[facts.rack[goal.rack].site] for n in facts.rack[r].nodes} - meant
        return Ask(workload.id, replicas, sites, frozenset(avoid), self.now)

    def _seated(self, workload: Workload, bindings: tuple[Binding, ...]) -> Workload:
        moving = {b.replica for b in bindings}
        kept = tuple(b for b in workload.bindings if b.replica not in moving)
        first = self.estate.node(bindings[0].node) if bindings else None
        cluster = first.cluster if first is not None else ClusterId(workload.cluster)
        seats = tuple(sorted((*kept, *bindings), key=lambda b: b.replica))
        return workload.model_copy(update={"bindings": seats, "cluster": cluster})


def suppose(snapshot: Snapshot, supposed: Iterable[Supposition], engine: Engine, now: datetime) -> Outcome:
    """What would be otherwise if these things were so, in this order.

    Raises:
        BadInput: something supposed is about a thing that is not there.
    """
    would = Settling(engine, now, snapshot, snapshot)
    for one in supposed:
        would.take(one)
    broken = tuple(differing.unlawful(snapshot, would.estate, now))
    for row in broken:
        found = would.estate.workload(row.workload)
        would.want(row.workload, (b.replica for b in found.bindings if b.node in row.nodes) if found else ())
    homeless = tuple(would.settle())
    return Outcome(
        snapshot=str(snapshot.version),
        stopped=would.stopped,
        unlawful=broken,
        unpowered=tuple(differing.unpowered(snapshot, would.estate)),
        homeless=homeless,
        moved=tuple(differing.moved(snapshot, would.estate)),
        over_quota=tuple(differing.over_quota(snapshot, would.estate)),
        fits=tuple(differing.fits(engine, snapshot, would.estate, would.payers, now)),
        free_accelerators=differing.free(would.estate),
        free_accelerators_now=differing.free(snapshot),
    )
