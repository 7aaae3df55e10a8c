"""Two opinions of tier 0, written twice, held against each other on generated estates and changes."""

from __future__ import annotations

import ast
import inspect
from datetime import timedelta

import cedarpy
from hypothesis import given, settings
from hypothesis import strategies as st

from estate.changes import Change, CordonNode, MoveWorkload, ReplicaMove, ScaleWorkload, SetPowerCap
from estate.effects import lay_out
from estate.frozen import FrozenEstate
from estate.identities import Role
from estate.ids import ClusterId, Country, DatasetId, EntityId, NodeId, TenantId
from estate.law import Cluster, Dataset, Facts, Isolation, LegalEntity, Residency, Site, Tenant
from estate.modes import Mode
from estate.results import Refusal
from estate.verdicts import Decision, Dimension
from estate.workloads import Workload
from policies import deciding, kernel, playing
from policies.bundle import SHIPPED, Bundle
from policies.kernel import Approver
from policies.questions import Matter, Question, Standing
from tests import builders
from tests.policies.asking import MOVE_A, MOVE_A_ABROAD, law, move, question

COUNTRIES = st.sampled_from([Country(c) for c in ("DE", "FR", "US")])
FEW = st.lists(COUNTRIES, max_size=3, unique=True).map(tuple)
LIMITS = st.lists(COUNTRIES, min_size=1, max_size=3, unique=True).map(tuple) | FEW
ENTITIES = ("eu-hosting", "us-cloud", "acme", "borel", "corvus")
TENANTS = ("tenant-a", "tenant-b", "tenant-c")
NODES = [NodeId(f"{r}{n}") for r in ("eu-a", "eu-b", "us-a") for n in (1, 2, 3)]
_DEFAULT = builders.facts()


@st.composite
def residencies(draw: st.DrawFn) -> Residency:
    """Limits that are wide, narrow or missing."""
    if draw(st.booleans()):
        return builders.residency("DE", "FR", "US")
    return Residency(geographic=draw(LIMITS), legal=draw(LIMITS), operational=draw(LIMITS))


@st.composite
def entities(draw: st.DrawFn) -> tuple[LegalEntity, ...]:
    """Who controls whom, rings included."""
    parents = st.lists(st.sampled_from([EntityId(e) for e in ENTITIES]), max_size=2, unique=True).map(tuple)
    return tuple(
        e.model_copy(update={"parents": draw(parents), "compelled_by": draw(FEW) if draw(st.booleans()) else ()})
        for e in _DEFAULT.entities
    )


@st.composite
def laws(draw: st.DrawFn) -> Facts:
    """A law base with holes, contradictions and promises of every kind."""

    def site(known: Site) -> Site:
        return known if draw(st.booleans()) else known.model_copy(update={"backups_in": draw(FEW)})

    def cluster(known: Cluster) -> Cluster:
        admins = known.admins_in if draw(st.booleans()) else draw(FEW)
        return known.model_copy(update={"admins_in": admins, "key_holder": draw(st.sampled_from(ENTITIES))})

    def tenant(known: Tenant) -> Tenant:
        apart = draw(st.lists(st.sampled_from(TENANTS), max_size=1).map(tuple)) if draw(st.booleans()) else ()
        level = draw(st.sampled_from([Isolation.SHARED_NODE, Isolation.SHARED_NODE, *Isolation]))
        spaces = known.namespaces if draw(st.integers(0, 5)) else known.namespaces[:1]
        update = {"residency": draw(residencies()), "isolation": level, "apart_from": apart, "namespaces": spaces}
        return known.model_copy(update=update)

    racks = _DEFAULT.racks if draw(st.integers(0, 4)) else _DEFAULT.racks[1:]
    data = Dataset(id=DatasetId("a-records"), tenant=TenantId("tenant-a"), personal=True, residency=draw(residencies()))
    return builders.facts(
        entities=draw(entities()),
        sites=tuple(site(s) for s in _DEFAULT.sites),
        clusters=tuple(cluster(c) for c in _DEFAULT.clusters)[: draw(st.sampled_from([2, 2, 2, 1]))],
        tenants=tuple(tenant(t) for t in _DEFAULT.tenants)[: draw(st.sampled_from([3, 3, 3, 2]))],
        datasets=(data,) if draw(st.integers(0, 4)) else (),
        racks=racks,
        valid_until=builders.START + timedelta(days=draw(st.sampled_from([0, 1, 1, 1]))),
    )


@st.composite
def estates(draw: st.DrawFn) -> FrozenEstate:
    """The default machines and work under a generated law, some of it under the wrong name."""

    def work(known: Workload) -> Workload:
        space = known.namespace if draw(st.integers(0, 5)) else draw(st.sampled_from(TENANTS))
        own = draw(residencies()) if draw(st.integers(0, 3)) == 0 else None
        promise = known.contract.model_copy(update={"residency": own})
        return known.model_copy(update={"namespace": space, "contract": promise})

    return builders.estate(law_base=draw(laws()), workloads=[work(w) for w in builders.default_workloads()])


@st.composite
def changes(draw: st.DrawFn, on: FrozenEstate) -> Change:
    """A change that has a chance to have an effect."""
    workload = draw(st.sampled_from(list(on.workloads())))
    node = draw(st.sampled_from(NODES))
    match draw(st.integers(0, 5)):
        case 0:
            return CordonNode(node=node)
        case 1:
            return SetPowerCap(node=node, watts=None)
        case 2:
            return ScaleWorkload(workload=workload.id, replicas=draw(st.integers(0, 4)))
        case _:
            return _moved(draw, on, workload)


