"""What the law answers to taints, evictions and drains: each workload that they disturb is asked about by itself."""

from __future__ import annotations

from typing import get_args

import pytest

from estate import conditions
from estate.changes import Change, CordonNode, TaintNode, UncordonNode, UntaintNode, adapter
from estate.conditions import Field
from estate.frozen import FrozenEstate
from estate.hardware import Health, Taint, TaintEffect
from estate.ids import NodeId, TenantId
from estate.verdicts import Decision, Dimension
from policies import approving, playing
from policies.mandates import Mandate
from policies.questions import Matter
from tests import builders, partitioned, pooled
from tests.builders import (
    binding,
    contract,
    default_nodes,
    default_workloads,
    estate,
    gang,
    node,
    proposal,
    steps,
    workload,
)
from tests.objects import apply, delete, manifest
from tests.policies.asking import (
    MOVE_A,
    TENANT_B,
    cordon,
    dimensions,
    drain,
    evict,
    move,
    owner,
    scale,
    verdict,
)
from tests.policies.test_judged_copies import COPY, REMOVE
from tests.reserved import holding, release, reserve

FENCE = Taint(key="placet.dev/fault", value="xid-79", effect=TaintEffect.NO_SCHEDULE)
TENANT_A = TenantId("tenant-a")


def taint(name: str) -> Change:
    """A fence by taint."""
    return TaintNode(node=NodeId(name), taint=FENCE)


def fenced(*names: str) -> FrozenEstate:
    """The small estate with these nodes cordoned."""
    return estate(nodes=[n.model_copy(update={"cordoned": n.id in names}) for n in default_nodes()])


def _all(change: Change | tuple[Change, ...]) -> tuple[Change, ...]:
    return change if isinstance(change, tuple) else (change,)


LAWFUL: tuple[tuple[Change | tuple[Change, ...], FrozenEstate], ...] = (
    (cordon("eu-a1"), estate()),
    (UncordonNode(node=NodeId("eu-a1")), fenced("eu-a1")),
    (taint("eu-a1"), estate()),
    (UntaintNode(node=NodeId("eu-a1"), taint=FENCE), estate().with_node(node("eu-a1", taints=(FENCE,)))),
    (evict("a-serve", 0, "eu-a1"), fenced("eu-a1")),
    (drain("eu-a2"), estate()),
    (MOVE_A, estate()),
    (COPY, estate()),
    ((COPY, REMOVE), estate()),
    (scale("a-serve", 3), estate()),
    (adapter.validate_python({"kind": "SetPowerCap", "node": "eu-a1", "watts": 6_000}), estate()),
    (partitioned.repartition(), partitioned.estate()),
    (apply(manifest()), estate()),
    (delete(manifest()), estate()),
    (reserve("a-night", "tenant-a"), estate()),
    (release("a-night", "tenant-a"), holding(reserve("a-night", "tenant-a"))),
    (pooled.scale(2, pooled.SPARE), pooled.estate()),
)


@pytest.mark.parametrize(("change", "on"), LAWFUL, ids=[_all(c)[-1].kind for c, _ in LAWFUL])
def test_every_kind_of_change_is_permitted_where_it_breaks_nothing(
    change: Change | tuple[Change, ...], on: FrozenEstate
) -> None:
    """A kind that the schema does not name is permitted by nothing: whoever adds one learns it here."""
    assert verdict(*_all(change), on=on).decision is Decision.PERMIT


def test_every_kind_of_change_is_asked_about_here() -> None:
    union = get_args(get_args(Change.__value__)[0])
    assert {c.kind for planned, _ in LAWFUL for c in _all(planned)} == {kind.__name__ for kind in union}


