"""The second opinion: the tier-0 invariants once more, in plain Python, off the snapshot itself.

It shares no code with the law's read set: not `context`, not `sovereignty`, not `neighbours`, not `playing`. Gate and
executor ask it beside Cedar, and a permit needs both. Property tests hold the two against each other. It knows tiers
1 and 2 not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from estate import effects
from estate.changes import ApplyManifest, Change, CopyWorkload, DeleteObject
from estate.effects import Effect, Step
from estate.identities import Role, Subject, SubjectKind
from estate.ids import ClusterId, Country, DatasetId, EntityId, GangId, NodeId, TenantId, WorkloadId
from estate.law import Facts, Isolation, Residency
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.things import ThingKind
from estate.uses.running import ComponentSort
from estate.verdicts import Dimension
from estate.workloads import Workload
from policies import mandates
from policies.questions import Matter, Ratified

_LEVEL = {
    Isolation.SHARED_NODE: 0,
    Isolation.DEDICATED_NODE: 1,
    Isolation.DEDICATED_RACK: 2,
    Isolation.DEDICATED_CLUSTER: 3,
}


type _Limit = Callable[[Residency], tuple[Country, ...]]


@dataclass(frozen=True, slots=True, order=True)
class Objection:
    """An invariant that the kernel finds broken, about one thing."""

    dimension: Dimension
    about: str
    why: str


@dataclass(frozen=True, slots=True)
class Approver:
    """A person whose approval is about to count."""

    subject: Subject
    roles: tuple[Role, ...] = ()
    human: str = ""


def objections(  # noqa: PLR0913, PLR0917 - what a second opinion is about
    matter: Matter,
    base: Snapshot,
    approvers: Iterable[Approver],
    now: datetime,
    first: int = 1,
    effect: Effect = effects.effect,
    ratified: Ratified = Ratified(),  # noqa: B008 - frozen
) -> tuple[Objection, ...]:
    """Every tier-0 invariant that `matter` would break on `base` (the estate with what is in flight), sorted.

    What a change does is `estate.effects.effect`'s to say, whoever asks: a decision gives it as it has it already.
    """
    whole = f"proposal/{matter.proposal}"
    found = {*_people(matter, {base.facts.author, ratified.author}, approvers, whole), *_mandated(matter, whole)}
    found.update(_strangers(matter, base.facts, whole))
    behind = matter.proposer.name, matter.on_behalf_of.name if matter.on_behalf_of else ""
    if base.facts.author in behind:
        found.add(Objection(Dimension.FACTS, whole, "the facts were written by whoever proposes"))
    if ratified.fault:
        found.add(Objection(Dimension.FACTS, whole, ratified.fault))
    if base.facts.valid_until <= now:
        found.add(Objection(Dimension.FACTS, whole, f"the facts expired at {base.facts.valid_until}"))
    running = base
    for number, step in enumerate(matter.steps, start=first):
        result = effect(step.change, running)
        if isinstance(result, Refusal):
            found.add(Objection(Dimension.FACTS, whole, f"step {number}: {result.message}"))
            break
        after = result.value
        if step.number != number or not _as_laid_out(step, running, after):
            found.add(Objection(Dimension.FACTS, whole, f"step {number} was planned on another estate, or altered"))
        found.update(_change(matter, step.change, running, after, now))
        found.update(_unseen(matter, step.change, running, after, whole))
        running = after
    return tuple(sorted(found))


def _as_laid_out(step: Step, before: Snapshot, after: Snapshot) -> bool:
    """Whether a step reads, promises and undoes what it would here."""
    change = step.change
    told = step.preconditions == change.preconditions(before) and step.postconditions == change.postconditions(after)
    return told and step.inverse == change.inverse(before)


def misplacements(
    matter: Matter, before: Snapshot, after: Snapshot, workload: WorkloadId, now: datetime
) -> tuple[Objection, ...]:
    """Every invariant that a workload breaks by standing as it does in `after` and did not in `before`, sorted."""
    was, stands = before.workload(workload), after.workload(workload)
    if was is None or stands is None:
        return ()
    return tuple(sorted({*_workload(matter, was, stands, after, now)}))


def _people(matter: Matter, authors: Collection[str], approvers: Iterable[Approver], about: str) -> Iterator[Objection]:
    own = [s for s in (matter.proposer, matter.on_behalf_of) if s is not None]
    for approver in approvers:
        person = approver.subject
        part = any(person.name == s.name and person.issuer == s.issuer for s in own)
        part = part or (matter.deputy is not None and bool(approver.human) and approver.human == matter.deputy.human)
        author = Role.POLICY_AUTHOR in approver.roles or person.name in authors
        if part or author or person.kind is not SubjectKind.HUMAN:
            yield Objection(Dimension.APPROVAL, about, f"`{person}` may not approve this")


def _strangers(matter: Matter, facts: Facts, about: str) -> Iterator[Objection]:
    """Agents and models that the facts do not know. Facts that name no agent say nothing of agents."""
    if matter.vouched or matter.proposer.kind is not SubjectKind.AGENT:
        return
    names = {sort: {r.id for r in facts.registrations if r.sort is sort} for sort in ComponentSort}
    if names[ComponentSort.AGENT] and matter.proposer.name not in names[ComponentSort.AGENT]:
        yield Objection(Dimension.MODEL_REACH, about, f"agent `{matter.proposer.name}` is not registered")
    if matter.mind is not None and matter.mind not in names[ComponentSort.MODEL]:
        yield Objection(Dimension.MODEL_REACH, about, f"model `{matter.mind}` is not registered")


def _unseen(matter: Matter, change: Change, before: Snapshot, after: Snapshot, about: str) -> Iterator[Objection]:
    """Work that a model plans for and may not see."""
    if matter.mind is None:
        return
    seen = {t for r in before.facts.registrations if r.id == matter.mind for t in r.tenants}
    for was, _ in _written(change, before, after):
        if was.tenant not in seen:
            yield Objection(Dimension.MODEL_REACH, about, f"model `{matter.mind}` may not see work of `{was.tenant}`")


def _mandated(matter: Matter, about: str) -> Iterator[Objection]:
    """What the proposer claims of the person behind it against what that person signed."""
    signed = matter.mandate
    if matter.on_behalf_of != signed.person:
        yield Objection(Dimension.FACTS, about, f"it claims `{matter.on_behalf_of}`, the ledger says `{signed.person}`")
    if set(matter.for_tenants) != set(signed.tenants):
        yield Objection(Dimension.TENANT, about, "it speaks for other tenants than the person who commanded it")
    if signed.changes is not None and mandates.digest_of([s.change for s in matter.steps]) != signed.changes:
        yield Objection(Dimension.FACTS, about, "its changes are not those that the person wrote")


def _change(matter: Matter, change: Change, before: Snapshot, after: Snapshot, at: datetime) -> Iterator[Objection]:
    """By what it did, whatever its kind says of itself: its target, and each workload that is no longer as it was."""
    target = change.target()
    for was, now in _written(change, before, after):
        yield from _workload(matter, was, now, after, at)
        if isinstance(change, CopyWorkload) and _is_the_clusters(now.namespace):
            yield Objection(Dimension.TENANT, f"workload/{now.id}", "its namespace is the cluster's own")
    if target.kind is ThingKind.NODE:
        yield from _node(matter, NodeId(target.id), before)
    if isinstance(change, ApplyManifest | DeleteObject):
        yield from _object(matter, change, before.facts)


def _written(change: Change, before: Snapshot, after: Snapshot) -> Iterator[tuple[Workload, Workload]]:
    """The workload that is the target; what is there that was not; or what on the target node is not as it was. And
    whoever is in a gang with a replica that left its place.
    """
    target, names = change.target(), set[WorkloadId]()
    if isinstance(change, CopyWorkload):
        near = {w.id for b in change.bindings for w in after.workloads_on(b.node)}
        names = {n for n in near if before.workload(n) is None}
    elif target.kind is ThingKind.WORKLOAD:
        names = {WorkloadId(target.id)}
    elif target.kind is ThingKind.NODE:
        names = {w.id for w in before.workloads_on(NodeId(target.id)) if after.workload(w.id) != w}
    broken = {g for name in names if (w := before.workload(name)) is not None for g in _left(w, after)}
    names |= {mate.id for gang in broken for mate in before.in_gang(gang)}
    for name in sorted(names):
        was, now = before.workload(name), after.workload(name)
        some = was or now
        if some is not None:
            yield was or _none_of(some), now or _none_of(some)


def _left(was: Workload, after: Snapshot) -> set[GangId]:
    """The gangs of those replicas that are no longer where they were; of equal ones all, once any moves."""
    now = after.workload(was.id)
    held = now.bindings if now is not None else ()
    rolled = was.counted and any(b not in was.bindings for b in held)
    out = [b for b in was.bindings if rolled or b not in held]
    return {g.id for g in was.gangs for b in out if not g.replicas or b.replica in g.replicas}


def _none_of(workload: Workload) -> Workload:
    return workload.model_copy(update={"replicas": 0, "bindings": ()})


def _node(matter: Matter, node: NodeId, before: Snapshot) -> Iterator[Objection]:
    about = f"node/{node}"
    users = [w.tenant for w in before.workloads_on(node)]
    if matter.for_tenants and (not users or any(t not in matter.for_tenants for t in users)):
        yield Objection(Dimension.TENANT, about, "it is not a node that they alone use")
    if not _stands(before, node):
        yield Objection(Dimension.FACTS, about, "its place is not a signed fact")


def _workload(matter: Matter, was: Workload, now: Workload, after: Snapshot, at: datetime) -> Iterator[Objection]:
    about = f"workload/{now.id}"
    if matter.for_tenants and now.tenant not in matter.for_tenants:
        yield Objection(Dimension.TENANT, about, "it belongs to another tenant than they act for")
    fresh = [b.node for b in now.bindings if b not in was.bindings]
    if not _owned(after.facts, now) or not all(_stands(after, n) for n in fresh):
        yield Objection(Dimension.FACTS, about, "its owner or its new place is not a signed fact")
    if fresh or now.replicas > was.replicas:
        yield from _sovereign(after.facts, now, about)
        if _crowded(after, now, fresh):
            yield Objection(Dimension.TENANT, about, "it would stand too close to another tenant")
        if _outlived(after.facts, now, at):
            yield Objection(Dimension.LEGAL, about, "an instrument by which its data may be there has ended")
        if _borrows(after.facts, now, at):
            yield Objection(Dimension.TENANT, about, "it would use another tenant's data without a grant")


def _object(matter: Matter, change: ApplyManifest | DeleteObject, facts: Facts) -> Iterator[Objection]:
    """Read off the manifest that is written, and off the one that is taken away."""
    manifest: Any = change.manifest if isinstance(change, ApplyManifest) else change.before.manifest
    space = manifest["metadata"]["namespace"]
    about = f"object/{change.target().id}"
    claims = [t for t in facts.tenants for n in t.namespaces if n.cluster == change.cluster and n.name == space]
    if matter.for_tenants and (not claims or claims[-1].id not in matter.for_tenants):
        yield Objection(Dimension.TENANT, about, "it belongs to another tenant than they act for")
    if _is_the_clusters(space):
        yield Objection(Dimension.TENANT, about, "its namespace is the cluster's own")
    if not claims or all(c.id != change.cluster for c in facts.clusters):
        yield Objection(Dimension.FACTS, about, "its owner or its cluster is not a signed fact")
    if isinstance(change, ApplyManifest):
        allowed = claims[-1].residency if claims else Residency()
        yield from _outside(facts, change.cluster, about, lambda limit: set(limit(allowed)))


def _is_the_clusters(namespace: str) -> bool:
    return re.match(r"kube-|openshift-|.*-(system|operator)$", namespace) is not None


def _owned(facts: Facts, workload: Workload) -> bool:
    claims = [t.id for t in facts.tenants for n in t.namespaces if (n.cluster, n.name) == _seat(workload)]
    owner = claims[-1] if claims else None
    datasets = {d.id for d in facts.datasets}
    known = any(c.id == workload.cluster for c in facts.clusters)
    return known and owner == workload.tenant and all(d in datasets for d in workload.datasets)


def _seat(workload: Workload) -> tuple[ClusterId, str]:
    return workload.cluster, workload.namespace


def _stands(snapshot: Snapshot, node: NodeId) -> bool:
    """Whether facts place the node, and its cluster says the same site."""
    found, rack = snapshot.node(node), snapshot.facts.rack_of.get(node)
    clusters = [c for c in snapshot.facts.clusters if found is not None and c.id == found.cluster]
    return rack is not None and bool(clusters) and clusters[0].site == snapshot.facts.rack[rack].site


def _sovereign(facts: Facts, workload: Workload, about: str) -> Iterator[Objection]:
    yield from _outside(facts, workload.cluster, about, lambda limit: _allowed(facts, workload, limit))


def _outside(
    facts: Facts, cluster: ClusterId, about: str, allowed: Callable[[_Limit], set[Country]]
) -> Iterator[Objection]:
    places = _exposed_places(facts, cluster)
    powers = _exposed_powers(facts, cluster)
    hands = _exposed_hands(facts, cluster)
    keys = _exposed_keys(facts, cluster)
    axes: tuple[tuple[Dimension, set[Country], _Limit], ...] = (
        (Dimension.GEOGRAPHIC, places, lambda r: r.geographic),
        (Dimension.LEGAL, powers, lambda r: r.legal),
        (Dimension.OPERATIONAL, hands, lambda r: r.operational),
        (Dimension.KEY, keys, lambda r: r.key or tuple(keys)),
    )
    for dimension, exposed, limit in axes:
        if not exposed or not exposed <= allowed(limit):
            yield Objection(dimension, about, f"`{cluster}` is outside its limits or unknown")


def _allowed(facts: Facts, workload: Workload, limit: _Limit) -> set[Country]:
    """What everybody who has a say allows; nothing when one of them is unknown."""
    tenants = [t.residency for t in facts.tenants if t.id == workload.tenant]
    known = {d.id for d in facts.datasets}
    datasets = [d.residency for d in facts.datasets if d.id in _ancestry(facts, workload)]
    if len(tenants) != 1 or not known.issuperset(workload.datasets):
        return set()
    own = [workload.contract.residency] if workload.contract.residency is not None else []
    allowed = set(limit(tenants[0]))
    for residency in (*datasets, *own):
        allowed &= set(limit(residency))
    return allowed


def _ancestry(facts: Facts, workload: Workload) -> set[DatasetId]:
    """Its data and all that it was made from and not declassified of, grown until it stands still."""
    held = set(workload.datasets)
    while True:
        made = {(d, p) for d in facts.datasets if d.id in held for p in d.derived_from}
        grown = held | {p for d, p in made if d.declassified is None or p not in d.declassified.of}
        if grown == held:
            return held
        held = grown


def _borrows(facts: Facts, workload: Workload, at: datetime) -> bool:
    """Whether any of that is somebody else's who has not granted it."""
    granted = {
        g.dataset
        for g in facts.grants
        if g.to == workload.tenant and at < g.valid_until and workload.cluster in (g.clusters or (workload.cluster,))
    }
    needed = {d.id for d in facts.datasets if d.tenant != workload.tenant} & _ancestry(facts, workload)
    return not needed <= granted


