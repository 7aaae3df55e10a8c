"""The read set: what the law may read of a snapshot, as one small typed context for each request to Cedar.

Pure functions of the play, in canonical form, so that the digest in verdict and warrant names exactly what was read.
Called by `policies.deciding`. The kernel has none of this: it reads the snapshot itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from estate.canonical import Json
from estate.changes import (
    ApplyManifest,
    Change,
    CordonNode,
    DeleteObject,
    EvictPod,
    MoveWorkload,
    RemoveWorkload,
    TaintNode,
)
from estate.changes.kinds import tenants_on
from estate.effects import Step
from estate.hardware import Health
from estate.identities import Role, SubjectKind
from estate.ids import NodeId, TenantId, WorkloadId
from estate.snapshots import Snapshot
from estate.things import ThingKind
from estate.wellbeing import runs
from estate.workloads import Binding, Workload
from policies import (
    approving,
    completeness,
    levels,
    lineages,
    mandates,
    objects,
    promises,
    reaches,
    risks,
    sovereignty,
)
from policies.approving import Counted
from policies.asks import Ask, Context, ReadSet, names
from policies.neighbours import Beside, beside
from policies.playing import Play
from policies.profiles import Profile
from policies.questions import Given, Matter, Question
from policies.risks import Needed


def read(question: Question, play: Play, counted: Counted) -> ReadSet:
    """Everything that the law reads to decide `question`."""
    who = _who(question.matter)
    risk = risks.needed(question.bundle.profile, play)
    asks = (*_steps(question, play, counted, risk), *levels.asks(question, play, who))
    return ReadSet(str(question.matter.proposer), (*asks, _whole(question, play, counted, risk)))


def authors_of(question: Question) -> frozenset[str]:
    """Who wrote the facts and the rules that decide, by name: no approval of theirs counts."""
    return frozenset({question.snapshot.facts.author, question.standing.ratified.author} - {""})


def approving_ask(matter: Matter, given: Given, authors: Collection[str]) -> Ask:
    """The request whether this person's approval may count at all."""
    return Ask("Approve", "Proposal", matter.proposal, {"people": _people(matter, (given,), authors)})


def standing_ask(matter: Matter, before: Snapshot, after: Snapshot, name: WorkloadId, now: datetime) -> Ask:
    """The request whether a workload may stand as it does in `after`, as if whatever it was not in `before` were done
    now by a move.
    """
    was, stands = before.workload(name), after.workload(name)
    assert was is not None, name  # the caller names what is there
    assert stands is not None, name
    step = _Written(MoveWorkload.__name__, 1, was, stands, before, after)
    return _workload(_who(matter), step, _Judging(now, Profile()))


def _who(matter: Matter) -> Context:
    return {"kind": matter.proposer.kind.value, "actsFor": names(matter.for_tenants)}


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
            yield _workload(_who(question.matter), written, judging)


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
        "beside": _beside(beside(after, now, (b.node for b in fresh))),
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
    if now.contract.cost_ceiling is not None:
        owed["costCeiling"] = int(now.contract.cost_ceiling)
        cost = promises.hourly_cost(step.after, now, judging.at)
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
        "who": _who(question.matter),
        "tenant": owner or "unassigned",
        "system": objects.is_system(found.address.namespace),
        "missing": names(objects.missing(facts, found.address)),
        "places": found.places,
        **{a.dimension.value: _axis(a) for a in axes},
        "opens": found.opens,
        "loosens": found.loosens,
        "disturbs": found.disturbs,
        "consent": tenant.disruption.value if tenant else "unknown",
        "ownerApprovals": _owners(question, counted, owner) if owner is not None else 0,
        "operatorApprovals": _operators(question, counted),
    }
    return Ask(step.change.kind, "Object", str(found.address), context, owner, step.number)


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
        "who": _who(question.matter),
        "lifted": question.lifted(f"node/{node.id}"),
        "missing": names(_missing_at(before, node.id)),
        "tenants": names(tenants_on(before, node.id)),
        "fit": all(h is Health.HEALTHY for h in (node.health, *devices)),
    }
    return Ask(played.change.kind, "Node", node.id, context, step=played.number)