def test_a_drain_asks_the_owner_of_each_tenant_that_wants_to_be_asked() -> None:
    """Tenant-a does not; tenant-b, whose replica is on the same node, does."""
    planned = proposal(drain("eu-a1"))
    asked = verdict(drain("eu-a1"))
    assert asked.decision is Decision.NEEDS_APPROVAL
    assert [(r.policy, r.tenant) for r in asked.requirements] == [("tenant-consents", TENANT_B)]
    given = (owner().given(planned, tenant=TENANT_B),)
    assert verdict(drain("eu-a1"), given=given).decision is Decision.PERMIT


def test_an_eviction_asks_the_tenant_that_wants_to_be_asked() -> None:
    on = fenced("eu-a1", "eu-b1")
    assert verdict(evict("b-train", 0, "eu-a1"), on=on).decision is Decision.NEEDS_APPROVAL
    assert verdict(evict("a-serve", 0, "eu-a1"), on=on).decision is Decision.PERMIT


def test_a_drain_keeps_every_contract_on_the_node() -> None:
    """What is left of a-serve runs on eu-a2, and one replica was promised."""
    alone = move("a-serve", (0, "eu-a1", None, ()))
    found = verdict(alone, drain("eu-a2"))
    (failure,) = found.failures
    assert (failure.dimension, failure.about) == (Dimension.CONTRACT, "workload/a-serve")
    assert failure.found == "0 running at the lowest, 1 promised"
    assert dimensions(verdict(cordon("eu-a2"), alone, evict("a-serve", 1, "eu-a2"))) == {Dimension.CONTRACT}


def test_draining_what_is_already_lost_breaks_no_promise() -> None:
    lost = estate(nodes=[n.model_copy(update={"health": Health.FAILED}) for n in default_nodes()])
    assert Dimension.CONTRACT not in dimensions(verdict(drain("eu-a1"), drain("eu-a2"), on=lost))


def test_whoever_acts_for_a_tenant_drains_only_what_that_tenant_alone_uses() -> None:
    acting = {"proposal": {"for_tenants": (TENANT_A,)}}
    found = verdict(drain("eu-a1"), **acting)
    assert {f.about for f in found.failures if f.dimension is Dimension.TENANT} == {"node/eu-a1", "workload/b-train"}
    assert verdict(drain("eu-a2"), **acting).decision is Decision.PERMIT
    stranger = verdict(evict("b-train", 1, "eu-b1"), on=fenced("eu-b1"), **acting)
    assert {f.about for f in stranger.failures if f.dimension is Dimension.TENANT} == {"workload/b-train"}


def test_a_node_with_the_work_of_somebody_unknown_is_not_drained() -> None:
    """Nobody can say whom to ask."""
    stray = workload("x", tenant="unassigned", namespace="kube-system", bindings=(binding(0, "eu-a4", 0, 1),))
    found = verdict(drain("eu-a4"), on=estate().with_workload(stray))
    assert ("facts", "workload/x") in {(f.dimension.value, f.about) for f in found.failures}


def test_a_drain_counts_every_replica_in_the_blast_radius() -> None:
    many = workload("many", contract=contract(0), replicas=25, bindings=tuple(binding(r, "eu-a4") for r in range(25)))
    found = verdict(drain("eu-a4"), on=estate().with_workload(many))
    assert [f.policy for f in found.failures] == ["blast-replicas"]


def test_a_drain_is_judged_on_the_whole_gang_of_each_replica() -> None:
    """Its owner is asked, its promise counted and its blast radius seen, though one member of three is on the node."""
    lone = workload("a-lone", replicas=1, bindings=(binding(0, "eu-a3", 5, 6),), gangs=(gang("far"),))
    far = workload(
        "b-far",
        tenant="tenant-b",
        contract=contract(2, min_available=1),
        bindings=(binding(0, "eu-b3", 0, 1), binding(1, "eu-b4", 0, 1)),
        gangs=(gang("far"),),
    )
    on = estate().with_workload(lone).with_workload(far)
    found = verdict(drain("eu-a3"), on=on)
    assert [(f.policy, f.about) for f in found.failures if f.dimension is Dimension.CONTRACT] == [
        ("contract-available", "workload/b-far")
    ]
    promised = far.model_copy(update={"contract": contract(2)})
    asked = verdict(drain("eu-a3"), on=on.with_workload(promised))
    assert [(r.policy, r.tenant) for r in asked.requirements] == [("tenant-consents", TENANT_B)]
    many = tuple(binding(r, "eu-b3") for r in range(24))
    wide = promised.model_copy(update={"replicas": 24, "bindings": many, "contract": contract(0)})
    assert "blast-replicas" in {f.policy for f in verdict(drain("eu-a3"), on=on.with_workload(wide)).failures}


