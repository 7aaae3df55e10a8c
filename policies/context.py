"""The read set: what the law may read of a snapshot, as one small typed context for each request to Cedar.

Pure functions of the play, in canonical form, so that the digest in verdict and warrant names exactly what was read.
Called by `policies.deciding`. The kernel has none of this: it reads the snapshot itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from estate import pledges, pooling
from estate.canonical import Json
from estate.changes import (
    ApplyManifest,
    Change,
    CordonNode,
    DeleteObject,
    EvictPod,
    MoveWorkload,
    ReleaseCapacity,
    RemoveWorkload,
    RepartitionAccelerator,
    ReserveCapacity,
    ScaleMachineGroup,
    TaintNode,
)
from estate.changes.kinds import tenants_on
from estate.effects import Step
from estate.hardware import Health
from estate.ids import ClusterId, NodeId, TenantId, WorkloadId
from estate.law import Facts
from estate.snapshots import Snapshot
from estate.things import ThingKind
from estate.uses.reservations import Seat
from estate.wellbeing import runs
from estate.workloads import Binding, Workload
from policies import (
    attaching,
    behind,
    completeness,
    evidence,
    levels,
    lineages,
    machines,
    objects,
    promises,
    reservations,
    risks,
    sovereignty,
)
from policies.approving import Counted
from policies.asks import Ask, Context, ReadSet, names
from policies.attaching import Foreign
from policies.neighbours import Beside, beside, beside_tenant
from policies.playing import Play
from policies.profiles import Profile
from policies.questions import Given, Matter, Question
from policies.risks import Needed


def read(question: Question, play: Play, counted: Counted) -> ReadSet:
    """Everything that the law reads to decide `question`."""
    who = behind.who(question.matter)
    risk = risks.needed(question.bundle.profile, play)
    asks = (*_steps(question, play, counted, risk), *levels.asks(question, play, who))
    return ReadSet(str(question.matter.proposer), (*asks, _whole(question, play, counted, risk)))


def approving_ask(matter: Matter, given: Given, authors: Collection[str]) -> Ask:
    """The request whether this person's approval may count at all."""
    return Ask("Approve", "Proposal", matter.proposal, {"people": behind.people(matter, (given,), authors)})


def standing_ask(matter: Matter, before: Snapshot, after: Snapshot, name: WorkloadId, now: datetime) -> Ask:
    """The request whether a workload may stand as it does in `after`, as if whatever it was not in `before` were done
    now by a move.
    """
    was, stands = before.workload(name), after.workload(name)
    assert was is not None, name  # the caller names what is there
    assert stands is not None, name
    step = _Written(MoveWorkload.__name__, 1, was, stands, before, after)
    return _workload(behind.who(matter), step, _Judging(now, Profile()))


@dataclass(frozen=True, slots=True)
class _Played:
    """One step, with the estate before and after it."""

    number: int
    change: Change
    before: Snapshot
    after: Snapshot


def _steps(question: Question, play: Play, counted: Counted, risk: Needed) -> Iterator[Ask]:
    """For each step: its node or object where it is a change of one, and every workload that it writes."""
    for index, step in enumerate(play.steps):
        played = _Played(step.number, step.change, play.before(index), play.states[index])
        target = step.change.target()
        if target.kind is ThingKind.NODE:
            yield _node(question, played, NodeId(target.id))
        if isinstance(step.change, ApplyManifest | DeleteObject):
            yield _object(question, step, played.before, counted)
        if isinstance(step.change, ReserveCapacity | ReleaseCapacity):
            yield _reservation(question, played, step.change, counted)
        if isinstance(step.change, ScaleMachineGroup):
            yield _machines(question, played, step.change, play.base, counted)
        for workload, disrupted in sorted(step.change.disrupts(played.before).items()):
            written = _written_by(played, workload, play.base)
            judging = _Judging(
                at=question.now,
                profile=question.bundle.profile,
                disrupted=disrupted,
                owners=_owners(question, counted, written.now.tenant),
                owners_needed=risk.owners,
                lifted=question.lifted(f"workload/{workload}"),
            )
            yield _workload(behind.who(question.matter), written, judging)


