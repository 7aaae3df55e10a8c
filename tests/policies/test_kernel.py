"""Two opinions of tier 0, written twice, held against each other on generated estates and changes."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate import reserving
from estate.attachments import Attachment, AttachmentSort
from estate.changes import (
    Change,
    CopyWorkload,
    CordonNode,
    DrainNode,
    EvictPod,
    MoveWorkload,
    ReleaseCapacity,
    RemoveWorkload,
    ReplicaMove,
    ScaleWorkload,
    SetPowerCap,
    TaintNode,
    UncordonNode,
    UntaintNode,
)
from estate.effects import lay_out
from estate.frozen import FrozenEstate
from estate.hardware import Taint, TaintEffect
from estate.identities import Role
from estate.ids import ClusterId, ComponentId, Country, DatasetId, EntityId, NodeId, TenantId, WorkloadId
from estate.law import ClusterName, Dataset, Declassification, Facts, Grant, Isolation, Network, Residency, Volume
from estate.modes import Mode
from estate.proposals import Evidence
from estate.results import Refusal
from estate.verdicts import Decision, Dimension
from estate.workloads import Binding, Workload
from policies import deciding, kernel, kernel_readings, playing
from policies.bundle import SHIPPED, Bundle
from policies.kernel import Approver
from policies.questions import Matter, Question, Standing
from tests import builders, reserved
from tests.policies.asking import COPY_A_ABROAD, MOVE_A, law, mandate_of, move, question

COUNTRIES = st.sampled_from([Country(c) for c in ("DE", "FR", "US")])
FEW = st.lists(COUNTRIES, max_size=3, unique=True).map(tuple)
ENTITIES = ("eu-hosting", "us-cloud", "acme", "borel", "corvus")
TENANTS = ("tenant-a", "tenant-b", "tenant-c")
NODES = [NodeId(f"{r}{n}") for r in ("eu-a", "eu-b", "us-a") for n in (1, 2, 3)]
FENCE = Taint(key="placet.dev/fault", effect=TaintEffect.NO_SCHEDULE)
CLAIMS = (
    "rack eu-a draws 9000 W",
    "a-serve.",
    "b-train of tenant-b holds accelerators 0, 1",
    "(tenant-c)",
    "uses `a-records`, and nobody-knows-what",
    "eu-1.b-train--b-trains",
)
_DEFAULT = builders.facts()


@st.composite
def residencies(draw: st.DrawFn) -> Residency:
    """Limits that are wide, or odd on one axis."""
    wide = builders.residency("DE", "FR", "US")
    axis = draw(st.sampled_from(["geographic", "legal", "operational", "key"]))
    return wide if draw(st.booleans()) else wide.model_copy(update={axis: draw(FEW)})


def _one(draw: st.DrawFn, items: tuple[Any, ...], **update: Any) -> tuple[Any, ...]:
    """The same things, one of them changed."""
    if not items:
        return items
    chosen = draw(st.integers(0, len(items) - 1))
    return tuple(item.model_copy(update=update) if n == chosen else item for n, item in enumerate(items))


@st.composite
def lineages(draw: st.DrawFn) -> dict[str, Any]:
    """`a-records` made of others' data in one or two steps, some of it declassified, some granted."""
    tenant, wide = st.sampled_from(TENANTS).map(TenantId), builders.residency("DE", "FR", "US")
    names = [DatasetId(n) for n in ("a-records", "b-scans", "c-logs")]

    def data(number: int) -> Dataset:
        made_of = tuple(d for d in names[number + 1 :] if draw(st.booleans()))
        lifted = tuple(d for d in made_of if draw(st.integers(0, 3)) == 0)
        return Dataset(
            id=names[number],
            tenant=draw(tenant),
            personal=True,
            residency=draw(residencies()) if number else wide,
            derived_from=made_of,
            declassified=Declassification(of=lifted, basis="anonymised") if lifted else None,
        )

    def grant() -> Grant:
        until = builders.START + timedelta(days=draw(st.sampled_from([0, 1])))
        where = tuple(ClusterId(c) for c in ("eu-1", "us-1") if draw(st.integers(0, 2)) == 0)
        return Grant(
            dataset=draw(st.sampled_from(names)), to=draw(tenant), basis="DPA-1", valid_until=until, clusters=where
        )

    return {"datasets": tuple(map(data, range(3))), "grants": tuple(grant() for _ in range(draw(st.integers(0, 6))))}


