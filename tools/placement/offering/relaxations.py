"""What would let an ask in: one thing changed, the question put again, and kept only if everything then fits.

Called by `explaining` and `offers`. A search without one constraint finds the nodes that miss it least; the change is
made to the estate or to the ask (`applied`), and the engine places again under all constraints. So each relaxation was
computed, and says in figures what it takes. The law is none: no axis of sovereignty is ever relaxed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from estate import slicing
from estate.gangs import together
from estate.hardware import Health
from estate.ids import NodeId, WorkloadId
from estate.law import Facts
from estate.law.tenants import Namespace
from estate.machines import Software
from estate.records import Model
from estate.snapshots import Snapshot
from estate.units import Mebibytes, Watts
from estate.workloads import BandwidthClass, Binding, Workload
from tools.placement import relaxing
from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints import machines, sizes
from tools.placement.constraints.devices import least_limit
from tools.placement.constraints.kinds import AXES, Constraint
from tools.placement.constraints.localities import most_rails
from tools.placement.constraints.power import lacking_watts
from tools.placement.constraints.rules import models_on
from tools.placement.port import Ask, Engine, NoPlacement, Placement
from tools.placement.searching import any_of, search
from tools.placement.wishes import Wish

_MOST_ASIDE = 4
"""Replicas that are moved aside for one."""
_MOST_CUT = 8
"""Nodes that are looked at for boards to be cut."""
_UNCUT = frozenset({Constraint.FREE, Constraint.SIZE, Constraint.MODEL, Constraint.MEMORY, Constraint.LOCALITY})
"""What may be otherwise once boards are cut."""
_THEIRS = frozenset(
    {
        Constraint.AVOID,
        Constraint.SITE,
        Constraint.NVLINK,
        Constraint.TOGETHER,
        Constraint.SPREAD,
        Constraint.MODEL,
        Constraint.MEMORY,
        Constraint.LIMIT,
        Constraint.SIZE,
        Constraint.LOCALITY,
        Constraint.RAILS,
        Constraint.CLUSTER,
    }
)
"""What whoever asks can change by themselves."""


class Relaxation(Model):
    """One change that would let it in."""

    constraint: str
    """What it relaxes; `replicas` where less is asked for."""
    says: str
    """In the hardware's words."""
    plain: str
    """In the contract's own words; empty where only the platform's people can do it."""


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A relaxation with the estate and the ask that it leads to, and the homes that are found there."""

    relaxation: Relaxation
    snapshot: Snapshot
    ask: Ask
    placement: Placement

    @property
    def theirs(self) -> bool:
        """Whether whoever asks can do it by themselves."""
        return bool(self.relaxation.plain)


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked of which estate, and by which engine it is answered."""

    engine: Engine
    wish: Wish

    @property
    def ask(self) -> Ask:
        """The ask."""
        return self.wish.ask

    @property
    def snapshot(self) -> Snapshot:
        """The estate."""
        return self.wish.snapshot

    @property
    def workload(self) -> Workload:
        """Whose replicas."""
        return self.wish.workload


type _Change = tuple[Snapshot, Ask]


def relaxations(case: Case) -> Iterator[Relaxed]:
    """Every single change that was found to let it in, from the cheapest; less of the same comes last."""
    asked = search(case.wish).last
    for constraint in Constraint:
        if constraint in asked and constraint not in AXES.values():
            yield from _one(case, constraint)
    yield from _recut(case)
    yield from _fewer(case)


def _one(case: Case, constraint: Constraint) -> Iterator[Relaxed]:
    if constraint is Constraint.CLUSTER:
        yield from _whole(case)
        return
    attempt = search(case.wish, constraint, relaxing.misses(case.wish, constraint))
    if not attempt.complete:
        return
    if constraint is Constraint.FREE:
        yield from _aside(case, attempt)
    says = relaxing.words(case.wish, attempt, constraint)
    yield from _tried(case, constraint, says, _plain(case, attempt, constraint), _APPLIED[constraint](case, attempt))


def _tried(case: Case, constraint: Constraint | str, says: str, plain: str, change: _Change) -> Iterator[Relaxed]:
    """The relaxation, if everything fits once it is made."""
    answer = case.engine.place(*change)
    if isinstance(answer, Placement):
        yield Relaxed(Relaxation(constraint=str(constraint), says=says, plain=plain), *change, answer)


def _whole(case: Case) -> Iterator[Relaxed]:
    if case.wish.whole:
        return
    ask = replace(case.ask, replicas=tuple(range(case.workload.replicas)))
    says = f"move all {case.workload.replicas} replicas of `{case.workload.id}` together"
    yield from _tried(case, Constraint.CLUSTER, says, f"{says} to another cluster", (case.snapshot, ask))