def _on_workload(change: Change) -> str:
    """The action that the law judges on a workload: what a change of a node does to one is an eviction."""
    return change.kind if change.target().kind is ThingKind.WORKLOAD else EvictPod.__name__


@dataclass(frozen=True, slots=True)
class _Written:
    """One workload that an action writes: as it was, and as it is then."""

    action: str
    number: int
    was: Workload
    now: Workload
    before: Snapshot
    after: Snapshot
    instead: Workload | None = None
    """What runs in its place, of a workload that is removed."""
    lone: bool = False
    """Whether that was there already: then nobody decided here that it should take its place."""


def _written_by(played: _Played, name: WorkloadId, base: Snapshot) -> _Written:
    was, now = played.before.workload(name), played.after.workload(name)
    some = was or now
    assert some is not None, name  # the step was laid out
    nothing = some.model_copy(update={"replicas": 0, "bindings": ()})
    change, after = played.change, played.after
    removed = isinstance(change, RemoveWorkload) and change.workload == name
    instead = after.workload(change.replaced_by) if isinstance(change, RemoveWorkload) and removed else None
    lone = instead is not None and base.workload(instead.id) is not None
    action = _on_workload(change)
    return _Written(action, played.number, was or nothing, now or nothing, played.before, after, instead, lone)


@dataclass(frozen=True, slots=True)
class _Judging:
    """What is known of a written workload beyond the two estates."""

    at: datetime
    profile: Profile
    disrupted: int = 0
    owners: int = 0
    owners_needed: int = 0
    lifted: list[Json] = field(default_factory=list)


def _workload(who: Context, step: _Written, judging: _Judging) -> Ask:
    was, now, after, disrupted = step.was, step.now, step.after, judging.disrupted
    fresh = fresh_bindings(was, now)
    places = bool(fresh) or now.replicas > was.replicas
    tenant = after.facts.tenant.get(now.tenant)
    disturbed, lowest = _availability(step)
    if was == now and disrupted:  # it stands as it stood, and begins anew with its gang
        disturbed, lowest = disrupted, max(0, len(was.bindings) - disrupted)
    axes = {a.dimension: a for a in sovereignty.exposure(after.facts, now, now.cluster)}
    context: Context = {
        "who": who,
        "lifted": judging.lifted,
        "tenant": now.tenant,
        "system": objects.is_system(now.namespace),
        "places": places,
        "missing": names(_missing_of(after, now, fresh)),
        **{d.value: _axis(axes[d]) for d in sovereignty.AXES},
        "ungranted": names(lineages.ungranted(after.facts, now.tenant, now.datasets, now.cluster, judging.at)),
        "lapsed": names(_lapsed(after, now, judging.at)),
        "foreign": _foreign(attaching.foreign(after.facts, now, (b.node for b in fresh))),
        "beside": _beside(beside(after, now, (b.node for b in fresh))),
        "reserved": names(reservations.broken_by(after, now, fresh, judging.at) if fresh else ()),
        "disrupted": disrupted,
        "disturbed": disturbed,
        "lowest": lowest,
        "minAvailable": now.contract.min_available,
        "lone": step.lone,
        "consent": tenant.disruption.value if tenant else "unknown",
        "ownerApprovals": judging.owners,
        "ownersNeeded": judging.owners_needed,
        **(_owed(step, judging) if places else _OWED),
    }
    return Ask(step.action, "Workload", now.id, context, now.tenant, step.number)


_OWED: Final[Context] = {"keyNeeded": 0, "keyFound": 0, "uncertified": [], "pricesKnown": False}
"""What is owed where nothing is placed."""