def _whole(question: Question, play: Play, counted: Counted, risk: Needed) -> Ask:
    matter, facts, stands = question.matter, play.base.facts, question.standing
    blast = question.bundle.profile.blast
    context: Context = {
        "who": _who(matter),
        "lifted": question.lifted(f"proposal/{matter.proposal}"),
        "mandate": _mandate(matter),
        "people": _people(matter, counted.approvers, authors_of(question)),
        "deniers": names(str(g.approval.approver) for g in counted.deniers),
        "operatorApprovals": _operators(question, counted),
        "operatorsNeeded": risk.operators,
        "lawInForce": not stands.ratified.fault,
        "factsInForce": facts.valid_until > question.now,
        "factsByAnother": facts.author not in {s.name for s in (matter.proposer, matter.on_behalf_of) if s is not None},
        "layoutMatches": play.matches,
        "executorKnown": stands.executor_known,
        "nodes": len({*play.footprint.nodes, *play.unplayed}),
        "workloads": len(_written(play)),
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
        "mind": _mind(question.matter, play),
    }
    return Ask("Execute", "Proposal", matter.proposal, context)


def _mind(matter: Matter, play: Play) -> Context:
    """Who proposed without being registered, and whose work it planned for without being allowed to see it."""
    facts, agent = play.base.facts, matter.proposer.kind is SubjectKind.AGENT and not matter.vouched
    concerned = (play.base.workload(w) or play.after.workload(w) for w in _written(play))
    tenants = {w.tenant for w in concerned if w is not None}
    return {
        "unregistered": names(reaches.unregistered(facts, matter.proposer.name, matter.mind) if agent else ()),
        "beyond": names(reaches.beyond(facts, matter.mind, tenants)),
    }


def _mandate(matter: Matter) -> Context:
    mandate = matter.mandate
    return {
        "persons": names([str(mandate.person)] if mandate.person else []),
        "claimed": names([str(matter.on_behalf_of)] if matter.on_behalf_of else []),
        "tenants": names(mandate.tenants),
        "roles": names(r.value for r in (matter.deputy.roles if matter.deputy else _VOUCHED)),
        "outgrown": names(_outgrown(matter)),
        "asWritten": mandate.changes is None or mandate.changes == mandates.digest_of(s.change for s in matter.steps),
    }


_VOUCHED: Final = (Role.REQUESTER,)
"""Of a person whose rights were judged before: that they may ask is what the gate's signature says."""


def _outgrown(matter: Matter) -> set[TenantId]:
    """The tenants that the person spoke for when they commanded it and does not speak for now."""
    return set() if matter.deputy is None else set(matter.mandate.tenants) - matter.deputy.tenants


def _written(play: Play) -> set[WorkloadId]:
    beyond = (s.change for s in play.asked[len(play.steps) :])
    return {*play.footprint.workloads, *(w for c in beyond for w in c.disrupts(play.after))}


def _people(matter: Matter, approvers: Iterable[Given], authors: Collection[str]) -> Context:
    given = tuple(approvers)
    called = {g: "/".join(approving.actor(g.approval.approver)) for g in given}
    barred = {"/".join(approving.actor(s)) for s in approving.barred(matter)}
    barred |= {name for g, name in called.items() if _wrote(g, authors) or _is_represented(g, matter)}
    return {
        "approvers": names(called.values()),
        "kinds": names({g.approval.approver.kind.value for g in given}),
        "roles": names({r.value for g in given for r in g.enrolment.roles}),
        "barred": names(barred),
    }


def _is_represented(given: Given, matter: Matter) -> bool:
    """Whether it is another account of the human whom the proposal is for."""
    return matter.deputy is not None and given.enrolment.human == matter.deputy.human


def _wrote(given: Given, authors: Collection[str]) -> bool:
    return given.approval.approver.kind is SubjectKind.HUMAN and given.approval.approver.name in authors


def _axis(axis: sovereignty.Axis) -> Context:
    return {"allowed": names(axis.allowed), "found": names(axis.found), "unknown": names(axis.unknown)}


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