def _fewer(case: Case) -> Iterator[Relaxed]:
    """As many replicas as fit, and replicas as large as fit."""
    attempt = search(case.wish)
    if attempt.bindings:
        few = replace(case.ask, replicas=tuple(sorted(case.ask.replicas))[: len(attempt.bindings)])
        says = f"ask for {len(few.replicas)} instead of {attempt.wanted} replicas"
        yield from _tried(case, "replicas", says, says, (case.snapshot, few))
    needed = case.wish.needed
    for size in range(needed - 1, 0, -1):
        snapshot = _with_contract(case, accelerators_per_replica=size)
        says = f"ask for {size} instead of {needed} accelerators in each replica"
        found = list(_tried(case, "replicas", says, says, (snapshot, case.ask)))
        if found:
            yield found[0]
            return


def _recut(case: Case) -> Iterator[Relaxed]:
    """Boards that nobody holds are cut, or cut anew, into the slices that are asked for."""
    profile, wish = case.workload.contract.profile, case.wish
    if not profile:
        return
    refused = search(wish).last
    others = any_of({c: m for c, m in refused.items() if c not in _UNCUT}, len(wish.columns.ids))
    for row in np.flatnonzero(~others)[:_MOST_CUT]:
        node = case.snapshot.node(wish.columns.ids[row])
        assert node is not None
        made = slicing.cut(node, case.snapshot.taken(node.id), profile, wish.needed * len(case.ask.replicas))
        says = f"cut free accelerators of `{node.id}` anew, into slices `{profile}`"
        change = case.snapshot.with_node(made or node), case.ask
        found = [] if made is None else list(_tried(case, Constraint.SIZE, says, "", change))
        if found:
            yield found[0]
            return


def _aside(case: Case, attempt: Attempt) -> Iterator[Relaxed]:
    """Work that is moved away from the devices that are missing, where it has another home."""
    stops = _holders(case, attempt)
    if not 0 < sum(map(len, stops.values())) <= _MOST_ASIDE:
        return
    running, targets = case.snapshot, frozenset(b.node for b in attempt.bindings)
    for name, bindings in stops.items():
        mover = running.workload(name)
        assert mover is not None
        answer = case.engine.place(running, Ask(name, tuple(b.replica for b in bindings), avoid=targets))
        if isinstance(answer, NoPlacement):
            return
        home = running.node(answer.bindings[0].node)
        if home is None or home.cluster != mover.cluster:
            return
        moved = {b.replica for b in bindings}
        kept = tuple(b for b in mover.bindings if b.replica not in moved)
        running = running.with_workload(mover.model_copy(update={"bindings": (*kept, *answer.bindings)}))
    moves = ", ".join(
        f"`{n}` ({_replicas(b)}) off {', '.join(sorted({f'`{x.node}`' for x in b}))}" for n, b in stops.items()
    )
    yield from _tried(case, Constraint.FREE, f"move {moves} to where there is room", "", (running, case.ask))


def _replicas(bindings: Sequence[Binding]) -> str:
    return f"{len(bindings)} replica{'s' if len(bindings) > 1 else ''}"


def _holders(case: Case, attempt: Attempt) -> dict[WorkloadId, tuple[Binding, ...]]:
    """Who holds the devices that the attempt took though they are taken, with their gangs; the asked ones left out."""
    found: dict[WorkloadId, list[Binding]] = {}
    for wanted in attempt.bindings:
        for workload in case.snapshot.workloads_on(wanted.node):
            own = set(case.ask.replicas) if workload.id == case.workload.id else set[int]()
            held = [b for b in workload.on(wanted.node) if b.replica not in own]
            found.setdefault(workload.id, []).extend(b for b in held if {*b.accelerators} & {*wanted.accelerators})
    return dict(together(case.snapshot, {w: b for w, b in found.items() if b}))


def _plain(case: Case, attempt: Attempt, constraint: Constraint) -> str:
    """What the holder of the contract would have to accept; empty where it is not theirs to change."""
    if constraint not in _THEIRS:
        return ""
    columns, rows = case.wish.columns, np.array(attempt.rows)
    match constraint:
        case Constraint.SITE:
            sites = sorted({columns.names.sites[columns.site[r]] for r in attempt.rows})
            return f"allow the region {', '.join(sites)}"
        case Constraint.MODEL:
            return f"accept the model {', '.join(models_on(columns, rows))}"
        case Constraint.MEMORY:
            return f"accept accelerators of {_least_memory(case, rows)} MiB"
        case Constraint.LIMIT:
            return f"accept accelerators that are limited to {least_limit(case.wish, attempt)} W"
        case Constraint.SIZE:
            return f"accept {sizes.called(sizes.instead(case.wish))}"
        case Constraint.LOCALITY:
            return "accept accelerators that are not all near to each other"
        case Constraint.RAILS:
            return f"accept {_rails(case, attempt)} rails for each replica"
        case Constraint.TOGETHER:
            return "accept replicas that stand further apart"
        case Constraint.SPREAD:
            return "accept replicas that may fail together"
        case Constraint.NVLINK:
            return "accept accelerators that are not all directly connected"
        case _:
            return "do not rule out so many places"