def _owed(step: _Written, judging: _Judging) -> Context:
    """What a placement owes beyond residency."""
    facts, now, profile = step.after.facts, step.now, judging.profile
    owed: Context = {
        "keyNeeded": promises.key_needed(profile, facts, now.datasets),
        "keyFound": promises.key_rank(facts, now.cluster),
        "uncertified": names(promises.uncertified(profile, facts, now.cluster, judging.at)),
        "pricesKnown": profile.prices_known,
    }
    ceiling = pledges.of(step.after, now, judging.at).cost_ceiling
    if ceiling is not None:
        owed["costCeiling"] = int(ceiling)
        cost = promises.hourly_cost(step.after, now.bindings, judging.at)
        owed |= {} if cost is None else {"cost": cost}
    return owed


def _owners(question: Question, counted: Counted, tenant: TenantId) -> int:
    return len(counted.owners.get(tenant, ())) + question.vouched.owners.get(tenant, 0)


def _operators(question: Question, counted: Counted) -> int:
    return len(counted.operators) + question.vouched.operators


def _object(question: Question, step: Step, before: Snapshot, counted: Counted) -> Ask:
    assert isinstance(step.change, ApplyManifest | DeleteObject)
    facts, found = before.facts, objects.read(step.change)
    owner = objects.owner_of(facts, found.address)
    tenant = facts.tenant.get(owner) if owner is not None else None
    axes = sovereignty.exposure_of_tenant(facts, owner, found.address.cluster)
    context: Context = {
        "who": behind.who(question.matter),
        "tenant": owner or "unassigned",
        "system": objects.is_system(found.address.namespace),
        "missing": names(objects.missing(facts, found.address)),
        "places": found.places,
        **{a.dimension.value: _axis(a) for a in axes},
        "foreign": _foreign(_joined(facts, owner, step.change)),
        "opens": found.opens,
        "loosens": found.loosens,
        "disturbs": found.disturbs,
        "consent": tenant.disruption.value if tenant else "unknown",
        "ownerApprovals": _owners(question, counted, owner) if owner is not None else 0,
        "operatorApprovals": _operators(question, counted),
    }
    return Ask(step.change.kind, "Object", str(found.address), context, owner, step.number)


def _reservation(
    question: Question, played: _Played, change: ReserveCapacity | ReleaseCapacity, counted: Counted
) -> Ask:
    """A reservation that is made or given back."""
    facts, owner = played.before.facts, change.holder()
    tenant = facts.tenant.get(owner)
    made = change if isinstance(change, ReserveCapacity) else None
    context: Context = {
        "who": behind.who(question.matter),
        "lifted": question.lifted(str(change.target())),
        "tenant": owner,
        "places": made is not None,
        "consent": tenant.disruption.value if tenant else "unknown",
        "ownerApprovals": _owners(question, counted, owner),
        **_reserved(question, played, made, change.seats(played.before)),
    }
    return Ask(change.kind, "Reservation", change.reservation, context, owner, played.number)


def _reserved(question: Question, played: _Played, made: ReserveCapacity | None, seats: tuple[Seat, ...]) -> Context:
    """Where it is, beside whom and for how long; of what is given back none of that is asked."""
    before, after, most = played.before, played.after, question.bundle.profile.reservations
    owner, nodes = played.change.footprint(before).tenants[0], [s.node for s in seats] if made else []
    cluster = reservations.cluster_of(before, seats)
    axes = sovereignty.exposure_of_tenant(before.facts, owner, cluster)
    ahead, long = (made.terms.start - question.now, made.terms.end - made.terms.start) if made else (_NO_TIME, _NO_TIME)
    return {
        "missing": names(reservations.missing(before, made) if made else ()),
        **{a.dimension.value: _axis(a) for a in axes},
        "beside": _beside(beside_tenant(after, owner, cluster, nodes)),
        "reserved": names(reservations.rivals(after, made) if made else ()),
        "secondsAhead": int(ahead.total_seconds()),
        "secondsAheadMost": most.days_ahead * 86_400,
        "secondsLong": int(long.total_seconds()),
        "secondsLongMost": most.lasts_hours * 3_600,
        "over": made is not None and made.terms.end <= question.now,
    }