@st.composite
def belongings(draw: st.DrawFn) -> dict[str, Any]:
    """A volume and a network of some tenants, called as what workloads name; two machines are joined to the network."""

    def whose() -> dict[str, Any]:
        some = tuple(draw(st.sets(st.sampled_from(TENANTS), max_size=2)))
        return {"tenants": some, "everybody": not some and draw(st.booleans())}

    def called(*names: str) -> tuple[ClusterName, ...]:
        return tuple(ClusterName(cluster=c, name=n) for n in names for c in ("eu-1", "us-1") if draw(st.booleans()))

    volume = Volume(
        id="lake", names=called("nfs/10.0.0.7/lake", "claim/tenant-a/data", "storage-class/fast"), **whose()
    )
    joined = tuple(draw(st.sets(st.sampled_from(NODES), max_size=2)))
    return {
        "volumes": (volume,),
        "networks": (Network(id="rails", nodes=joined, names=called("network-attachment/tenant-b/rails"), **whose()),),
    }


def _tweaked(draw: st.DrawFn, known: Facts) -> dict[str, Any]:  # noqa: C901, PLR0912 - a table of what may be odd
    """One thing that is otherwise: a hole, a contradiction, a foreign hand, a promise."""
    entity = draw(st.sampled_from([EntityId(e) for e in ENTITIES]))
    match draw(st.integers(0, 17)):
        case 0:
            roles = st.sampled_from(["operator", "key_holder", "update_authority", "stop_authority"])
            return {"clusters": _one(draw, known.clusters, **{draw(roles): entity})}
        case 1:
            return {"clusters": _one(draw, known.clusters, subprocessors=(entity,))}
        case 2:
            who = draw(st.sampled_from(["admins_in", "support_in", "control_plane_in"]))
            return {"clusters": _one(draw, known.clusters, **{who: draw(FEW)})}
        case 3:
            where = draw(st.sampled_from(["replicas_in", "backups_in", "telemetry_in"]))
            return {"sites": _one(draw, known.sites, **{where: draw(FEW)})}
        case 4:
            return {"sites": _one(draw, known.sites, owner=entity)}
        case 5:
            return {"entities": _one(draw, known.entities, parents=(entity,))}
        case 6:
            return {"entities": _one(draw, known.entities, compelled_by=draw(FEW))}
        case 7:
            return {"tenants": _one(draw, known.tenants, residency=draw(residencies()))}
        case 8 | 9:
            return {"tenants": _one(draw, known.tenants, isolation=draw(st.sampled_from(list(Isolation))))}
        case 10:
            apart = (TenantId(draw(st.sampled_from(TENANTS))),)
            return {"tenants": _one(draw, known.tenants, apart_from=apart)}
        case 11:
            return {"tenants": _one(draw, known.tenants, namespaces=_DEFAULT.tenants[0].namespaces[:1])}
        case 12:
            cut = draw(st.sampled_from(["clusters", "tenants", "racks"]))
            return {cut: getattr(known, cut)[1:] if draw(st.booleans()) else getattr(known, cut)[:-1]}
        case 13:
            return {
                "datasets": _one(draw, known.datasets, residency=draw(residencies())) if draw(st.booleans()) else ()
            }
        case 14 | 15:
            return draw(lineages())
        case 16:
            return draw(belongings())
        case _:
            return {"valid_until": builders.START}


@st.composite
def laws(draw: st.DrawFn) -> Facts:
    """A wide or a European law base with up to four things otherwise; few, so that each decides alone."""
    wide = builders.residency("DE", "FR", "US")
    data = tuple(d.model_copy(update={"residency": wide}) for d in _DEFAULT.datasets)
    known = _DEFAULT
    if draw(st.integers(0, 3)):
        tenants = tuple(t.model_copy(update={"residency": wide}) for t in _DEFAULT.tenants)
        known = known.model_copy(update={"tenants": tenants, "datasets": data})
    for _ in range(draw(st.integers(0, 4))):
        known = known.model_copy(update=_tweaked(draw, known))
    return Facts.model_construct(**{f: getattr(known, f) for f in Facts.model_fields})


