"""Two opinions of tier 0, written twice, held against each other on generated estates and changes."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cedarpy
import pytest
from hypothesis import given

from estate.attachments import Attachment
from estate.changes import (
    DrainNode,
)
from estate.frozen import FrozenEstate
from estate.identities import Role
from estate.ids import ClusterId, ComponentId, Country, DatasetId, EntityId, NodeId, TenantId, WorkloadId
from estate.law import ClusterName, Dataset, Declassification, Facts, Grant, Isolation, Network, Residency, Volume
from estate.proposals import Evidence
from estate.verdicts import Decision, Dimension
from policies import deciding, kernel, kernel_readings, playing
from policies.bundle import SHIPPED, Bundle
from policies.kernel import Approver
from policies.questions import Matter, Question
from tests import builders
from tests.policies.asking import COPY_A_ABROAD, MOVE_A, law, mandate_of, move, question
from tests.policies.lawsuits import DATA, LAKE, questions

_DEFAULT = builders.facts()


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
