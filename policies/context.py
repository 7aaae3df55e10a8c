"""The read set: what the law may read of a snapshot, as one small typed context for each request to Cedar.

Pure functions of the play, in canonical form, so that the digest in verdict and warrant names exactly what was read.
Called by `policies.deciding`. The kernel has none of this: it reads the snapshot itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from estate import canonical
from estate.canonical import Json
from estate.changes import ApplyManifest, Change, DeleteObject, EvictPod, MoveWorkload, RemoveWorkload
from estate.changes.kinds import tenants_on
from estate.effects import Step
from estate.hardware import Health
from estate.identities import SubjectKind
from estate.ids import Digest, NodeId, TenantId, WorkloadId
from estate.snapshots import Snapshot
from estate.things import ThingKind
from estate.workloads import Binding, Workload
from policies import approving, completeness, lineages, mandates, objects, reaches, sovereignty
from policies.approving import Counted
from policies.neighbours import Beside, beside
from policies.playing import Play
from policies.questions import Given, Matter, Question

type Context = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to the law: an action on a thing, with what may be read of it."""

    action: str
    kind: str
    id: str
    context: Context
    tenant: TenantId | None = None
    step: int | None = None

    @property
    def about(self) -> str:
        """The thing as people write it, e.g. `rack/eu-b`."""
        return f"{self.kind.lower()}/{self.id}"

    def request(self, principal: str) -> dict[str, Any]:
        """The form that Cedar takes."""
        return {
            "principal": {"type": "Actor", "id": principal},
            "action": {"type": "Action", "id": self.action},
            "resource": {"type": self.kind, "id": self.id},
            "context": self.context,
        }

    def form(self) -> Json:
        """The form that is digested."""
        return [self.action, self.kind, self.id, self.step, self.context]


@dataclass(frozen=True, slots=True)
class ReadSet:
    """Every request of one decision, in order."""

    principal: str
    asks: tuple[Ask, ...]

    @property
    def digest(self) -> Digest:
        """The digest of the canonical form."""
        return canonical.digest_of([self.principal, [a.form() for a in self.asks]])


def read(question: Question, play: Play, counted: Counted) -> ReadSet:
    """Everything that the law reads to decide `question`."""
    asks = (*_steps(question, play, counted), *_racks(question, play), *_sites(question, play))
    return ReadSet(str(question.matter.proposer), (*asks, _whole(question, play, counted)))


def approving_ask(matter: Matter, given: Given, author: str) -> Ask:
    """The request whether this person's approval may count at all."""
    return Ask("Approve", "Proposal", matter.proposal, {"people": _people(matter, (given,), author)})


def standing_ask(matter: Matter, before: Snapshot, after: Snapshot, name: WorkloadId, now: datetime) -> Ask:
    """The request whether a workload may stand as it does in `after`, as if whatever it was not in `before` were done
    now by a move.
    """
    was, stands = before.workload(name), after.workload(name)
    assert was is not None, name  # the caller names what is there
    assert stands is not None, name
    step = _Written(MoveWorkload.__name__, 1, was, stands, before, after)
    return _workload(_who(matter), step, _Judging(now))


def _who(matter: Matter) -> Context:
    return {"kind": matter.proposer.kind.value, "actsFor": _names(matter.for_tenants)}


@dataclass(frozen=True, slots=True)
class _Played:
    """One step, with the estate before and after it."""

    number: int
    change: Change
    before: Snapshot
    after: Snapshot


def _steps(question: Question, play: Play, counted: Counted) -> Iterator[Ask]:
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
            owners = _owners(question, counted, written.now.tenant)
            yield _workload(_who(question.matter), written, _Judging(question.now, disrupted, owners))


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
    disrupted: int = 0
    owners: int = 0


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
        "tenant": now.tenant,
        "system": objects.is_system(now.namespace),
        "places": places,
        "missing": _names(_missing_of(after, now, fresh)),
        **{d.value: _axis(axes[d]) for d in sovereignty.AXES},
        "ungranted": _names(lineages.ungranted(after.facts, now.tenant, now.datasets, now.cluster, judging.at)),
        "lapsed": _names(_lapsed(after, now, judging.at)),
        "beside": _beside(beside(after, now, (b.node for b in fresh))),
        "disrupted": disrupted,
        "disturbed": disturbed,
        "lowest": lowest,
        "minAvailable": now.contract.min_available,
        "lone": step.lone,
        "consent": tenant.disruption.value if tenant else "unknown",
        "ownerApprovals": judging.owners,
    }
    return Ask(step.action, "Workload", now.id, context, now.tenant, step.number)


def _owners(question: Question, counted: Counted, tenant: TenantId) -> int:
    return len(counted.owners.get(tenant, ())) + (1 if tenant in question.vouched.owners else 0)


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
        "missing": _names(objects.missing(facts, found.address)),
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
    running = [b for b in step.was.bindings if _runs(step.before, b)]
    disturbed = sum(1 for b in running if b in broken)
    ends = sum(1 for b in step.now.bindings if _runs(step.after, b))
    instead = sum(1 for b in step.instead.bindings if _runs(step.after, b)) if step.instead else 0
    return disturbed, min(len(running) - disturbed, ends) + instead


def _runs(snapshot: Snapshot, binding: Binding) -> bool:
    node = snapshot.node(binding.node)
    if node is None or node.health is Health.FAILED:
        return False
    failed = {a.index for a in node.accelerators if a.health is Health.FAILED}
    return not failed.intersection(binding.accelerators)


def _node(question: Question, played: _Played, name: NodeId) -> Ask:
    before = played.before
    node = before.node(name)
    assert node is not None, name  # the step was laid out
    devices = (a.health for a in node.accelerators)
    context: Context = {
        "who": _who(question.matter),
        "missing": _names(_missing_at(before, node.id)),
        "tenants": _names(tenants_on(before, node.id)),
        "fit": all(h is Health.HEALTHY for h in (node.health, *devices)),
    }
    return Ask(played.change.kind, "Node", node.id, context, step=played.number)