@st.composite
def estates(draw: st.DrawFn) -> FrozenEstate:
    """The default machines and work under a generated law, some of it under the wrong name."""

    def work(known: Workload) -> Workload:
        space = known.namespace if draw(st.integers(0, 5)) else draw(st.sampled_from(TENANTS))
        held = draw(st.sets(st.sampled_from([LAKE, DATA, RAILS, FAST]), max_size=2)) if draw(st.booleans()) else ()
        own = draw(residencies()) if draw(st.integers(0, 3)) == 0 else None
        promise = known.contract.model_copy(update={"residency": own})
        return known.model_copy(update={"namespace": space, "contract": promise, "attachments": tuple(held)})

    fenced = draw(st.sets(st.sampled_from(NODES), max_size=3))
    drawn = builders.estate(
        law_base=draw(laws()),
        nodes=[n.model_copy(update={"cordoned": n.id in fenced}) for n in builders.default_nodes()],
        workloads=[work(w) for w in draw(st.sampled_from([builders.default_workloads(), builders.ganged_workloads()]))],
    )
    return reserved.holding(reserved.reserve("c-night", "tenant-c", reserved.seat("us-a3", 0)), on=drawn)


@st.composite
def changes(draw: st.DrawFn, on: FrozenEstate) -> Change:
    """A change that has a chance to have an effect."""
    workload = draw(st.sampled_from(list(on.workloads())))
    node = draw(st.sampled_from(NODES))
    match draw(st.integers(0, 15)):
        case 14 | 15:
            standing = [ReleaseCapacity(reservation=r.id, tenant=r.tenant) for r in reserving.every(on)]
            return draw(st.sampled_from([_reserved(draw, on, node), *standing]))
        case 0:
            return draw(st.sampled_from([CordonNode(node=node), UncordonNode(node=node)]))
        case 1:
            return SetPowerCap(node=node, watts=None)
        case 2:
            return draw(st.sampled_from([TaintNode(node=node, taint=FENCE), UntaintNode(node=node, taint=FENCE)]))
        case 3 | 4:
            return DrainNode(node=draw(st.sampled_from([n for n in NODES if on.workloads_on(n)])))
        case 5 | 6:
            seat = draw(st.sampled_from(workload.bindings))
            return EvictPod(workload=workload.id, replica=seat.replica, node=seat.node)
        case 7:
            return ScaleWorkload(workload=workload.id, replicas=draw(st.integers(0, 4)))
        case 8 | 9 | 10:
            return _copied(draw, on, workload)
        case _:
            return _moved(draw, on, workload)


def _reserved(draw: st.DrawFn, on: FrozenEstate, node: NodeId) -> Change:
    free = [i for i in range(8) if i not in on.taken(node)] or [0]
    holder = draw(st.sampled_from([*TENANTS, "nobody"]))
    return reserved.reserve("r-1", holder, reserved.seat(node, *free[: draw(st.integers(1, 4))]))


def _moved(draw: st.DrawFn, on: FrozenEstate, workload: Workload) -> Change:
    replica = draw(st.sampled_from(range(workload.replicas)))
    running = {b.replica: b.node for b in workload.bindings}
    (home,) = _homes(draw, on, workload, workload.cluster, [replica])
    move = ReplicaMove(replica=replica, source=running.get(replica), target=home.node, accelerators=home.accelerators)
    return MoveWorkload(workload=workload.id, moves=(move,))


def _copied(draw: st.DrawFn, on: FrozenEstate, workload: Workload) -> Change:
    there = ClusterId("us-1" if workload.cluster == "eu-1" else "eu-1")
    homes = _homes(draw, on, workload, there, range(workload.replicas))
    space = draw(st.sampled_from(["", "", "", *TENANTS, "kube-public", "gpu-operator"]))
    return CopyWorkload(workload=workload.id, to_cluster=there, namespace=space, bindings=homes)


def _homes(
    draw: st.DrawFn, on: FrozenEstate, workload: Workload, cluster: ClusterId, replicas: Iterable[int]
) -> tuple[Binding, ...]:
    targets = [n for n in NODES if (found := on.node(n)) is not None and found.cluster == cluster]
    needed = workload.contract.accelerators_per_replica
    homes = []
    taken: dict[NodeId, set[int]] = {}
    for replica in replicas:
        target = draw(st.sampled_from(targets))
        held = taken.setdefault(target, set(on.taken(target)))
        free = [i for i in range(8) if i not in held][:needed]
        held.update(free)
        homes.append(Binding(replica=replica, node=target, accelerators=tuple(free)))
    return tuple(homes)