def _outlived(facts: Facts, workload: Workload, at: datetime) -> bool:
    """Whether its data reaches a country that instruments name of which none is in force."""
    places, powers = _exposed_places(facts, workload.cluster), _exposed_powers(facts, workload.cluster)
    for dataset in facts.datasets:
        if dataset.id in _ancestry(facts, workload):
            named = {c for t in dataset.transfers for c in t.to}
            alive = {c for t in dataset.transfers if at < t.valid_until for c in t.to}
            if (named - alive) & (places | powers | _exposed_hands(facts, workload.cluster)):
                return True
    return False


def _exposed_places(facts: Facts, name: ClusterId) -> set[Country]:
    """Where bytes come to rest; empty when anything of it is unknown."""
    for cluster in facts.clusters:
        if cluster.id == name:
            site = next(s for s in facts.sites if s.id == cluster.site)
            kept = (site.replicas_in, site.backups_in, site.telemetry_in)
            stored = {site.country, *cluster.control_plane_in}
            return stored.union(*kept) if all(kept) else set()
    return set()


def _exposed_powers(facts: Facts, name: ClusterId) -> set[Country]:
    """Who can compel: the closure over control, computed by growing the set of entities until it stands still."""
    for cluster in facts.clusters:
        if cluster.id == name:
            site = next(s for s in facts.sites if s.id == cluster.site)
            held: set[EntityId] = {site.owner, cluster.operator, cluster.key_holder, cluster.update_authority}
            return _powers_over(facts, held | set(cluster.subprocessors))
    return set()