def _least_memory(case: Case, rows: Ints) -> int:
    columns = case.wish.columns
    return int(columns.memory[rows][columns.exists[rows]].min())


def _with_contract(case: Case, **over: object) -> Snapshot:
    contract = case.workload.contract.model_copy(update=over)
    return case.snapshot.with_workload(case.workload.model_copy(update={"contract": contract}))


def _with_nodes(case: Case, attempt: Attempt, **over: object) -> _Change:
    running = case.snapshot
    for name in dict.fromkeys(b.node for b in attempt.bindings):
        node = running.node(name)
        assert node is not None
        running = running.with_node(node.model_copy(update=over))
    return running, case.ask


def _lifted(case: Case, attempt: Attempt) -> _Change:
    """Without the taints that repel it."""
    running = case.snapshot
    for name in dict.fromkeys(b.node for b in attempt.bindings):
        node = running.node(name)
        assert node is not None
        borne = tuple(t for t in node.taints if not t.effect.closes or case.workload.tolerates(t))
        running = running.with_node(node.model_copy(update={"taints": borne}))
    return running, case.ask


def _allowing(case: Case, attempt: Attempt) -> _Change:
    columns = case.wish.columns
    sites = {columns.names.sites[columns.site[r]] for r in attempt.rows}
    return case.snapshot, replace(case.ask, sites=tuple(sorted({*case.ask.sites, *sites})))


def _accepting(case: Case, attempt: Attempt) -> _Change:
    models = models_on(case.wish.columns, np.array(attempt.rows))
    contract = case.workload.contract
    named = contract.models or tuple(
        m for m, v in zip(case.wish.columns.models, case.wish.columns.makers, strict=True) if contract.accepts(m, v)
    )
    return _with_contract(case, models=tuple(sorted({*named, *models})), vendors=()), case.ask


def _freed(case: Case, attempt: Attempt) -> _Change:
    """The devices are freed: whoever holds them is no longer there."""
    running = case.snapshot
    for name, bindings in _holders(case, attempt).items():
        holder = running.workload(name)
        assert holder is not None
        running = running.with_workload(holder.without(bindings))
    return running, case.ask


def _powered(case: Case, attempt: Attempt) -> _Change:
    """The racks get the watts that they lack."""
    racks = {r.id: r for r in case.snapshot.facts.racks}
    for rack, watts in lacking_watts(case.wish, attempt).items():
        budget = Watts(racks[rack].power_budget_watts + watts)
        racks[rack] = racks[rack].model_copy(update={"power_budget_watts": budget})
    return case.snapshot.with_facts(_renewed(case.snapshot.facts, racks=tuple(racks.values()))), case.ask


def _added(case: Case, attempt: Attempt, field: str, lacking: dict[int, int]) -> _Change:
    """The nodes get the processors or the memory that they lack."""
    running = case.snapshot
    for row, lack in lacking.items():
        node = running.node(case.wish.columns.ids[row])
        assert node is not None
        running = running.with_node(node.model_copy(update={field: getattr(node, field) + lack}))
    return running, case.ask


def _rails(case: Case, attempt: Attempt) -> int:
    return min(most_rails(case.wish, attempt.rows), case.workload.contract.rails - 1)


def _speed(case: Case, attempt: Attempt) -> int:
    return case.workload.contract.rail_speed if _rails(case, attempt) else 0


def _upgraded(case: Case, attempt: Attempt) -> _Change:
    """What the contract names is installed there in the version that it needs."""
    running, required = case.snapshot, case.workload.contract.software
    for name in dict.fromkeys(b.node for b in attempt.bindings):
        node = running.node(name)
        assert node is not None
        old = {r.name for r in required if not r.met_by(node.software)}
        new = [Software(name=r.name, version=r.at_least) for r in required if r.name in old]
        kept = [s for s in node.software if s.name not in old]
        software = tuple(sorted((*kept, *new), key=lambda s: s.name))
        running = running.with_node(node.model_copy(update={"software": software}))
    return running, case.ask


def _cleared(case: Case, attempt: Attempt) -> _Change:
    """Other tenants' work leaves the racks of these nodes."""
    running = case.snapshot
    for node in _near(case, attempt):
        for workload in running.workloads_on(node):
            if workload.tenant != case.workload.tenant:
                running = running.with_workload(workload.without(workload.on(node)))
    return running, case.ask