def _ended(draw: st.DrawFn, on: FrozenEstate, planned: list[Change]) -> list[Change]:
    """The plan, most copies followed by the end of what was copied: a move to another cluster."""
    last = planned[-1]
    source = on.workload(last.workload) if isinstance(last, CopyWorkload) else None
    if not isinstance(last, CopyWorkload) or source is None or not draw(st.integers(0, 3)):
        return planned
    return [*planned, RemoveWorkload(workload=source.id, replaced_by=last.named(source))]


@st.composite
def questions(draw: st.DrawFn) -> Question | None:
    """A proposal laid out honestly on a generated estate; None where it has no effect there."""
    on = draw(estates())
    laid = lay_out(_ended(draw, on, [draw(changes(on)) for _ in range(draw(st.integers(1, 2)))]), on)
    if isinstance(laid, Refusal):
        return None
    acting = draw(st.lists(st.sampled_from([TenantId(t) for t in TENANTS]), max_size=2, unique=True).map(tuple))
    claims = draw(st.lists(st.sampled_from(CLAIMS), max_size=2))
    found = tuple(Evidence(source="mind", claim=c) for c in claims)
    update = {"steps": laid.value.steps, "for_tenants": acting, "evidence": found}
    proposed = builders.proposal(on=on).model_copy(update=update)
    return Question(
        Matter.of(proposed, mandate=mandate_of(proposed)), on, law(), Standing(Mode.AUTOMATIC), builders.START
    )


def _tier_0_of_cedar(asked: Question) -> set[tuple[Dimension, str]]:
    failures = deciding.decide(asked).verdict.failures
    return {(f.dimension, f.about) for f in failures if (r := asked.bundle.rules.get(f.policy)) and r.tier == 0}


def _of_kernel(asked: Question) -> set[tuple[Dimension, str]]:
    found = kernel.objections(asked.matter, asked.snapshot, (), asked.now)
    return {(o.dimension, o.about) for o in found}


@given(questions())
def test_cedar_and_kernel_find_the_same_tier_0_failures(asked: Question | None) -> None:
    """Both ways: neither sees a breach that the other misses."""
    if asked is not None:
        assert _tier_0_of_cedar(asked) == _of_kernel(asked)


def test_an_objection_that_cedar_does_not_share_forbids() -> None:
    """A law that lost its teeth: the kernel alone keeps the move from going abroad."""
    asked = question(builders.proposal(COPY_A_ABROAD))
    toothless = question(builders.proposal(COPY_A_ABROAD), bundle=_without_tier_0())
    assert deciding.decide(asked).verdict.decision is Decision.FORBID
    found = deciding.decide(toothless).verdict
    assert found.decision is Decision.FORBID
    assert set(found.policies) == {deciding.KERNEL}
    assert {f.dimension for f in found.failures} == {Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL}


def _without_tier_0() -> Bundle:
    """A bundle as no loader would give it: permits alone."""
    text = (SHIPPED / "tier2" / "permits.cedar").read_text(encoding="utf-8")
    return law().instead(cedarpy.PolicySet.from_str(text))


def test_the_kernel_knows_who_may_not_approve() -> None:
    proposed = builders.proposal(MOVE_A, on_behalf_of=builders.subject("ann"))
    matter = Matter.of(proposed, mandate=mandate_of(proposed))
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


@pytest.mark.parametrize("part", ["preconditions", "postconditions", "inverse"])
def test_the_kernel_sees_a_step_that_was_altered(part: str) -> None:
    """What is read before it, promised after it, or done to undo it: a law that lost its teeth would let it pass."""
    other = builders.steps(move("a-serve", (0, "eu-a1", "eu-b3", (2, 3))))[0]
    planned = builders.proposal(MOVE_A)
    (step,) = planned.steps
    new = {"preconditions": (), "postconditions": other.postconditions, "inverse": COPY_A_ABROAD}[part]
    altered = planned.model_copy(update={"steps": (step.model_copy(update={part: new}),)})
    found = deciding.decide(question(altered, bundle=_without_tier_0())).verdict
    assert (found.decision, found.policies) == (Decision.FORBID, (deciding.KERNEL,))


