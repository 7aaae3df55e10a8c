"""The second opinion: the tier-0 invariants once more, in plain Python, off the snapshot itself.

It shares no code with the law's read set: not `context`, not `sovereignty`, not `neighbours`, not `playing`. Gate and
executor ask it beside Cedar, and a permit needs both. Property tests hold the two against each other. It knows tiers
1 and 2 not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from estate import effects
from estate.changes import (
    ApplyManifest,
    Change,
    CopyWorkload,
    DeleteObject,
    ReleaseCapacity,
    RepartitionAccelerator,
    ReserveCapacity,
    ScaleMachineGroup,
)
from estate.effects import Effect, Step
from estate.identities import Role, Subject, SubjectKind
from estate.ids import ClusterId, Country, GangId, NodeId, TenantId, WorkloadId
from estate.law import DataClass, Facts, Isolation, Residency
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.things import ThingKind
from estate.uses.clusters import MachineGroup
from estate.uses.reservations import Reservation
from estate.uses.running import ComponentSort
from estate.verdicts import Dimension
from estate.workloads import Workload
from policies import kernel_readings as readings
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
    found.update(_strangers(matter, base.facts, whole, now))
    if matter.for_tenants and not readings.told_of(matter.told, base) <= set(matter.for_tenants):
        found.add(Objection(Dimension.TENANT, whole, "its evidence tells of other tenants than it is for"))
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
            found.update(_unseen_beyond(matter, matter.steps[number - first :], base, running, whole))
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


def _strangers(matter: Matter, facts: Facts, about: str, now: datetime) -> Iterator[Objection]:
    """Agents, models and tools that the facts do not know as they are: by sort, id, digest and time."""
    for sort, name, content in _made(matter):
        known = [r for r in facts.registrations if r.id == name and r.sort is sort]
        fault = "" if known else "is not registered"
        for found in known:
            if found.valid_until is not None and found.valid_until <= now:
                fault = "is registered no more"
            if content != found.content and (content is not None or sort is not ComponentSort.MODEL):
                fault = f"is `{content}`, not `{found.content}`"
        if fault:
            yield Objection(Dimension.MODEL_REACH, about, f"{sort.value} `{name}` {fault}")


def _made(matter: Matter) -> set[tuple[ComponentSort, str, str | None]]:
    """Who had a part in it, its proposer and its mind among them whether they are named or not."""
    if matter.vouched or matter.proposer.kind is not SubjectKind.AGENT:
        return set()
    told: set[tuple[ComponentSort, str, str | None]] = {(m.sort, m.id, m.content) for m in matter.made_by}
    silent = []
    if told or not matter.supposed:
        silent.append((ComponentSort.AGENT, matter.proposer.name))
    if matter.mind is not None:
        silent.append((ComponentSort.MODEL, matter.mind))
    return told | {(s, n, None) for s, n in silent if (s, n) not in {t[:2] for t in told}}


def _unseen(matter: Matter, change: Change, before: Snapshot, after: Snapshot, about: str) -> Iterator[Objection]:
    """Work that a maker plans for and may not see, and data of a class that it may not see."""
    facts, who = before.facts, {(sort, name) for sort, name, _ in _made(matter)}
    if matter.mind is not None:
        who.add((ComponentSort.MODEL, matter.mind))
    tenants = {was.tenant for was, _ in _written(change, before, after)}
    secret = {c for was, _ in _written(change, before, after) for c in _classes(facts, was)}
    if isinstance(change, ApplyManifest | DeleteObject):
        tenants |= {t.id for t in facts.tenants for n in t.namespaces if (n.cluster, n.name) == _space(change)}
    for sort, name in sorted(who):
        known = [r for r in facts.registrations if r.id == name and r.sort is sort]
        seen, cleared = ({t for r in known for t in r.tenants}, {c for r in known for c in r.data_classes})
        if tenants - seen or (known and secret - cleared):
            yield Objection(Dimension.MODEL_REACH, about, f"{sort.value} `{name}` may not see what this is about")


def _classes(facts: Facts, workload: Workload) -> set[DataClass]:
    """Of its data and all that it was made from; the most secret where nobody says."""
    kinds = {d.id: d.data_class for d in facts.datasets}
    return {kinds.get(name) or DataClass.RESTRICTED for name in readings.ancestry(facts, workload)}


def _space(change: ApplyManifest | DeleteObject) -> tuple[ClusterId, str]:
    manifest: Any = change.manifest if isinstance(change, ApplyManifest) else change.before.manifest
    return change.cluster, manifest["metadata"]["namespace"]


def _unseen_beyond(
    matter: Matter, left: Iterable[Step], base: Snapshot, running: Snapshot, about: str
) -> Iterator[Objection]:
    """The same of steps that come to nothing: what a model planned it has seen, whatever becomes of it."""
    seen = {t for r in base.facts.registrations if r.id == matter.mind for t in r.tenants}
    names = {w for step in left for w in step.change.disrupts(running)} if matter.mind is not None else set()
    for name in sorted(names):
        work = base.workload(name) or running.workload(name)
        if work is not None and work.tenant not in seen:
            yield Objection(Dimension.MODEL_REACH, about, f"model `{matter.mind}` may not see work of `{work.tenant}`")


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
        if isinstance(change, CopyWorkload) and readings.is_the_clusters(now.namespace):
            yield Objection(Dimension.TENANT, f"workload/{now.id}", "its namespace is the cluster's own")
    if target.kind is ThingKind.NODE:
        yield from _node(matter, NodeId(target.id), before)
    if isinstance(change, RepartitionAccelerator) and before.workloads_on(change.node):
        yield Objection(Dimension.TENANT, f"node/{change.node}", "its accelerators would be cut under running work")
    if isinstance(change, ApplyManifest | DeleteObject):
        yield from _object(matter, change, before.facts)
    if isinstance(change, ReserveCapacity | ReleaseCapacity):
        yield from _reservation(matter, change, before)
    if isinstance(change, ScaleMachineGroup):
        yield from _machines(matter, change, before)


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
        if _crowded(after, now.tenant, now.cluster, fresh):
            yield Objection(Dimension.TENANT, about, "it would stand too close to another tenant")
        if readings.outlived(after.facts, now, at):
            yield Objection(Dimension.LEGAL, about, "an instrument by which its data may be there has ended")
        if readings.borrows(after.facts, now, at):
            yield Objection(Dimension.TENANT, about, "it would use another tenant's data without a grant")
        if readings.mounts(after.facts, now) or readings.joins(after.facts, now, fresh):
            yield Objection(Dimension.TENANT, about, "it would be attached to storage or a network that is not its own")


def _object(matter: Matter, change: ApplyManifest | DeleteObject, facts: Facts) -> Iterator[Objection]:
    """Read off the manifest that is written, and off the one that is taken away."""
    manifest: Any = change.manifest if isinstance(change, ApplyManifest) else change.before.manifest
    space = manifest["metadata"]["namespace"]
    about = f"object/{change.target().id}"
    claims = [t for t in facts.tenants for n in t.namespaces if n.cluster == change.cluster and n.name == space]
    if matter.for_tenants and (not claims or claims[-1].id not in matter.for_tenants):
        yield Objection(Dimension.TENANT, about, "it belongs to another tenant than they act for")
    if readings.is_the_clusters(space):
        yield Objection(Dimension.TENANT, about, "its namespace is the cluster's own")
    if not claims or all(c.id != change.cluster for c in facts.clusters):
        yield Objection(Dimension.FACTS, about, "its owner or its cluster is not a signed fact")
    if isinstance(change, ApplyManifest):
        allowed = claims[-1].residency if claims else Residency()
        yield from _outside(facts, change.cluster, about, lambda limit: set(limit(allowed)))
        if readings.reaches_out(facts, claims[-1].id if claims else TenantId(""), change.cluster, manifest):
            yield Objection(Dimension.TENANT, about, "it names a network that is not its tenant's")


def _reservation(matter: Matter, change: ReserveCapacity | ReleaseCapacity, before: Snapshot) -> Iterator[Objection]:
    """For whom it says to be, and what stands on the nodes that it names."""
    about, facts = f"reservation/{change.reservation}", before.facts
    holder = change.terms.tenant if isinstance(change, ReserveCapacity) else change.tenant
    if matter.for_tenants and holder not in matter.for_tenants:
        yield Objection(Dimension.TENANT, about, "it is of another tenant than they act for")
    if isinstance(change, ReleaseCapacity):
        return
    nodes = [s.node for s in change.terms.seats]
    clusters = {n.cluster for name in nodes if (n := before.node(name)) is not None}
    there = {n.cluster for t in facts.tenants if t.id == holder for n in t.namespaces}
    if not clusters or not clusters <= there or not all(_stands(before, n) for n in nodes):
        yield Objection(Dimension.FACTS, about, "its holder or its place is not a signed fact")
    allowed = next((t.residency for t in facts.tenants if t.id == holder), Residency())
    for cluster in sorted(clusters):
        yield from _outside(facts, cluster, about, lambda limit: set(limit(allowed)))
        if _crowded(before, holder, cluster, nodes):
            yield Objection(Dimension.TENANT, about, "it would be too close to another tenant")


def _machines(matter: Matter, change: ScaleMachineGroup, before: Snapshot) -> Iterator[Objection]:
    """Whose machines come, and to whom; and what runs where they leave."""
    about, facts = f"machine-group/{change.group}", before.facts
    known = [p for p in facts.pools if p.id == change.group]
    if matter.for_tenants and not any(p.tenant in matter.for_tenants for p in known):
        yield Objection(Dimension.TENANT, about, "it is not a group of theirs alone")
    if len(known) != 1 or not readings.is_provided(facts, known[0], change.group):
        yield Objection(Dimension.FACTS, about, "whose machines come, or where they stand, is not a signed fact")
    reserved = {s.node for r in before.stock.all("reservation") if isinstance(r, Reservation) for s in r.terms.seats}
    for name in change.leaving:
        node = before.node(name)
        if node is None or not node.cordoned or before.workloads_on(name) or name in reserved:
            yield Objection(Dimension.CONTRACT, about, f"`{name}` is not shut and empty")
    groups = [g for g in before.stock.all("machine-group") if isinstance(g, MachineGroup) and g.id == change.group]
    if known and any(change.machines > (g.wanted or 0) for g in groups):
        here = [t.residency for t in facts.tenants if any(n.cluster == known[0].cluster for n in t.namespaces)]
        for_all = here or [Residency()]
        yield from _outside(
            facts, known[0].cluster, about, lambda limit: set.intersection(*(set(limit(r)) for r in for_all))
        )


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
    places = readings.exposed_places(facts, cluster)
    powers = readings.exposed_powers(facts, cluster)
    hands = readings.exposed_hands(facts, cluster)
    keys = readings.exposed_keys(facts, cluster)
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
    datasets = [d.residency for d in facts.datasets if d.id in readings.ancestry(facts, workload)]
    if len(tenants) != 1 or not known.issuperset(workload.datasets):
        return set()
    own = [workload.contract.residency] if workload.contract.residency is not None else []
    allowed = set(limit(tenants[0]))
    for residency in (*datasets, *own):
        allowed &= set(limit(residency))
    return allowed


def _crowded(after: Snapshot, tenant: TenantId, cluster: ClusterId, fresh: Iterable[NodeId]) -> bool:
    own = _promise(after.facts, tenant)
    for node in fresh:
        for other in _others(after, (node,), tenant):
            theirs = _promise(after.facts, other)
            if max(own, theirs) >= 1 or _apart(after.facts, tenant, other):
                return True
        rack = after.facts.rack_of.get(node)
        near = _others(after, after.facts.rack[rack].nodes if rack else (), tenant)
        if near and max(own, *(_promise(after.facts, t) for t in near)) >= 2:
            return True
    sharing = {t.id for t in after.facts.tenants for n in t.namespaces if n.cluster == cluster}
    return any(max(own, _promise(after.facts, t)) >= 3 for t in sharing - {tenant}) or own > 3


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