def _near(case: Case, attempt: Attempt) -> Iterable[NodeId]:
    """The nodes themselves, if that is enough; else their racks."""
    nodes = tuple(dict.fromkeys(b.node for b in attempt.bindings))
    racks = {r for n in nodes if (r := case.snapshot.rack_of(n)) is not None}
    whole = tuple(n for r in sorted(racks) for n in case.snapshot.facts.rack[r].nodes)
    return whole or nodes


def _given(case: Case, attempt: Attempt) -> _Change:
    """The namespace of those clusters becomes the tenant's."""
    columns, facts, tenant = case.wish.columns, case.snapshot.facts, case.workload.tenant
    known = facts.tenant.get(tenant)
    if known is None:
        return case.snapshot, case.ask
    clusters = {columns.names.clusters[columns.cluster[r]] for r in attempt.rows}
    spaces = {(n.cluster, n.name) for n in known.namespaces} | {(c, case.workload.namespace) for c in clusters}
    held = {s for s in spaces if facts.tenant_of.get(s) in (None, tenant)}
    namespaces = tuple(Namespace(cluster=c, name=n) for c, n in sorted(held))
    given = known.model_copy(update={"namespaces": namespaces})
    tenants = tuple(given if t.id == tenant else t for t in facts.tenants)
    return case.snapshot.with_facts(_renewed(facts, tenants=tenants)), case.ask


def _renewed(facts: Facts, **over: object) -> Facts:
    """A copy with these fields, made anew, so that no index of the old one is carried along."""
    fields = {name: getattr(facts, name) for name in type(facts).model_fields}
    return Facts(**fields | over)


def _stood(case: Case, attempt: Attempt) -> _Change:
    """Facts place those nodes in a rack at their cluster's site."""
    facts = case.snapshot.facts
    racks = {r.id: r for r in facts.racks}
    for name in dict.fromkeys(b.node for b in attempt.bindings):
        node = case.snapshot.node(name)
        cluster = facts.cluster.get(node.cluster) if node is not None else None
        at = facts.racks_at.get(cluster.site, ()) if cluster is not None else ()
        if not at:
            return case.snapshot, case.ask
        racks = {r.id: r.model_copy(update={"nodes": tuple(n for n in r.nodes if n != name)}) for r in racks.values()}
        racks[at[0]] = racks[at[0]].model_copy(update={"nodes": (*racks[at[0]].nodes, name)})
    return case.snapshot.with_facts(_renewed(facts, racks=tuple(racks.values()))), case.ask


_APPLIED: dict[Constraint, Callable[[Case, Attempt], _Change]] = {
    Constraint.AVOID: lambda c, a: (
        c.snapshot,
        replace(c.ask, avoid=c.ask.avoid - {b.node for b in a.bindings}),
    ),
    Constraint.SITE: _allowing,
    Constraint.CORDON: lambda c, a: _with_nodes(c, a, cordoned=False),
    Constraint.TAINT: _lifted,
    Constraint.FREE: _freed,
    Constraint.CPU: lambda c, a: _added(c, a, "millicores", machines.lacking(c.wish, a, lambda room: room.cpu)),
    Constraint.HOST_MEMORY: lambda c, a: _added(
        c, a, "allots_mebibytes", machines.lacking(c.wish, a, lambda room: room.memory)
    ),
    Constraint.RAILS: lambda c, a: (_with_contract(c, rails=_rails(c, a), rail_speed=_speed(c, a)), c.ask),
    Constraint.LOCALITY: lambda c, _: (_with_contract(c, locality=None), c.ask),
    Constraint.LIMIT: lambda c, a: (_with_contract(c, limit_watts=Watts(least_limit(c.wish, a))), c.ask),
    Constraint.SIZE: lambda c, _: (
        c.snapshot.with_workload(c.workload.model_copy(update={"contract": sizes.instead(c.wish)})),
        c.ask,
    ),
    Constraint.SOFTWARE: _upgraded,
    Constraint.POWER: _powered,
    Constraint.HEALTH: lambda c, a: _with_nodes(c, a, health=Health.HEALTHY),
    Constraint.NVLINK: lambda c, _: (_with_contract(c, bandwidth=BandwidthClass.SAME_NODE), c.ask),
    Constraint.TOGETHER: lambda c, _: (_with_contract(c, together=None), c.ask),
    Constraint.SPREAD: lambda c, _: (_with_contract(c, spread=None), c.ask),
    Constraint.MODEL: _accepting,
    Constraint.MEMORY: lambda c, a: (
        _with_contract(c, memory_mebibytes=Mebibytes(_least_memory(c, np.array(a.rows)))),
        c.ask,
    ),
    Constraint.ISOLATION: _cleared,
    Constraint.NAMESPACE: _given,
    Constraint.PLACED: _stood,
}