_READ_SET = ("attaching", "context", "lineages", "sovereignty", "neighbours", "objects", "playing", "bundle")


def test_the_kernel_shares_no_code_with_the_read_set() -> None:
    """Independence is what a second opinion is worth."""
    imported = {
        name
        for module in (kernel, kernel_readings)
        for part in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(part, ast.ImportFrom) and part.module
        for name in (part.module, *(f"{part.module}.{a.name}" for a in part.names))
    }
    assert not imported & {f"policies.{m}" for m in _READ_SET}


def test_the_kernel_sees_everybody_whom_a_drain_would_evict() -> None:
    """A law that lost its teeth: whoever acts for one tenant does not empty a node of another's work."""
    drain = builders.proposal(DrainNode(node=NodeId("eu-a1")), for_tenants=(TenantId("tenant-a"),))
    asked = question(drain, bundle=_without_tier_0())
    found = deciding.decide(asked).verdict
    assert found.decision is Decision.FORBID
    assert {f.about for f in found.failures if f.policy == deciding.KERNEL} == {"node/eu-a1", "workload/b-train"}


def test_a_lawful_move_meets_no_objection() -> None:
    moved = builders.proposal(move("c-batch", (0, "us-a1", "us-a2", tuple(range(8)))))
    assert not kernel.objections(Matter.of(moved), builders.estate(), (), builders.START)


US_ENTITY = EntityId("us-cloud")
BESIDE_B = move("a-serve", (0, "eu-a1", "eu-b1", (4, 5)))
"""Tenant-a's replica to the node where tenant-b runs."""


SCANS = DatasetId("b-scans")


def _made_of(owner: str, limits: Residency | None = None, **update: Any) -> Facts:
    """`a-records` were made of `b-scans`, which are that tenant's and have these limits."""
    scans = Dataset(id=SCANS, tenant=TenantId(owner), personal=True, residency=limits or builders.residency("DE", "FR"))
    (records,) = _DEFAULT.datasets
    return builders.facts(datasets=(records.model_copy(update={"derived_from": (SCANS,)} | update), scans))


def _granted(**update: Any) -> Facts:
    """They are tenant-b's, who granted them to tenant-a for a day."""
    day = builders.START + timedelta(days=1)
    grant = Grant(dataset=SCANS, to=TenantId("tenant-a"), basis="DPA-7", valid_until=day)
    return _made_of("tenant-b").model_copy(update={"grants": (grant.model_copy(update=update),)})


LAKE = Attachment(sort=AttachmentSort.STORAGE, kind="nfs", name="10.0.0.7/lake")
FAST = Attachment(sort=AttachmentSort.STORAGE, kind="storage-class", name="fast")
DATA = Attachment(sort=AttachmentSort.STORAGE, kind="claim", name="data")
RAILS = Attachment(sort=AttachmentSort.NETWORK, kind="network-attachment", name="rails", namespace="tenant-b")


def _volume(*tenants: str, name: str = "nfs/10.0.0.7/lake") -> Facts:
    """What `a-serve` mounts is shared between these."""
    called = (ClusterName(cluster=ClusterId("eu-1"), name=name),)
    return builders.facts(volumes=(Volume(id="lake", tenants=tuple(map(TenantId, tenants)), names=called),))


def _network(**over: Any) -> Facts:
    """Tenant-b's network; and what `a-serve` mounts is everybody's, where it mounts anything."""
    shared = _volume("tenant-a").model_copy(
        update={"networks": (Network(**{"id": "rails", "tenants": ("tenant-b",)} | over),)}
    )
    return shared


def _mounting(law_base: Facts, *attachments: Attachment) -> FrozenEstate:
    """The estate in which `a-serve` is attached to these."""
    base = builders.estate(law_base=law_base)
    work = base.workload(WorkloadId("a-serve"))
    assert work is not None
    return base.with_workload(work.model_copy(update={"attachments": attachments}))


def _with(field: str, name: str, **update: Any) -> Facts:
    """The default law base with one thing otherwise."""
    items = tuple(i.model_copy(update=update) if i.id == name else i for i in getattr(_DEFAULT, field))
    return builders.facts(**{field: items})