def _racks(question: Question, play: Play) -> Iterator[Ask]:
    for rack in play.racks:
        known = play.base.facts.rack[rack]
        beyond = sum(w for n, w in play.unplayed.items() if play.base.rack_of(n) == rack)
        before, after = play.base.rack_watts(rack), play.after.rack_watts(rack) + beyond
        fenced = play.base.fenced_in(rack), play.after.fenced_in(rack)
        if before == after and fenced[0] == fenced[1]:
            continue
        context: Context = {
            "who": _who(question.matter),
            "wattsBefore": before,
            "wattsAfter": after,
            "wattsBudget": known.power_budget_watts,
            "nodes": len(known.nodes),
            "fencedBefore": fenced[0],
            "fencedAfter": fenced[1],
        }
        yield Ask("AffectRack", "Rack", rack, context)


def _sites(question: Question, play: Play) -> Iterator[Ask]:
    """How much of each site is fenced, where the play fences a node."""
    fenced = (n for n in play.footprint.nodes if _fences(play, n))
    for site in sorted({s for n in fenced if (s := play.base.site_of(n)) is not None}):
        context: Context = {
            "who": _who(question.matter),
            "nodes": play.base.facts.nodes_at[site],
            "fencedBefore": play.base.fenced_at(site),
            "fencedAfter": play.after.fenced_at(site),
        }
        yield Ask("AffectSite", "Site", site, context)


def _fences(play: Play, node: NodeId) -> bool:
    was, now = play.base.node(node), play.after.node(node)
    return now is not None and now.fenced and not (was is not None and was.fenced)


def _whole(question: Question, play: Play, counted: Counted) -> Ask:
    matter, facts = question.matter, play.base.facts
    context: Context = {
        "who": _who(matter),
        "mandate": _mandate(matter),
        "people": _people(matter, counted.approvers, facts.author),
        "deniers": _names(str(g.approval.approver) for g in counted.deniers),
        "operatorApprovals": _operators(question, counted),
        "factsInForce": facts.valid_until > question.now,
        "factsByAnother": facts.author not in {s.name for s in (matter.proposer, matter.on_behalf_of) if s is not None},
        "layoutMatches": play.matches,
        "executorKnown": question.standing.executor_known,
        "nodes": len({*play.footprint.nodes, *play.unplayed}),
        "workloads": len(_written(play)),
        "objects": len({s.change.target() for s in play.asked if s.change.target().kind is ThingKind.OBJECT}),
        "disruptedReplicas": play.footprint.disrupted_replicas,
        "freezes": _names(f"{f.scope.site or '*'}/{f.scope.tenant or '*'}" for f in question.standing.freezes),
        "mode": question.standing.mode.value,
        "mind": _mind(question.matter, play),
    }
    return Ask("Execute", "Proposal", matter.proposal, context)


def _mind(matter: Matter, play: Play) -> Context:
    """Who proposed without being registered, and whose work it planned for without being allowed to see it."""
    facts, agent = play.base.facts, matter.proposer.kind is SubjectKind.AGENT and not matter.vouched
    concerned = (play.base.workload(w) or play.after.workload(w) for w in _written(play))
    tenants = {w.tenant for w in concerned if w is not None}
    return {
        "unregistered": _names(reaches.unregistered(facts, matter.proposer.name, matter.mind) if agent else ()),
        "beyond": _names(reaches.beyond(facts, matter.mind, tenants)),
    }


def _mandate(matter: Matter) -> Context:
    mandate = matter.mandate
    return {
        "persons": _names([str(mandate.person)] if mandate.person else []),
        "claimed": _names([str(matter.on_behalf_of)] if matter.on_behalf_of else []),
        "tenants": _names(mandate.tenants),
        "asWritten": mandate.changes in (None, mandates.digest_of(s.change for s in matter.steps)),
    }


def _written(play: Play) -> set[WorkloadId]:
    beyond = (s.change for s in play.asked[len(play.steps) :])
    return {*play.footprint.workloads, *(w for c in beyond for w in c.disrupts(play.after))}


def _people(matter: Matter, approvers: Iterable[Given], author: str) -> Context:
    given = tuple(approvers)
    barred = {"/".join(approving.actor(s)) for s in approving.barred(matter)}
    names = {"/".join(approving.actor(g.approval.approver)) for g in given}
    written = {n for g, n in ((g, "/".join(approving.actor(g.approval.approver))) for g in given) if _wrote(g, author)}
    return {
        "approvers": _names(names),
        "kinds": _names({g.approval.approver.kind.value for g in given}),
        "roles": _names({r.value for g in given for r in g.enrolment.roles}),
        "barred": _names(barred | written),
    }


def _wrote(given: Given, author: str) -> bool:
    return given.approval.approver.kind is SubjectKind.HUMAN and given.approval.approver.name == author


def _axis(axis: sovereignty.Axis) -> Context:
    return {"allowed": _names(axis.allowed), "found": _names(axis.found), "unknown": _names(axis.unknown)}


def _beside(found: Beside) -> Context:
    return {
        "isolation": found.isolation,
        "onNode": _names(found.on_node),
        "inRack": _names(found.in_rack),
        "inCluster": _names(found.in_cluster),
        "aloneOnNode": _names(found.alone_on_node),
        "aloneInRack": _names(found.alone_in_rack),
        "aloneInCluster": _names(found.alone_in_cluster),
        "apart": _names(found.apart),
    }


def _names(items: Iterable[str]) -> list[Json]:
    return [*sorted(set(items))]