_NO_TIME: Final = timedelta()


def _machines(question: Question, played: _Played, change: ScaleMachineGroup, base: Snapshot, counted: Counted) -> Ask:
    """Machines that are ordered, or given back."""
    before, after, facts = played.before, played.after, played.before.facts
    pool, was = facts.pool.get(change.group), pooling.found(before, change.group)
    most, owner = question.bundle.profile.machines, objects.owner_of_change(facts, change)
    axes = sovereignty.exposure_of_cluster(facts, pool.cluster if pool is not None else ClusterId("unknown"))
    spent = machines.spent(after, change, question.bundle.profile, question.now)
    offered = machines.offered(before, change, question.now)
    context: Context = {
        "who": behind.who(question.matter),
        "lifted": question.lifted(str(change.target())),
        "tenant": owner or "the house",
        "places": was is not None and change.machines > (was.wanted or 0),
        "missing": names(machines.missing(facts, change)),
        **{a.dimension.value: _axis(a) for a in axes},
        "used": names(f"{n} {why}" for n, why in pooling.used(before, change.leaving).items()),
        "machines": change.machines,
        "machinesLeast": pool.least if pool is not None else 0,
        "machinesMost": pool.most if pool is not None else 0,
        "added": machines.added(base, after),
        "addedMost": most.added,
        "addedUnasked": most.unasked,
        "ordered": machines.ordered(base, after, change),
        "operatorApprovals": _operators(question, counted),
        **({} if offered is None else {"offered": offered}),
        **({} if spent is None else {"costCeiling": spent.ceiling}),
        **({} if spent is None or spent.cost is None else {"cost": spent.cost}),
    }
    return Ask(change.kind, "MachineGroup", change.group, context, owner, played.number)


def fresh_bindings(was: Workload, now: Workload) -> tuple[Binding, ...]:
    """The bindings that a step makes."""
    held = set(was.bindings)
    return tuple(b for b in now.bindings if b not in held)


def _missing_of(after: Snapshot, workload: Workload, fresh: Iterable[Binding]) -> set[str]:
    """The facts without which nobody can say where this stands and whose it is."""
    facts = after.facts
    missing = set()
    if workload.tenant not in facts.tenant:
        missing.add(f"tenants.{workload.tenant}")
    if workload.cluster not in facts.cluster:
        missing.add(f"clusters.{workload.cluster}")
    if facts.tenant_of.get((workload.cluster, workload.namespace)) != workload.tenant:
        missing.add(f"tenants.{workload.tenant}.namespaces: {workload.cluster}/{workload.namespace}")
    missing |= {f"datasets.{d}" for d in workload.datasets if d not in facts.dataset}
    return missing.union(*(_missing_at(after, b.node) for b in fresh))


def _lapsed(after: Snapshot, workload: Workload, at: datetime) -> frozenset[str]:
    reached = sovereignty.reached(after.facts, workload.cluster)
    return lineages.lapsed(after.facts, workload.datasets, reached, at)


def _missing_at(snapshot: Snapshot, node: NodeId) -> set[str]:
    found = snapshot.node(node)
    if found is None:
        return {f"racks: no rack holds {node}"}
    return completeness.missing_place(snapshot.facts, found.cluster, node)


def _availability(step: _Written) -> tuple[int, int]:
    """Healthy replicas that are disturbed, and the fewest that run at any time of this step.

    Where replicas are counted a move replaces all of them, but by and by: the executor keeps that above
    `min_available` or refuses, so the fewest are still those that do not change places. Of what is removed, those count
    that run in its place.
    """
    broken = set(step.was.broken_by(step.now.bindings))
    running = [b for b in step.was.bindings if runs(step.before, b)]
    disturbed = sum(1 for b in running if b in broken)
    ends = sum(1 for b in step.now.bindings if runs(step.after, b))
    instead = sum(1 for b in step.instead.bindings if runs(step.after, b)) if step.instead else 0
    return disturbed, min(len(running) - disturbed, ends) + instead