BREACHES: dict[str, tuple[Facts, Dimension]] = {
    **{
        f"{role} abroad": (_with("clusters", "eu-1", **{role: US_ENTITY}), Dimension.LEGAL)
        for role in ("operator", "key_holder", "update_authority")
    },
    "subprocessor abroad": (_with("clusters", "eu-1", subprocessors=(US_ENTITY,)), Dimension.LEGAL),
    "owner abroad": (_with("sites", "eu-de", owner=US_ENTITY), Dimension.LEGAL),
    "parent abroad": (_with("entities", "eu-hosting", parents=(US_ENTITY,)), Dimension.LEGAL),
    "compelled abroad": (_with("entities", "eu-hosting", compelled_by=(Country("US"),)), Dimension.LEGAL),
    "update authority acts": (_with("clusters", "eu-1", update_authority=US_ENTITY), Dimension.OPERATIONAL),
    "stop authority acts": (_with("clusters", "eu-1", stop_authority=US_ENTITY), Dimension.OPERATIONAL),
    "admins abroad": (_with("clusters", "eu-1", admins_in=(Country("US"),)), Dimension.OPERATIONAL),
    "support unknown": (_with("clusters", "eu-1", support_in=()), Dimension.OPERATIONAL),
    **{
        f"{where} {'abroad' if there else 'unknown'}": (_with("sites", "eu-de", **{where: there}), Dimension.GEOGRAPHIC)
        for where in ("replicas_in", "backups_in", "telemetry_in")
        for there in ((), (Country("US"),))
    },
    "control plane abroad": (
        _with("clusters", "eu-1", control_plane_in=(Country("US"),)),
        Dimension.GEOGRAPHIC,
    ),
    "site abroad": (_with("sites", "eu-de", country=Country("US")), Dimension.GEOGRAPHIC),
    "data elsewhere": (_with("datasets", "a-records", residency=builders.residency("FR")), Dimension.LEGAL),
    **{
        f"{who} {level.value}": (_with("tenants", who, isolation=level), Dimension.TENANT)
        for who in ("tenant-a", "tenant-b")
        for level in Isolation
        if level is not Isolation.SHARED_NODE
    },
    "a apart from b": (_with("tenants", "tenant-a", apart_from=(TenantId("tenant-b"),)), Dimension.TENANT),
    "b apart from a": (_with("tenants", "tenant-b", apart_from=(TenantId("tenant-a"),)), Dimension.TENANT),
    "namespace of nobody": (_with("tenants", "tenant-a", namespaces=()), Dimension.FACTS),
    "node in no rack": (_with("racks", "eu-b", nodes=()), Dimension.FACTS),
    "rack at another site": (_with("racks", "eu-b", site="us-east"), Dimension.FACTS),
    "data of data elsewhere": (_made_of("tenant-a", builders.residency("FR")), Dimension.GEOGRAPHIC),
    "data of another tenant": (_with("datasets", "a-records", tenant=TenantId("tenant-c")), Dimension.TENANT),
    "data of data of another tenant": (_made_of("tenant-b"), Dimension.TENANT),
    "a grant that has ended": (_granted(valid_until=builders.START), Dimension.TENANT),
    "a grant for another cluster": (_granted(clusters=(ClusterId("us-1"),)), Dimension.TENANT),
    "a grant to another tenant": (_granted(to=TenantId("tenant-c")), Dimension.TENANT),
    "a volume of another tenant": (_volume("tenant-b"), Dimension.TENANT),
    "a volume of nobody": (_volume(), Dimension.TENANT),
    "a node on another tenant's network": (_network(nodes=(NodeId("eu-b1"),)), Dimension.TENANT),
    "a claim that is shared with another tenant only": (
        _volume("tenant-b", name="claim/tenant-a/data"),
        Dimension.TENANT,
    ),
    "data unknown": (builders.facts(datasets=()), Dimension.FACTS),
    "facts expired": (builders.facts(valid_until=builders.START), Dimension.FACTS),
}
"""Each invariant broken by one fact alone."""


LAWFUL = {
    "data of data that was declassified": _made_of(
        "tenant-b", builders.residency("US"), declassified=Declassification(of=(SCANS,), basis="anonymised, DPIA-3")
    ),
    "data of data that was granted": _granted(),
    "a volume that is shared with it": _volume("tenant-a", "tenant-b"),
    "a node on a network that is everybody's": _network(nodes=(NodeId("eu-b1"),), tenants=(), everybody=True),
    "data that was granted here": _granted(clusters=(ClusterId("eu-1"), ClusterId("us-1"))),
}