def _moved(draw: st.DrawFn, on: FrozenEstate, workload: Workload) -> Change:
    abroad = draw(st.integers(0, 3)) == 0
    there = "us-1" if workload.cluster == "eu-1" else "eu-1"
    cluster = there if abroad else workload.cluster
    targets = [n for n in NODES if (found := on.node(n)) is not None and found.cluster == cluster]
    running = {b.replica: b.node for b in workload.bindings}
    replicas = range(workload.replicas) if abroad else [draw(st.sampled_from(range(workload.replicas)))]
    needed = workload.contract.accelerators_per_replica
    moves = []
    taken: dict[NodeId, set[int]] = {}
    for replica in replicas:
        target = draw(st.sampled_from(targets))
        held = taken.setdefault(target, set(on.taken(target)))
        free = [i for i in range(8) if i not in held][:needed]
        held.update(free)
        moves.append(ReplicaMove(replica=replica, source=running.get(replica), target=target, accelerators=tuple(free)))
    return MoveWorkload(workload=workload.id, moves=tuple(moves), to_cluster=ClusterId(there) if abroad else None)


@st.composite
def questions(draw: st.DrawFn) -> Question | None:
    """A proposal laid out honestly on a generated estate; None where it has no effect there."""
    on = draw(estates())
    laid = lay_out([draw(changes(on)) for _ in range(draw(st.integers(1, 2)))], on)
    if isinstance(laid, Refusal):
        return None
    acting = draw(st.lists(st.sampled_from([TenantId(t) for t in TENANTS]), max_size=2, unique=True).map(tuple))
    proposed = builders.proposal(on=on).model_copy(update={"steps": laid.value.steps, "for_tenants": acting})
    return Question(Matter.of(proposed), on, law(), Standing(Mode.AUTOMATIC), builders.START)


def _tier_0_of_cedar(asked: Question) -> set[tuple[Dimension, str]]:
    failures = deciding.decide(asked).verdict.failures
    return {(f.dimension, f.about) for f in failures if (r := asked.bundle.rules.get(f.policy)) and r.tier == 0}


def _of_kernel(asked: Question) -> set[tuple[Dimension, str]]:
    found = kernel.objections(asked.matter, asked.snapshot, (), asked.now)
    return {(o.dimension, o.about) for o in found}


@settings(max_examples=400, deadline=None)
@given(questions())
def test_cedar_and_kernel_find_the_same_tier_0_failures(asked: Question | None) -> None:
    """Both ways: neither sees a breach that the other misses."""
    if asked is not None:
        assert _tier_0_of_cedar(asked) == _of_kernel(asked)


@settings(max_examples=100, deadline=None)
@given(questions())
def test_nothing_is_permitted_that_the_kernel_objects_to(asked: Question | None) -> None:
    if asked is not None and deciding.decide(asked).verdict.decision is Decision.PERMIT:
        assert not _of_kernel(asked)


def test_an_objection_that_cedar_does_not_share_forbids() -> None:
    """A law that lost its teeth: the kernel alone keeps the move from going abroad."""
    asked = question(builders.proposal(MOVE_A_ABROAD))
    toothless = question(builders.proposal(MOVE_A_ABROAD), bundle=_without_tier_0())
    assert deciding.decide(asked).verdict.decision is Decision.FORBID
    found = deciding.decide(toothless).verdict
    assert found.decision is Decision.FORBID
    assert set(found.policies) == {deciding.KERNEL}
    assert {f.dimension for f in found.failures} == {Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL}


def _without_tier_0() -> Bundle:
    """A bundle as no loader would give it: permits alone."""

    from policies.bundle import Bundle

    text = (SHIPPED / "tier2" / "permits.cedar").read_text(encoding="utf-8")
    shipped = law()
    return Bundle(shipped.digest, shipped.rules, cedarpy.PolicySet.from_str(text), shipped._schema)


def test_the_kernel_knows_who_may_not_approve() -> None:
    matter = Matter.of(builders.proposal(MOVE_A, on_behalf_of=builders.subject("ann")))
    base = builders.estate()
    clean = Approver(builders.subject("olga"), (Role.OPERATOR,))
    assert not kernel.objections(matter, base, [clean], builders.START)
    for bad in (
        Approver(builders.subject("ann")),
        Approver(matter.proposer),
        Approver(builders.subject("paul"), (Role.POLICY_AUTHOR,)),
    ):
        (objection,) = kernel.objections(matter, base, [bad], builders.START)
        assert objection.dimension is Dimension.APPROVAL


def test_the_kernel_sees_a_stale_plan() -> None:
    planned = builders.proposal(MOVE_A)
    hog = builders.workload(
        "c-hog",
        tenant="tenant-c",
        replicas=1,
        contract=builders.contract(8),
        bindings=(builders.binding(0, "eu-b2", *range(8)),),
    )
    base = playing.joined(builders.estate().with_workload(hog), ())
    assert {o.dimension for o in kernel.objections(Matter.of(planned), base, (), builders.START)} == {Dimension.FACTS}


def test_the_kernel_shares_no_code_with_the_read_set() -> None:
    """Independence is what a second opinion is worth."""
    imported = {
        name
        for part in ast.walk(ast.parse(inspect.getsource(kernel)))
        if isinstance(part, ast.ImportFrom) and part.module
        for name in (part.module, *(f"{part.module}.{a.name}" for a in part.names))
    }
    assert not imported & {f"policies.{m}" for m in ("context", "sovereignty", "neighbours", "playing", "bundle")}


def test_a_lawful_move_meets_no_objection() -> None:
    moved = builders.proposal(move("c-batch", (0, "us-a1", "us-a2", tuple(range(8)))))
    assert not kernel.objections(Matter.of(moved), builders.estate(), (), builders.START)