def test_a_move_of_one_member_disturbs_its_gang_where_it_stands() -> None:
    train = next(w for w in default_workloads() if w.id == "b-train")
    ranks = train.model_copy(update={"gangs": (gang("job"),), "contract": contract(4, min_available=1)})
    mate = workload(
        "b-mate", tenant="tenant-b", replicas=1, bindings=(binding(0, "eu-b3", 0, 1),), gangs=(gang("job"),)
    )
    promised = mate.model_copy(update={"contract": contract(2, min_available=1)})
    on = estate().with_workload(ranks).with_workload(promised)
    away = move("b-train", (0, "eu-a1", "eu-b2", (0, 1, 2, 3)))
    broken = {f.about for f in verdict(away, on=on).failures if f.policy == "contract-available"}
    assert broken == {"workload/b-train", "workload/b-mate"}
    alone = on.with_workload(train.model_copy(update={"contract": contract(4, min_available=1)}))
    assert not [f for f in verdict(away, on=alone).failures if f.policy == "contract-available"]


def test_a_tenant_is_shown_its_own_part_of_a_gang_only() -> None:
    mine = workload("a-part", replicas=1, bindings=(binding(0, "eu-a3", 0, 1),), gangs=(gang("both"),))
    theirs = workload(
        "b-part", tenant="tenant-b", replicas=1, bindings=(binding(0, "eu-b3", 0, 1),), gangs=(gang("both"),)
    )
    seen = estate().with_workload(mine).with_workload(theirs)
    planned = proposal(drain("eu-a3"), on=seen)
    shown = {t: dict(approving.diff_for(planned, t, seen).lines[0].before) for t in (TENANT_A, TENANT_B, None)}
    assert "resident/b-part@eu-b3.bindings" in shown[None]
    assert "resident/b-part@eu-b3.bindings" in shown[TENANT_B]
    assert "resident/b-part@eu-b3.bindings" not in shown[TENANT_A]


def test_a_move_where_replicas_are_counted_disturbs_every_one() -> None:
    """One replica changes places, and the cluster replaces all of them."""
    work = next(w for w in default_workloads() if w.id == "b-train")
    idle = work.model_copy(update={"replicas": 3})
    pending = move("b-train", (2, None, "eu-b2", (0, 1, 2, 3)))
    assert verdict(pending, on=estate().with_workload(idle)).decision is Decision.PERMIT
    counted = idle.model_copy(update={"counted": True})
    assert verdict(pending, on=estate().with_workload(counted)).decision is Decision.NEEDS_APPROVAL


def test_a_fence_by_taint_counts_against_the_breakers_as_a_cordon_does() -> None:
    """Otherwise a rack could be fenced away under another name."""
    half = fenced("eu-a3").with_node(node("eu-a4", taints=(FENCE,)))
    found = verdict(taint("eu-a1"), on=half)
    assert {f.policy for f in found.failures} == {"breaker-rack", "breaker-site"}
    assert next(f for f in found.failures if f.policy == "breaker-rack").found == "3 of 4 nodes fenced after the change"
    mild = TaintNode(node=NodeId("eu-a1"), taint=FENCE.model_copy(update={"effect": TaintEffect.PREFER_NO_SCHEDULE}))
    assert verdict(mild, on=half).decision is Decision.PERMIT