def _attached(name: str, law_base: Facts) -> FrozenEstate:
    return (
        _mounting(law_base, LAKE, DATA) if "volume" in name or "claim" in name else builders.estate(law_base=law_base)
    )


@pytest.mark.parametrize("name", LAWFUL)
def test_what_a_person_signed_lifts_a_limit_for_both(name: str) -> None:
    base = _attached(name, LAWFUL[name])
    asked = question(builders.proposal(BESIDE_B, on=base), base)
    assert _of_kernel(asked) == _tier_0_of_cedar(asked) == set()


def test_a_grant_that_ended_meanwhile_is_refused_when_it_is_decided_again() -> None:
    base = builders.estate(law_base=_granted())
    asked = question(builders.proposal(BESIDE_B, on=base), base)
    assert deciding.decide(asked).verdict.decision is not Decision.FORBID
    again = deciding.decide(replace(asked, now=builders.START + timedelta(days=2))).verdict
    (failure,) = again.failures
    assert (failure.policy, failure.dimension) == ("tenant-data", Dimension.TENANT)
    assert failure.needed == "a grant of b-scans to tenant-a, in force"


@pytest.mark.parametrize("name", BREACHES)
def test_each_single_breach_is_found_by_both(name: str) -> None:
    """A random estate seldom breaks one thing alone; here each fact decides by itself."""
    law_base, dimension = BREACHES[name]
    base = _attached(name, law_base)
    asked = question(builders.proposal(BESIDE_B, on=base), base)
    assert dimension in {d for d, _ in _of_kernel(asked)}
    assert _tier_0_of_cedar(asked) == _of_kernel(asked)


@pytest.mark.parametrize("who", ["tenant-a", "tenant-b"])
@pytest.mark.parametrize(
    ("level", "breaks"),
    [(Isolation.DEDICATED_NODE, False), (Isolation.DEDICATED_RACK, True), (Isolation.DEDICATED_CLUSTER, True)],
)
def test_a_rack_shared_is_judged_the_same_by_both(who: str, level: Isolation, breaks: bool) -> None:
    base = builders.estate(law_base=_with("tenants", who, isolation=level))
    asked = question(builders.proposal(move("a-serve", (0, "eu-a1", "eu-b3", (0, 1))), on=base), base)
    assert bool(_of_kernel(asked)) is breaks
    assert _tier_0_of_cedar(asked) == _of_kernel(asked)


def test_a_proposal_for_a_tenant_that_tells_of_another_is_refused_by_both() -> None:
    """What was found on a node that two share: an operator's proposal may hold it, a tenant's may not."""
    told = (Evidence(source="workloads_on_node", claim="b-train of tenant-b (training) holds accelerators 0 to 3"),)
    for tenants, refused in (((TenantId("tenant-a"),), True), ((), False)):
        proposed = builders.proposal(MOVE_A, evidence=told, for_tenants=tenants)
        asked = question(proposed)
        assert bool(_of_kernel(asked)) is refused
        assert _tier_0_of_cedar(asked) == _of_kernel(asked)
    found = deciding.decide(question(builders.proposal(MOVE_A, evidence=told, for_tenants=(TenantId("tenant-a"),))))
    assert "it tells of tenant-b" in {f.found for f in found.verdict.failures}


def test_what_a_model_planned_is_judged_by_both_though_nothing_came_of_it() -> None:
    """Of a step that has no effect here, Cedar read whose work it names and the kernel did not."""
    proposed = builders.proposal(move("b-train", (0, "eu-a1", "eu-b2", (0, 1, 2, 3))), mind=ComponentId("scripted"))
    (step,) = proposed.steps
    gone = step.model_copy(update={"change": move("b-train", (0, "eu-a2", "eu-b2", (0, 1, 2, 3)))})
    facts = builders.facts(registrations=(builders.registration(tenants=("tenant-a",)),))
    base = builders.estate(law_base=facts)
    asked = question(proposed.model_copy(update={"steps": (gone,)}), base)
    assert Dimension.MODEL_REACH in {d for d, _ in _of_kernel(asked)}
    assert _tier_0_of_cedar(asked) == _of_kernel(asked)
