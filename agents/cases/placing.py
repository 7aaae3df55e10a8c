"""A plan's aims made into changes: the engine chooses devices, each on the estate that the change before leaves.

Pure. What the engine cannot place lawfully on its own account is left where it is, with the reasons; where a person
named the place, free devices there are claimed all the same, and the gate says what the law makes of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from agents.cases import moves, ordering, relocating, rereserving
from agents.cases.claiming import Where, claim
from agents.minds.plans import (
    Aim,
    Cap,
    Evacuate,
    FenceOff,
    Plan,
    Rehome,
    Relocate,
    Rescale,
    ReserveAgain,
    Restore,
    Seat,
    Setback,
    Unfence,
    Verbatim,
)
from estate.changes import (
    Change,
    CopyWorkload,
    CordonNode,
    EvictPod,
    MoveWorkload,
    RemoveWorkload,
    ReplicaMove,
    ScaleWorkload,
    SetPowerCap,
    UncordonNode,
)
from estate.effects import effect
from estate.ids import ClusterId, NodeId, SiteId
from estate.proposals import Evidence
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.workloads import Binding, Workload
from policies import remedies
from tools.kubernetes import naming
from tools.placement import breaches
from tools.placement.offering import explaining, recutting
from tools.placement.offering.cases import Case
from tools.placement.port import Ask, Engine, NoPlacement
from tools.placement.wishes import Wish

_SOURCE = "placement"


@dataclass(frozen=True, slots=True)
class Placed:
    """The changes of a plan in order, why these homes, and what found none."""

    changes: tuple[Change, ...]
    evidence: tuple[Evidence, ...] = ()
    unplaced: tuple[str, ...] = ()


def place(
    plan: Plan,
    snapshot: Snapshot,
    engine: Engine,
    now: datetime,
    setbacks: Iterable[Setback] = (),
    *,
    plainly: bool = False,
) -> Placed:
    """The changes that a plan comes to on `snapshot`, away from what earlier attempts were refused.

    With `plainly` what finds no home is told in the contract's words: no rack, no node, nobody else.
    """
    placing = _Placing(snapshot, engine, _avoided(snapshot, setbacks, plan), now, plainly)
    for aim in plan.aims:
        placing.pursue(aim)
    return Placed(tuple(placing.changes), tuple(placing.evidence), tuple(placing.unplaced))


def _avoided(snapshot: Snapshot, setbacks: Iterable[Setback], plan: Plan) -> frozenset[NodeId]:
    racks = snapshot.facts.rack
    refused = list(setbacks)
    nodes = {n for s in refused for n in s.nodes}
    nodes |= {n for s in refused for r in s.racks if r in racks for n in racks[r].nodes}
    return frozenset(nodes | {a.node for a in plan.aims if isinstance(a, Evacuate | FenceOff)})


@dataclass(slots=True)
class _Placing:
    """The running estate of one placing, and what came out so far."""

    snapshot: Snapshot
    engine: Engine
    avoid: frozenset[NodeId]
    now: datetime
    plainly: bool
    changes: list[Change] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)

    def pursue(self, aim: Aim) -> None:
        """Add the changes of one aim."""
        match aim:
            case Evacuate():
                self._evacuate(aim.node)
            case Relocate():
                self._relocate(aim)
            case Restore():
                self._restore(aim)
            case Rehome():
                self._rehome(aim)
            case Seat():
                self._seat(aim)
            case Rescale():
                self._rescale(aim)
            case ReserveAgain():
                self._reserve_again(aim)
            case FenceOff() | Unfence() | Cap() | Verbatim():
                for change in _named(aim):
                    self._add(change)
            case _:
                assert_never(aim)

    def _evacuate(self, node: NodeId) -> None:
        running = self.snapshot.workloads_on(node)
        for workload in sorted(running, key=lambda w: (-w.contract.accelerators_per_replica, w.id)):
            replicas = tuple(b.replica for b in workload.on(node))
            found = self._ask(workload, replicas, self._home_sites(workload), self.avoid)
            if found is not None and all(self._cluster_of(b) == workload.cluster for b in found):
                self._move(workload, found)
            elif found is not None:
                self.unplaced.append(f"{workload.id}: its only homes are in another cluster")

    def _relocate(self, aim: Relocate) -> None:
        workload = self.snapshot.workload(aim.workload)
        where = relocating.goal(aim, self.snapshot)
        if workload is None or where is None:
            self.unplaced.append(f"{aim.workload}: it or its goal is not in the estate")
            return
        replicas = relocating.outside(workload, where, self.snapshot)
        if not replicas:
            self.unplaced.append(f"{workload.id}: every replica is there already")
            return
        avoid = self.avoid | relocating.everything_but(where, self.snapshot)
        found = self._ask(workload, replicas, (where.site,) if where.site else (), avoid, quietly=True)
        self._settle(workload, replicas, found or self._claim(workload, replicas, where))

    def _reserve_again(self, aim: ReserveAgain) -> None:
        made = rereserving.again(self.snapshot, self.engine, aim.reservation, self.avoid, self.now)
        for change in made.changes:
            self._cite(change.describe())
            self._add(change)
        if made.why_not:
            self.unplaced.append(made.why_not)

    def _restore(self, aim: Restore) -> None:
        """Move what stands unlawfully to where it may; what no controller would make again is evicted; what may be
        nowhere is stopped, where all of it is unlawful.
        """
        workload = self.snapshot.workload(aim.workload)
        out = remedies.amiss(self.snapshot, workload, self.now) if workload is not None else ()
        if workload is None or not out:
            self.unplaced.append(f"{aim.workload}: no other place would make it lawful; look at what facts say")
            return
        if naming.is_bare(workload):
            self._evict(workload, out)
            return
        left = self.avoid | {b.node for b in out}
        found = self._ask(workload, tuple(b.replica for b in out), (), left)
        if found is not None:
            self._move(workload, found)
        elif len(out) == len(workload.bindings):
            self._add(ScaleWorkload(workload=workload.id, replicas=0))

    def _rehome(self, aim: Rehome) -> None:
        """Those of its replicas that would keep a place which breaks a promise go elsewhere."""
        workload = self.snapshot.workload(aim.workload)
        broken = breaches.standing(self.snapshot, workload, self.now) if workload is not None else ()
        nodes = {n for breach in broken for n in breach.nodes}
        if workload is None or not nodes:
            self.unplaced.append(f"{aim.workload}: every promise that a place can keep is kept where it stands")
            return
        if naming.is_bare(workload):
            self.unplaced.append(f"{workload.id}: nobody would make its pods again elsewhere; its owner must")
            return
        out = {b.replica: b.node for b in workload.bindings if b.node in nodes}
        found = self._ask(workload, tuple(sorted(out)), (), self.avoid)
        if moved := tuple(b for b in found or () if b.node != out[b.replica]):
            self._move(workload, moved)

    def _seat(self, aim: Seat) -> None:
        """All that waits; where not all of it fits, gangs wait on and others begin with what does."""
        workload = self.snapshot.workload(aim.workload)
        waiting = _waiting(workload) if workload is not None else ()
        if workload is None or not waiting:
            self.unplaced.append(f"{aim.workload}: nothing of it waits")
            return
        asked = len(self.unplaced)
        if self._seated(workload, waiting):
            return
        if self._recut(workload, waiting):
            del self.unplaced[asked:]
        elif not workload.gangs:
            del self.unplaced[asked:]
            while waiting and self._seated(self.snapshot.workload(workload.id) or workload, waiting[:1]):
                waiting = waiting[1:]
        if len(self.unplaced) > asked:
            self._order(self.snapshot.workload(workload.id) or workload)

    def _order(self, workload: Workload) -> None:
        """Machines for what found no home, where its contract pays for them."""
        more = ordering.ordered(self.snapshot, workload, self.now)
        for said in more.says:
            self._cite(said)
        for change in more.changes:
            self._add(change)

    def _seated(self, workload: Workload, replicas: tuple[int, ...]) -> bool:
        """Whether these found homes in their cluster."""
        found = self._ask(workload, replicas, self._home_sites(workload), self.avoid)
        if found is None or any(self._cluster_of(b) != workload.cluster for b in found):
            if found is not None:
                self.unplaced.append(f"{workload.id}: its only homes are in another cluster")
            return False
        fresh = (ReplicaMove(replica=b.replica, source=None, target=b.node, accelerators=b.accelerators) for b in found)
        self._add(MoveWorkload(workload=workload.id, moves=tuple(fresh)))
        return True

    def _recut(self, workload: Workload, waiting: tuple[int, ...]) -> bool:
        """Whether all of it found homes once an idle node of its cluster is cut otherwise."""
        ask = Ask(workload.id, waiting, self._home_sites(workload), self.avoid, self.now)
        wish = Wish(self.snapshot, self.engine.columns_of(self.snapshot), ask, workload)
        for recut, answer in recutting.told(Case(self.engine, wish)):
            if recut.change is not None and all(self._cluster_of(b) == workload.cluster for b in answer.bindings):
                self._cite(f"{workload.id}: {recut.says}")
                self._add(recut.change)
                return self._seated(workload, waiting)
        return False

    def _evict(self, workload: Workload, out: tuple[Binding, ...]) -> None:
        """Off nodes that are shut for as long as it takes."""
        for name in sorted({b.node for b in out}):
            node = self.snapshot.node(name)
            opened = node is not None and not node.cordoned
            if opened:
                self._add(CordonNode(node=name, reason=f"{workload.id} must not come back"))
            for binding in (b for b in out if b.node == name):
                self._add(EvictPod(workload=workload.id, replica=binding.replica, node=name))
            if opened:
                self._add(UncordonNode(node=name))

    def _settle(self, workload: Workload, replicas: tuple[int, ...], seats: tuple[Binding, ...] | None) -> None:
        if seats is None:
            self.unplaced.append(f"{workload.id}: no free devices there for replicas {list(replicas)}")
        else:
            self._move(workload, seats)

    def _claim(self, workload: Workload, replicas: tuple[int, ...], where: Where) -> tuple[Binding, ...] | None:
        # What only power or cooling refused may change by the next attempt; a refused node is not claimed again.
        open_to = Where(tuple(n for n in where.nodes if n not in self.avoid), where.site, where.cluster)
        seats = claim(self.snapshot, workload, replicas, open_to)
        if seats is not None:
            self._cite(f"{workload.id}: claimed free devices there without regard to law; the gate decides")
        return seats

    def _rescale(self, aim: Rescale) -> None:
        workload = self.snapshot.workload(aim.workload)
        if workload is None:
            self.unplaced.append(f"{aim.workload}: it is not in the estate")
            return
        added = tuple(range(workload.replicas, aim.replicas))
        grown = workload.model_copy(update={"replicas": max(aim.replicas, workload.replicas)})
        seats: tuple[Binding, ...] | None = ()
        if added:
            seats = self._ask(
                grown, added, self._home_sites(workload), self.avoid, on=self.snapshot.with_workload(grown)
            )
        bindings = tuple(b for b in seats or () if self._cluster_of(b) == workload.cluster)
        self._add(ScaleWorkload(workload=workload.id, replicas=aim.replicas, bindings=bindings))

    def _move(self, workload: Workload, seats: tuple[Binding, ...]) -> None:
        if (cluster := self._cluster_of(seats[0])) != workload.cluster:
            copy = CopyWorkload(workload=workload.id, to_cluster=cluster, bindings=seats)
            self._add(copy)
            self._add(RemoveWorkload(workload=workload.id, replaced_by=copy.named(workload)))
            return
        for move in moves.in_turn(workload, seats):
            self._add(move)

    def _ask(
        self,
        workload: Workload,
        replicas: tuple[int, ...],
        sites: tuple[SiteId, ...],
        avoid: frozenset[NodeId],
        *,
        quietly: bool = False,
        on: Snapshot | None = None,
    ) -> tuple[Binding, ...] | None:
        ask = Ask(workload=workload.id, replicas=replicas, sites=sites, avoid=avoid, at=self.now)
        answer = self.engine.place(on or self.snapshot, ask)
        if isinstance(answer, NoPlacement):
            self._cite(f"{workload.id}: no lawful home there: {_refused(answer) or answer.nearest}")
            if not quietly:
                why = explaining.in_plain_words if self.plainly else _in_the_hardwares_words
                self.unplaced.append(f"{workload.id}: {why(self.engine, on or self.snapshot, ask, answer)}")
            return None
        for brought in answer.deliveries:
            self._cite(f"{workload.id}: {brought.says}")
        homes = ", ".join(f"replica {b.replica} to {b.node}" for b in answer.bindings)
        self._cite(f"{workload.id}: {homes} ({', '.join(f'{t.name} {t.value}' for t in answer.score)})")
        return answer.bindings

    def _add(self, change: Change) -> None:
        """Keep the change and go on from the estate that it leaves; the layout tells what is wrong with a misfit."""
        self.changes.append(change)
        after = effect(change, self.snapshot)
        if not isinstance(after, Refusal):
            self.snapshot = after.value

    def _cite(self, claim: str) -> None:
        self.evidence.append(Evidence(source=_SOURCE, claim=claim))

    def _home_sites(self, workload: Workload) -> tuple[SiteId, ...]:
        cluster = self.snapshot.facts.cluster.get(workload.cluster)
        return (cluster.site,) if cluster else ()

    def _cluster_of(self, binding: Binding) -> ClusterId:
        node = self.snapshot.node(binding.node)
        return node.cluster if node else ClusterId("")


def _refused(answer: NoPlacement) -> str:
    return "; ".join(f"{r.nodes} nodes refused for {r.constraint} ({r.found})" for r in answer.refused[:4])


def _in_the_hardwares_words(_engine: Engine, _snapshot: Snapshot, _ask: Ask, answer: NoPlacement) -> str:
    yielding = f"; or {answer.preemption.says}" if answer.preemption is not None else ""
    return f"{_refused(answer)}; it would fit if: {answer.nearest}{yielding}"


def _named(aim: FenceOff | Unfence | Cap | Verbatim) -> tuple[Change, ...]:
    """The changes of an aim that leaves nothing to choose."""
    match aim:
        case FenceOff():
            return (CordonNode(node=aim.node, reason=aim.reason),)
        case Unfence():
            return (UncordonNode(node=aim.node),)
        case Cap():
            return (SetPowerCap(node=aim.node, watts=aim.watts),)
        case Verbatim():
            return aim.changes


def _waiting(workload: Workload) -> tuple[int, ...]:
    return tuple(sorted(set(range(workload.replicas)) - {b.replica for b in workload.bindings}))