def test_a_fleet_that_is_tainted_for_good_is_not_fenced_away() -> None:
    theirs = (Taint(key="nvidia.com/gpu", effect=TaintEffect.NO_SCHEDULE),)
    fleet = estate(nodes=[n.model_copy(update={"taints": theirs}) for n in default_nodes()])
    assert verdict(cordon("eu-a1"), on=fleet).decision is Decision.PERMIT


def test_the_taint_of_a_node_that_is_not_healthy_stays() -> None:
    broken = estate().with_node(node("eu-a1", taints=(FENCE,), health=Health.DEGRADED))
    found = verdict(UntaintNode(node=NodeId("eu-a1"), taint=FENCE), on=broken)
    assert [f.policy for f in found.failures] == ["fence-stays"]


def test_a_tenant_is_shown_its_own_replicas_of_a_drain_and_nobody_elses() -> None:
    planned, seen = proposal(drain("eu-a1")), estate()
    (line,) = approving.diff_for(planned, TENANT_B, seen).lines
    (whole,) = approving.diff_for(planned, None, seen).lines
    own, everybody = (dict(shown.before)["node/eu-a1.bindings"] for shown in (line, whole))
    assert own == ("b-train 0@eu-a1:4,5,6,7",)
    assert everybody == ("a-serve 0@eu-a1:0,1", "b-train 0@eu-a1:4,5,6,7")
    assert "an undo only uncordons it" in line.change


def test_a_stale_drain_does_not_tell_whose_work_is_on_the_node() -> None:
    """Everybody concerned reads why a plan is stale."""
    (stale,) = verdict(drain("eu-a2"), planned_on=fenced("eu-a2"), on=estate()).failures
    newcomer = workload("new", tenant="tenant-c", replicas=1, bindings=(binding(0, "eu-a2", 4, 5),))
    (fuller,) = verdict(drain("eu-a2"), planned_on=estate(), on=estate().with_workload(newcomer)).failures
    assert "node/eu-a2 cordoned is `False`, planned on `True`" in stale.found
    assert fuller.found == "step 1: node/eu-a2 bindings is `2 bound`, planned on `1 bound`"


def test_an_eviction_in_flight_counts_until_the_node_shows_it() -> None:
    """Two plans must not both see the replica that the first of them takes."""
    on = fenced("eu-a1", "eu-a2")
    first = steps(evict("a-serve", 0, "eu-a1"), on=on)
    found = verdict(evict("a-serve", 1, "eu-a2"), on=on, standing={"in_flight": first})
    assert dimensions(found) == {Dimension.CONTRACT}
    done = playing.joined(on, first)
    remade = done.workload(default_workloads()[0].id)
    assert remade is not None
    again = done.with_workload(remade.model_copy(update={"bindings": (*remade.bindings, binding(0, "eu-a3", 0, 1))}))
    assert conditions.misses(again, first[0].postconditions) == ()
    assert playing.joined(again, first) is again
    assert {c.field for c in first[0].preconditions} == {Field.BINDINGS, Field.CORDONED}


def test_a_drain_that_a_person_wrote_stands_for_that_person_alone() -> None:
    """The mandate of the signed command binds a drain like anything else."""
    ann = builders.subject("ann")
    claimed = {"on_behalf_of": ann, "for_tenants": (TENANT_A,)}
    planned = proposal(drain("eu-a2"), **claimed)
    assert verdict(drain("eu-a2"), proposal=claimed).decision is Decision.PERMIT
    matter = Matter.of(planned, mandate=Mandate(person=ann))
    assert Dimension.TENANT in dimensions(verdict(drain("eu-a2"), proposal=claimed, matter=matter))


def test_a_cordon_before_each_drain_keeps_what_leaves_one_off_the_other() -> None:
    """The order that a plan for a cluster needs is one that the law permits."""
    plan = (CordonNode(node=NodeId("eu-a2")), CordonNode(node=NodeId("eu-a3")), drain("eu-a2"), drain("eu-a3"))
    assert verdict(*plan).decision is Decision.PERMIT
