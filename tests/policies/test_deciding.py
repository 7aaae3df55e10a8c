"""What the law answers: permits, forbids with every failed dimension, and approvals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from estate import law as facts_of
from estate.changes import SetPowerCap, UncordonNode
from estate.effects import lay_out
from estate.frozen import FrozenEstate
from estate.hardware import Health, Node
from estate.identities import Role, SubjectKind
from estate.ids import ClusterId, Country, DatasetId, NodeId, TenantId, WorkloadId
from estate.modes import Mode
from estate.results import Ok
from estate.units import Watts
from estate.verdicts import Decision, Dimension
from estate.workloads import Workload
from policies import deciding, kernel
from policies.bundle import SHIPPED, Bundle
from policies.mandates import Mandate
from policies.questions import Matter
from tests.builders import (
    START,
    binding,
    contract,
    default_nodes,
    default_workloads,
    estate,
    facts,
    node,
    proposal,
    rack,
    residency,
    subject,
    workload,
)
from tests.policies.asking import (
    COPY_A_ABROAD,
    MOVE_A,
    MOVE_B,
    cordon,
    dimensions,
    freeze,
    move,
    question,
    scale,
    verdict,
)


def test_an_agent_fences_a_failing_node_by_itself_in_automatic_mode() -> None:
    found = verdict(cordon("eu-a1"))
    assert found.decision is Decision.PERMIT
    assert "propose-node-changes" in found.policies
    assert not found.failures


def test_a_lawful_move_is_permitted() -> None:
    assert verdict(MOVE_A).decision is Decision.PERMIT


def test_equal_questions_have_equal_answers() -> None:
    assert verdict(COPY_A_ABROAD).canonical() == verdict(COPY_A_ABROAD).canonical()


def test_a_move_abroad_fails_on_every_axis_and_names_what_is_lawful() -> None:
    found = verdict(COPY_A_ABROAD)
    assert found.decision is Decision.FORBID
    assert dimensions(found) == {Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL}
    legal = next(f for f in found.failures if f.dimension is Dimension.LEGAL)
    assert legal.tenant == TenantId("tenant-a")
    assert "reaches US" in legal.found
    assert legal.remedy == "lawful for it: eu-1 (eu-de)"


def test_a_foreign_parent_fails_the_legal_axis_alone() -> None:
    """Where the machines stand says nothing about who can be compelled: the explanation names the one that failed."""
    entities = tuple(
        e.model_copy(update={"parents": ("us-cloud",)}) if e.id == "eu-hosting" else e for e in facts().entities
    )
    found = verdict(MOVE_A, on=estate(law_base=facts(entities=entities)))
    assert dimensions(found) == {Dimension.LEGAL}
    assert found.failures[0].remedy == "no cluster in the facts is lawful for it"


@pytest.mark.parametrize("axis", ["geographic", "legal", "operational"])
def test_an_empty_limit_denies(axis: str) -> None:
    """`containsAll([])` is true in Cedar; an unknown limit must deny all the same."""
    unknown = residency("DE", "FR").model_copy(update={axis: ()})
    tenants = tuple(t.model_copy(update={"residency": unknown}) if t.id == "tenant-a" else t for t in facts().tenants)
    found = verdict(MOVE_A, on=estate(law_base=facts(tenants=tenants)))
    assert found.decision is Decision.FORBID
    assert dimensions(found) == {Dimension(axis)}


@pytest.mark.parametrize("field", ["replicas_in", "backups_in", "telemetry_in"])
def test_a_site_that_does_not_say_where_its_bytes_rest_denies(field: str) -> None:
    sites = tuple(s.model_copy(update={field: ()}) for s in facts().sites)
    found = verdict(MOVE_A, on=estate(law_base=facts(sites=sites)))
    assert dimensions(found) == {Dimension.GEOGRAPHIC}
    assert field in found.failures[0].found


@pytest.mark.parametrize("field", ["admins_in", "support_in"])
def test_a_cluster_that_does_not_say_who_can_act_denies(field: str) -> None:
    clusters = tuple(c.model_copy(update={field: ()}) for c in facts().clusters)
    assert dimensions(verdict(MOVE_A, on=estate(law_base=facts(clusters=clusters)))) == {Dimension.OPERATIONAL}


def test_an_unknown_cluster_denies() -> None:
    """The node reports a cluster that no signed fact knows."""
    nodes = tuple(n.model_copy(update={"cluster": ClusterId("shadow")}) for n in default_nodes())
    workloads = tuple(w.model_copy(update={"cluster": ClusterId("shadow")}) for w in default_workloads())
    found = verdict(MOVE_A, on=estate(nodes=nodes, workloads=workloads))
    assert found.decision is Decision.FORBID
    assert {Dimension.FACTS, Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL} <= dimensions(found)
    assert any("clusters.shadow" in f.found for f in found.failures)


def test_a_node_that_no_fact_places_is_not_touched() -> None:
    racks = tuple(r if r.id != "eu-a" else rack("eu-a", nodes=(NodeId("eu-a2"),)) for r in facts().racks)
    found = verdict(cordon("eu-a1"), on=estate(law_base=facts(racks=racks)))
    assert dimensions(found) == {Dimension.FACTS}


def test_a_namespace_that_facts_give_to_another_tenant_denies() -> None:
    """An observed tenant may contradict the facts, which denies; it never permits."""
    stolen = tuple(w.model_copy(update={"namespace": "tenant-b"}) for w in default_workloads() if w.id == "a-serve")
    found = verdict(MOVE_A, on=estate(workloads=stolen))
    assert dimensions(found) == {Dimension.FACTS}


def test_a_dataset_that_no_fact_knows_denies() -> None:
    """An unknown limit is no limit that anybody could keep."""
    base = estate(
        workloads=(workload("a-serve", datasets=(DatasetId("ghost"),), bindings=(binding(0, "eu-a1", 0, 1),)),)
    )
    assert {Dimension.FACTS, Dimension.LEGAL} <= dimensions(verdict(MOVE_A, on=base))


def test_expired_facts_decide_nothing() -> None:
    base = estate(law_base=facts(valid_until=START))
    found = verdict(cordon("eu-a1"), on=base)
    assert found.decision is Decision.FORBID
    assert [f.policy for f in found.failures] == ["facts-in-force"]


def test_stopping_unlawful_work_is_never_unlawful() -> None:
    here = tuple(w.model_copy(update={"residency": residency("US")}) for w in facts().tenants)
    base = estate(
        law_base=facts(tenants=here, datasets=()),
        workloads=(workload("a-serve", bindings=(binding(0, "eu-a1", 0, 1),)),),
    )
    assert verdict(scale("a-serve", 0), on=base).decision is Decision.PERMIT
    assert verdict(scale("a-serve", 3), on=base).decision is Decision.FORBID


# -- tenants


def test_whoever_acts_for_a_tenant_touches_no_other_tenants_workload() -> None:
    found = verdict(MOVE_B, proposal={"for_tenants": (TenantId("tenant-a"),), "on_behalf_of": subject("ann")})
    assert found.decision is Decision.FORBID
    assert "tenant-eviction" in found.policies
    assert Dimension.TENANT in dimensions(found)


def test_nor_fences_a_node_that_another_tenant_uses() -> None:
    found = verdict(cordon("eu-a1"), proposal={"for_tenants": (TenantId("tenant-a"),)})
    assert found.policies == ("tenant-eviction-by-node",)
    assert verdict(cordon("eu-a2"), proposal={"for_tenants": (TenantId("tenant-a"),)}).decision is Decision.PERMIT


def test_nor_takes_a_node_that_nobody_uses_from_everybody() -> None:
    """An empty node is the house's: fencing it, or lifting a fence, is not one tenant's to command."""
    own = (TenantId("tenant-a"),)
    for change in (cordon("eu-b2"), SetPowerCap(node=NodeId("eu-b2"), watts=None)):
        found = verdict(change, proposal={"for_tenants": own})
        assert found.policies == ("tenant-eviction-by-node",)
        assert verdict(change).decision is Decision.PERMIT
    matter = Matter.of(proposal(cordon("eu-b2"), for_tenants=own), mandate=Mandate(tenants=own))
    second = kernel.objections(matter, estate(), (), START)
    assert [o.dimension for o in second] == [Dimension.TENANT], "the kernel says so by itself"


@pytest.mark.parametrize(
    ("level", "target"), [("dedicated-node", "eu-b1"), ("dedicated-rack", "eu-b2"), ("dedicated-cluster", "eu-b2")]
)
@pytest.mark.parametrize("who", ["tenant-a", "tenant-b"])
def test_isolation_holds_for_the_newcomer_and_for_whom_it_meets(level: str, target: str, who: str) -> None:
    """tenant-b runs on eu-b1: either side's promise keeps tenant-a's replica as far away as it says."""
    promised = tuple(
        t.model_copy(update={"isolation": facts_of.Isolation(level)}) if t.id == who else t for t in facts().tenants
    )
    found = verdict(move("a-serve", (0, "eu-a1", target, (4, 5))), on=estate(law_base=facts(tenants=promised)))
    assert "tenant-isolation" in found.policies
    assert found.failures[0].dimension is Dimension.TENANT


@pytest.mark.parametrize(("one", "other"), [("tenant-a", "tenant-b"), ("tenant-b", "tenant-a")])
def test_tenants_that_stay_apart_never_share_a_node_whoever_asked(one: str, other: str) -> None:
    apart = tuple(t.model_copy(update={"apart_from": (other,)}) if t.id == one else t for t in facts().tenants)
    base = estate(law_base=facts(tenants=apart))
    assert "tenant-isolation" in verdict(move("a-serve", (0, "eu-a1", "eu-b1", (4, 5))), on=base).policies
    assert verdict(MOVE_A, on=base).decision is Decision.PERMIT


# -- the organisation's guardrails


def _greedy(draw: int) -> facts_of.Facts:
    return facts(racks=tuple(rack(r, power_budget_watts=Watts(draw)) for r in ("eu-a", "eu-b", "us-a", "us-b")))


def test_a_rack_beyond_its_power_budget_is_named_with_its_watts() -> None:
    found = verdict(MOVE_A, on=estate(law_base=_greedy(7_000)))
    (power,) = found.failures
    assert (power.dimension, power.about) == (Dimension.POWER, "rack/eu-b")
    assert "1400 W more within a budget of 7000 W" in power.needed
    assert "6800 W drawn already" in power.found


def test_lowering_the_draw_of_a_rack_beyond_its_budget_stays_allowed() -> None:
    base = estate(law_base=_greedy(5_000))
    assert Dimension.POWER not in dimensions(verdict(move("a-serve", (0, "eu-a1", None, ())), on=base))
    assert Dimension.POWER not in dimensions(verdict(SetPowerCap(node=NodeId("eu-a1"), watts=Watts(1_500)), on=base))


def test_a_stale_plan_is_forbidden_for_the_power_that_was_taken_meanwhile() -> None:
    before = estate(law_base=_greedy(12_000))
    hog = workload(
        "c-hog", tenant="tenant-c", contract=contract(6), replicas=1, bindings=(binding(0, "eu-b3", *range(6)),)
    )
    found = verdict(MOVE_A, on=before.with_workload(hog), planned_on=before)
    assert found.decision is Decision.FORBID
    assert [(f.dimension, f.about) for f in found.failures] == [(Dimension.POWER, "rack/eu-b")]


def test_a_stale_plan_whose_devices_were_taken_names_the_step_and_the_power_too() -> None:
    """The devices are gone and so is the power: one verdict says both, or the next plan walks into the second."""
    before = estate(law_base=_greedy(12_000))
    hog = workload(
        "c-hog", tenant="tenant-c", contract=contract(7), replicas=1, bindings=(binding(0, "eu-b2", *range(7)),)
    )
    found = verdict(MOVE_A, on=before.with_workload(hog), planned_on=before)
    assert dimensions(found) == {Dimension.FACTS, Dimension.POWER}
    assert "accelerator 0 is taken" in next(f.found for f in found.failures if f.dimension is Dimension.FACTS)


def test_a_plan_made_on_another_estate_names_the_field_that_changed() -> None:
    before = estate()
    moved = before.workload(WorkloadId("a-serve"))
    assert moved is not None
    shifted = moved.model_copy(update={"bindings": (moved.bindings[0], binding(1, "eu-a3", 0, 1))})
    found = verdict(MOVE_A, on=before.with_workload(shifted), planned_on=before)
    assert dimensions(found) == {Dimension.FACTS}
    assert "workload/a-serve bindings is [0@eu-a1:0,1, 1@eu-a3:0,1], planned on" in found.failures[0].found


def test_a_proposer_that_tampers_with_an_inverse_is_found_out() -> None:
    honest = proposal(MOVE_A)
    forged = honest.model_copy(update={"steps": (honest.steps[0].model_copy(update={"inverse": cordon("eu-a1")}),)})
    found = deciding.decide(question(forged))
    assert found.verdict.decision is Decision.FORBID
    assert "inverse differ" in found.verdict.failures[0].found
    assert found.steps == ()


def test_what_is_in_flight_counts_first() -> None:
    """Two plans that fit one headroom each: the second is forbidden while the first is on its way."""
    base = estate(law_base=_greedy(9_000))
    first = proposal(move("a-serve", (0, "eu-a1", "eu-b2", (0, 1))), on=base)
    second = move("a-serve", (1, "eu-a2", "eu-b3", (0, 1)))
    assert verdict(second, on=base).decision is Decision.PERMIT
    other = move("b-train", (0, "eu-a1", "eu-b4", (0, 1, 2, 3)))
    found = verdict(other, on=base, standing={"in_flight": first.steps})
    assert Dimension.POWER in dimensions(found)
    assert "8200 W drawn already" in next(f.found for f in found.failures if f.dimension is Dimension.POWER)


def test_what_is_in_flight_and_already_observed_counts_once() -> None:
    base = estate(law_base=_greedy(9_000))
    first = proposal(MOVE_A, on=base)
    laid = lay_out([s.change for s in first.steps], base)
    assert isinstance(laid, Ok)
    after = laid.value.after
    assert isinstance(after, FrozenEstate)
    alone = verdict(cordon("eu-b3"), on=after)
    again = verdict(cordon("eu-b3"), on=after, standing={"in_flight": first.steps})
    assert alone.read_set == again.read_set


def test_half_of_a_rack_is_the_most_that_is_fenced() -> None:
    base = estate(nodes=[n.model_copy(update={"cordoned": n.id in {"eu-a3", "eu-a4"}}) for n in default_nodes()])
    found = verdict(cordon("eu-a2"), on=base)
    assert {f.about for f in found.failures} == {"rack/eu-a", "site/eu-de"}
    assert dimensions(found) == {Dimension.BLAST_RADIUS}
    assert "3 of 4 nodes" in found.failures[0].found


def test_fences_in_flight_count_for_the_breakers() -> None:
    flying = proposal(cordon("eu-a3"), cordon("eu-a4")).steps
    assert verdict(cordon("eu-a2")).decision is Decision.PERMIT
    found = verdict(cordon("eu-a2"), standing={"in_flight": flying})
    assert "breaker-rack" in found.policies


def test_a_proposal_that_touches_too_much_is_forbidden() -> None:
    crowd = tuple(workload(f"c-{i}", tenant="tenant-c", replicas=1) for i in range(13))
    found = verdict(*(scale(w.id, 0) for w in crowd), on=estate(workloads=crowd))
    assert [f.policy for f in found.failures] == ["blast-workloads"]
    assert "13 workloads" in found.failures[0].found


def test_a_contract_keeps_its_replicas_running() -> None:
    both = move("a-serve", (0, "eu-a1", "eu-b2", (0, 1)), (1, "eu-a2", "eu-b3", (0, 1)))
    found = verdict(both)
    assert [f.policy for f in found.failures] == ["contract-available"]
    assert found.failures[0].found == "0 running at the lowest, 1 promised"


def test_moving_what_is_already_lost_breaks_no_contract() -> None:
    lost = [n.model_copy(update={"health": Health.FAILED}) if n.id == "eu-a1" else n for n in default_nodes()]
    one = [
        w.model_copy(update={"contract": contract(2, min_available=2)})
        for w in default_workloads()
        if w.id == "a-serve"
    ]
    assert verdict(MOVE_A, on=estate(workloads=one)).decision is Decision.FORBID
    assert verdict(MOVE_A, on=estate(nodes=lost, workloads=one)).decision is Decision.PERMIT


def test_a_fence_stays_while_the_node_is_not_fit() -> None:
    lift = UncordonNode(node=NodeId("eu-a1"))
    ill = node("eu-a1", cordoned=True, health=Health.DEGRADED)
    assert verdict(lift, on=estate().with_node(ill)).policies == ("fence-stays",)
    assert verdict(lift, on=estate().with_node(node("eu-a1", cordoned=True))).decision is Decision.PERMIT


def test_a_freeze_forbids() -> None:
    found = verdict(MOVE_A, standing={"freezes": (freeze("eu-de"),)})
    assert found.policies == ("frozen",)
    assert dimensions(found) == {Dimension.FREEZE}


def test_clusters_without_one_executor_forbid() -> None:
    assert verdict(MOVE_A, standing={"executor_known": False}).policies == ("one-executor",)


def test_every_failed_dimension_is_told_at_once() -> None:
    found = verdict(
        COPY_A_ABROAD,
        on=estate(law_base=_greedy(9_000)),
        standing={"freezes": (freeze(),), "mode": Mode.APPROVE},
        proposal={"for_tenants": (TenantId("tenant-c"),)},
    )
    assert found.decision is Decision.FORBID
    assert dimensions(found) == {
        Dimension.GEOGRAPHIC,
        Dimension.LEGAL,
        Dimension.OPERATIONAL,
        Dimension.TENANT,
        Dimension.POWER,
        Dimension.FREEZE,
        Dimension.APPROVAL,
    }


@pytest.mark.parametrize("kind", [SubjectKind.EXECUTOR, SubjectKind.GATE, SubjectKind.CONSOLE, SubjectKind.INVENTORY])
def test_nobody_but_agents_and_people_may_propose(kind: SubjectKind) -> None:
    found = verdict(MOVE_A, proposal={"proposer": subject("proc", kind)})
    assert found.decision is Decision.FORBID
    assert set(found.policies) == {"no-permit"}


# -- approvals


def test_a_tenant_that_wants_to_be_asked_is_asked() -> None:
    found = verdict(MOVE_B)
    assert found.decision is Decision.NEEDS_APPROVAL
    (needed,) = found.requirements
    assert (needed.role, needed.count, needed.tenant) == (Role.TENANT_OWNER, 1, TenantId("tenant-b"))
    assert found.diff is not None


def test_mode_approve_asks_an_operator_for_everything() -> None:
    found = verdict(cordon("eu-a1"), standing={"mode": Mode.APPROVE})
    assert found.decision is Decision.NEEDS_APPROVAL
    assert [r.role for r in found.requirements] == [Role.OPERATOR]


def test_mode_observe_decides_as_ever() -> None:
    assert verdict(MOVE_A, standing={"mode": Mode.OBSERVE}).decision is Decision.PERMIT
    assert verdict(COPY_A_ABROAD, standing={"mode": Mode.OBSERVE}).decision is Decision.FORBID


def test_an_approval_never_lifts_another_failure() -> None:
    found = verdict(MOVE_B, standing={"freezes": (freeze(),)})
    assert found.decision is Decision.FORBID
    assert [r.role for r in found.requirements] == [Role.TENANT_OWNER]


# -- the traps of the engine


def test_a_forbid_that_errors_is_not_a_permit(tmp_path: Path) -> None:
    """Cedar skips a policy that errors, a forbid too: an integer overflow would turn a Deny into an Allow."""
    root = tmp_path / "rules"
    for path in SHIPPED.rglob("*.cedar*"):
        copy = root / path.relative_to(SHIPPED)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (root / "tier1" / "house.cedar").write_text(
        '@id("overflows")\n@reason("x")\n@dimension("cost")\n@remedy("x")\n'
        'forbid(principal, action == Action::"Execute", resource)\n'
        "when { 9223372036854775807 + context.nodes > 0 };\n",
        encoding="utf-8",
    )
    found = deciding.decide(question(proposal(cordon("eu-a1")), bundle=Bundle.load(root))).verdict
    assert found.decision is Decision.FORBID
    assert found.policies == ("law-errored",)
    assert "overflow" in found.failures[0].found


def test_a_country_that_is_not_allowed_by_a_dataset_is_not_allowed() -> None:
    """What uses data inherits its limits, and the intersection is what counts."""
    narrow = facts(
        datasets=(
            facts_of.Dataset(
                id=DatasetId("a-records"), tenant=TenantId("tenant-a"), personal=True, residency=residency("FR")
            ),
        )
    )
    found = verdict(MOVE_A, on=estate(law_base=narrow))
    assert {f.needed for f in found.failures} == {f"only {Country('FR')}"}


class Unscanned(FrozenEstate):
    """An estate that nobody may look through from end to end."""

    def nodes(self) -> Iterable[Node]:
        raise AssertionError("a decision looked through every node")

    def workloads(self) -> Iterable[Workload]:
        raise AssertionError("a decision looked through every workload")


def test_a_decision_looks_through_no_estate() -> None:
    """Its cost must not grow with the fleet; `benchmarks.gate` says what it is."""
    plain = estate()
    closed = Unscanned(**{f.name: getattr(plain, f.name) for f in fields(plain) if f.init})
    three = (cordon("eu-a1"), MOVE_A, move("b-train", (0, "eu-a1", "eu-b3", (0, 1, 2, 3))))
    asked = question(proposal(*three))
    with pytest.raises(AssertionError, match="every node"):
        list(closed.with_node(plain.node(NodeId("eu-a1"))).nodes())
    assert deciding.decide(replace(asked, snapshot=closed)).verdict == deciding.decide(asked).verdict