def _powers_over(facts: Facts, held: set[EntityId]) -> set[Country]:
    while (grown := held | {p for e in facts.entities if e.id in held for p in e.parents}) != held:
        held = grown
    return {c for e in facts.entities if e.id in held for c in (e.seat, *e.compelled_by)}


def _exposed_keys(facts: Facts, name: ClusterId) -> set[Country]:
    """Who can compel whoever holds the keys."""
    return {c for k in facts.clusters if k.id == name for c in _powers_over(facts, {k.key_holder})}


def _exposed_hands(facts: Facts, name: ClusterId) -> set[Country]:
    """Who can act; empty when anything of it is unknown."""
    for cluster in facts.clusters:
        if cluster.id == name:
            acting = (cluster.update_authority, cluster.stop_authority)
            seats = {e.seat for e in facts.entities if e.id in acting}
            known = cluster.admins_in and cluster.support_in
            return {*cluster.admins_in, *cluster.support_in, *seats} if known else set()
    return set()


def _crowded(after: Snapshot, workload: Workload, fresh: Iterable[NodeId]) -> bool:
    own = _promise(after.facts, workload.tenant)
    for node in fresh:
        for other in _others(after, (node,), workload.tenant):
            theirs = _promise(after.facts, other)
            if max(own, theirs) >= 1 or _apart(after.facts, workload.tenant, other):
                return True
        rack = after.facts.rack_of.get(node)
        near = _others(after, after.facts.rack[rack].nodes if rack else (), workload.tenant)
        if near and max(own, *(_promise(after.facts, t) for t in near)) >= 2:
            return True
    sharing = {t.id for t in after.facts.tenants for n in t.namespaces if n.cluster == workload.cluster}
    return any(max(own, _promise(after.facts, t)) >= 3 for t in sharing - {workload.tenant}) or own > 3


def _others(snapshot: Snapshot, nodes: Iterable[NodeId], own: TenantId) -> set[TenantId]:
    return {w.tenant for n in nodes if snapshot.node(n) is not None for w in snapshot.workloads_on(n)} - {own}


def _promise(facts: Facts, tenant: TenantId) -> int:
    """How far apart the tenant must stand; an unknown tenant further than anything."""
    levels = [_LEVEL[t.isolation] for t in facts.tenants if t.id == tenant]
    return levels[0] if levels else 4


def _apart(facts: Facts, one: TenantId, other: TenantId) -> bool:
    return any(
        (t.id == one and other in t.apart_from) or (t.id == other and one in t.apart_from) for t in facts.tenants
    )