def _node(question: Question, played: _Played, name: NodeId) -> Ask:
    before = played.before
    node = before.node(name)
    assert node is not None, name  # the step was laid out
    devices = (a.health for a in node.accelerators)
    context: Context = {
        "who": behind.who(question.matter),
        "lifted": question.lifted(f"node/{node.id}"),
        "missing": names(_missing_at(before, node.id)),
        "tenants": names(tenants_on(before, node.id)),
        "fit": all(h is Health.HEALTHY for h in (node.health, *devices)),
    }
    if isinstance(played.change, RepartitionAccelerator):
        context["reserved"] = names(reservations.cut_away(before, node.id, question.now))
    return Ask(played.change.kind, "Node", node.id, context, step=played.number)


def _whole(question: Question, play: Play, counted: Counted, risk: Needed) -> Ask:
    matter, facts, stands = question.matter, play.base.facts, question.standing
    blast = question.bundle.profile.blast
    context: Context = {
        "who": behind.who(matter),
        "told": names(evidence.tells_of(matter.told, play.base) if matter.for_tenants else ()),
        "lifted": question.lifted(f"proposal/{matter.proposal}"),
        "mandate": behind.mandated(matter),
        "people": behind.people(matter, counted.approvers, behind.authors(question)),
        "deniers": names(str(g.approval.approver) for g in counted.deniers),
        "operatorApprovals": _operators(question, counted),
        "operatorsNeeded": risk.operators,
        "lawInForce": not stands.ratified.fault,
        "factsInForce": facts.valid_until > question.now,
        "factsByAnother": facts.author not in {s.name for s in (matter.proposer, matter.on_behalf_of) if s is not None},
        "layoutMatches": play.matches,
        "executorKnown": stands.executor_known,
        "nodes": len({*play.footprint.nodes, *play.unplayed}),
        "workloads": len(behind.written(play)),
        "objects": len({s.change.target() for s in play.asked if s.change.target().kind is ThingKind.OBJECT}),
        "disruptedReplicas": play.footprint.disrupted_replicas,
        "most": blast.json_form(),
        "rate": levels.rate(question, play),
        "atOnce": levels.at_once(question, play),
        "onlyFences": all(isinstance(s.change, CordonNode | TaintNode) for s in play.asked),
        "windowsShut": names(map(str, stands.windows_shut)),
        "closures": names(map(str, stands.closures)),
        "freezes": names(f"{f.scope.site or '*'}/{f.scope.tenant or '*'}" for f in stands.freezes),
        "mode": stands.mode.value,
        "mind": behind.made(question.matter, play, question.now),
    }
    return Ask("Execute", "Proposal", matter.proposal, context)


def _axis(axis: sovereignty.Axis) -> Context:
    return {"allowed": names(axis.allowed), "found": names(axis.found), "unknown": names(axis.unknown)}


def _joined(facts: Facts, owner: TenantId | None, change: ApplyManifest | DeleteObject) -> Foreign:
    """What an object would attach its tenant to; nothing, once it is deleted."""
    if isinstance(change, DeleteObject):
        return Foreign()
    return attaching.foreign_to(facts, owner, change.cluster, change.manifest)


def _foreign(found: Foreign) -> Context:
    return {"storage": names(found.storage), "networks": names(found.networks)}


def _beside(found: Beside) -> Context:
    return {
        "isolation": found.isolation,
        "onNode": names(found.on_node),
        "inRack": names(found.in_rack),
        "inCluster": names(found.in_cluster),
        "aloneOnNode": names(found.alone_on_node),
        "aloneInRack": names(found.alone_in_rack),
        "aloneInCluster": names(found.alone_in_cluster),
        "apart": names(found.apart),
    }
