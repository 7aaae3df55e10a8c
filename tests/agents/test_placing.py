"""A plan's aims made into changes: lawful homes, promises kept on the way, what was refused avoided."""

from __future__ import annotations

import re

import pytest

from agents.cases.alternatives import lawful
from agents.cases.placing import Placed, place
from agents.minds.plans import (
    Aim,
    Cap,
    Evacuate,
    FenceOff,
    Plan,
    Relocate,
    Rescale,
    Restore,
    Seat,
    Setback,
    Unfence,
    Verbatim,
)
from estate.changes import (
    CopyWorkload,
    CordonNode,
    EvictPod,
    MoveWorkload,
    RemoveWorkload,
    ReplicaMove,
    ScaleWorkload,
    SetPowerCap,
    UncordonNode,
)
from estate.effects import lay_out
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, GangId, NodeId, RackId, SiteId, WorkloadId
from estate.law import Isolation
from estate.results import Ok
from estate.units import Watts
from estate.workloads import Gang, Workload
from policies import reviewing
from tests import builders, partitioned, pooled
from tests.items import item
from tests.policies.asking import law
from tools.placement.engine import MaskEngine
from tools.rehearsal.rehearsing import rehearse

ESTATE = builders.estate()
SERVE = WorkloadId("a-serve")


def placed(*aims: Aim, on: FrozenEstate = ESTATE, setbacks: tuple[Setback, ...] = (), plainly: bool = False) -> Placed:
    found = place(Plan(summary="test", aims=aims), on, MaskEngine(), builders.START, setbacks, plainly=plainly)
    assert isinstance(lay_out(found.changes, on), Ok), "what was placed can be laid out"
    return found


def targets(found: Placed) -> set[str]:
    moves = [m for c in found.changes if isinstance(c, MoveWorkload) for m in c.moves]
    return {m.target for m in moves if m.target}


def test_an_evacuation_moves_every_tenants_replicas_and_nothing_else() -> None:
    found = placed(Evacuate(node=NodeId("eu-a1")))
    moved = {(c.workload, m.replica) for c in found.changes if isinstance(c, MoveWorkload) for m in c.moves}
    assert moved == {("a-serve", 0), ("b-train", 0)}
    assert "eu-a1" not in targets(found)
    assert all(t.startswith("eu") for t in targets(found))


def test_what_waits_is_seated_whole_or_as_far_as_it_fits_and_a_gang_never_in_part() -> None:
    small = builders.estate(nodes=[builders.node("eu-a1", accelerators=4)], workloads=())
    waits = builders.workload("a-wait", replicas=3, gated=True)
    assert {m.replica for m in seats(waits, builders.estate(workloads=()))} == {0, 1, 2}
    assert [(m.replica, m.source, m.target) for m in seats(waits, small)] == [(0, None, "eu-a1"), (1, None, "eu-a1")]
    assert seats(waits.model_copy(update={"gangs": (Gang(id=GangId("g")),)}), small) == []


def test_for_slices_that_are_nowhere_an_idle_node_is_cut_and_all_that_waits_is_seated_there() -> None:
    """And where the first idle node was refused, another; what fits as things are cuts nothing."""
    on = partitioned.estate()
    waits = builders.workload("a-wait", contract=builders.contract(1, profile="3g.40gb"), replicas=3, gated=True)
    for avoided, node in (((), "eu-a3"), ((NodeId("eu-a3"), NodeId("eu-a4")), "eu-b2")):
        refused = (Setback(attempt=1, nodes=avoided),) if avoided else ()
        found = placed(Seat(workload=waits.id), on=on.with_workload(waits), setbacks=refused)
        cut, *moves = found.changes
        assert cut == partitioned.repartition(node, partitioned.HALVES)
        assert {m.target for c in moves if isinstance(c, MoveWorkload) for m in c.moves} == {NodeId(node)}
        assert isinstance(lay_out(found.changes, on.with_workload(waits)), Ok)
    whole = waits.model_copy(update={"contract": builders.contract(2)})
    fits = placed(Seat(workload=whole.id), on=on.with_workload(whole))
    assert {c.kind for c in fits.changes} == {"MoveWorkload"}


def seats(workload: Workload, on: FrozenEstate) -> list[ReplicaMove]:
    found = placed(Seat(workload=workload.id), on=on.with_workload(workload))
    return [m for c in found.changes if isinstance(c, MoveWorkload) for m in c.moves]


def test_two_nodes_evacuated_together_do_not_take_each_others_work() -> None:
    assert targets(placed(Evacuate(node=NodeId("eu-a1")), Evacuate(node=NodeId("eu-a2")))).isdisjoint(
        {"eu-a1", "eu-a2"}
    )


def test_what_earlier_attempts_were_refused_is_avoided() -> None:
    refused = Setback(attempt=1, racks=(RackId("eu-a"),), nodes=(NodeId("eu-b1"),))
    found = targets(placed(Evacuate(node=NodeId("eu-a1")), setbacks=(refused,)))
    assert found <= {"eu-b2", "eu-b3", "eu-b4"}


def test_what_has_no_home_is_left_and_explained() -> None:
    full = Setback(attempt=1, racks=(RackId("eu-a"), RackId("eu-b")))
    found = placed(Evacuate(node=NodeId("eu-a1")), setbacks=(full,))
    assert found.changes == ()
    assert len(found.unplaced) == 2


def test_a_tenant_who_asks_is_told_in_the_contracts_words() -> None:
    found = placed(Rescale(workload=SERVE, replicas=40), plainly=True).unplaced[0]
    assert found.startswith("a-serve: needed and not found: ")
    assert "it would fit if you ask for" in found
    assert not re.search(r"(?:eu|us)-[ab]|tenant-[bc]|b-train|nodes", found)
    assert "nodes refused for rack power budget" in placed(Rescale(workload=SERVE, replicas=40)).unplaced[0]


def test_a_whole_workload_moves_in_steps_that_keep_its_promise() -> None:
    """All at once would break min_available; the gate would forbid what a person may lawfully ask for."""
    found = placed(Relocate(workload=SERVE, rack=RackId("eu-b")))
    assert [len(c.moves) for c in found.changes if isinstance(c, MoveWorkload)] == [1, 1]
    assert targets(found) <= {"eu-b1", "eu-b2", "eu-b3", "eu-b4"}
    assert rehearse(ESTATE, found.changes).contracts_broken == ()


def test_an_unlawful_goal_is_claimed_and_not_refused_by_the_planner() -> None:
    found = placed(Relocate(workload=SERVE, site=SiteId("us-east")))
    copy, removal = found.changes
    assert isinstance(copy, CopyWorkload)
    assert copy.to_cluster == "us-1"
    assert all(b.node.startswith("us") for b in copy.bindings)
    assert removal == RemoveWorkload(workload=SERVE, replaced_by=WorkloadId("us-1.tenant-a.a-serve"))
    assert any("without regard to law" in e.claim for e in found.evidence)


def test_replicas_that_are_there_already_stay() -> None:
    found = placed(Relocate(workload=SERVE, site=SiteId("eu-de")))
    assert found.changes == ()
    assert "there already" in found.unplaced[0]
    assert targets(placed(Relocate(workload=WorkloadId("b-train"), rack=RackId("eu-b")))) <= {
        "eu-b1",
        "eu-b2",
        "eu-b3",
        "eu-b4",
    }


def test_a_goal_without_free_devices_is_explained() -> None:
    full = builders.workload(
        "d-full",
        tenant="tenant-c",
        cluster=ClusterId("us-1"),
        contract=builders.contract(8),
        replicas=8,
        bindings=tuple(builders.binding(n, f"us-{'ab'[n // 4]}{n % 4 + 1}", *range(8)) for n in range(8)),
    )
    estate = builders.estate(workloads=(builders.default_workloads()[0], full))
    found = placed(Relocate(workload=SERVE, site=SiteId("us-east")), on=estate)
    assert found.changes == ()
    assert "no free devices" in found.unplaced[0]


@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_scaling_places_the_added_replicas(replicas: int) -> None:
    (change,) = placed(Rescale(workload=SERVE, replicas=replicas)).changes
    assert isinstance(change, ScaleWorkload)
    assert change.replicas == replicas
    assert [b.replica for b in change.bindings] == list(range(2, replicas))


def test_the_simple_aims_are_one_change_each() -> None:
    node = NodeId("eu-b2")
    found = placed(FenceOff(node=node), Cap(node=node, watts=Watts(4000)), Unfence(node=node))
    assert [type(c) for c in found.changes] == [CordonNode, SetPowerCap, UncordonNode]


def test_a_persons_own_changes_are_taken_as_they_are() -> None:
    changes = (CordonNode(node=NodeId("eu-b2")), UncordonNode(node=NodeId("eu-b2")))
    assert placed(Verbatim(changes=changes)).changes == changes


def test_the_lawful_alternatives_name_sites_and_racks_with_room() -> None:
    unlawful = placed(Relocate(workload=SERVE, site=SiteId("us-east"))).changes
    assert lawful(unlawful, ESTATE, MaskEngine()) == ("lawful for a-serve: eu-de (racks with room: eu-a, eu-b)",)
    assert lawful(unlawful, ESTATE, MaskEngine(), racks=False) == ("lawful for a-serve: eu-de",), "for a tenant"


def test_where_nothing_is_lawful_that_is_said() -> None:
    nowhere = builders.facts(tenants=(builders.tenant("tenant-a", residency=builders.residency("JP")),), datasets=())
    estate = builders.estate(law_base=nowhere, workloads=(builders.workload("a-serve"),))
    wish = (MoveWorkload(workload=SERVE, moves=({"replica": 0, "source": None, "target": "us-a1"},)),)
    assert "nowhere" in lawful(wish, estate, MaskEngine())[0]


def unlawful(workload: Workload, *, countries: tuple[str, ...] = ("DE", "FR"), alone: bool = False) -> FrozenEstate:
    """An estate in which tenant-a's workload stands unlawfully, because of where it is or of who is beside it."""
    base = builders.facts()
    own, theirs, other = base.tenants
    own = own.model_copy(update={"residency": builders.residency(*countries)})
    theirs = theirs.model_copy(update={"isolation": Isolation.DEDICATED_NODE if alone else theirs.isolation})
    _, train, batch = builders.default_workloads()
    facts = builders.facts(tenants=(own, theirs, other))
    found = builders.estate(law_base=facts, workloads=(workload, train, batch))
    assert reviewing.stands(found, law(), builders.START, workload.id)
    return found


def stray(name: str = "a-stray", **over: object) -> Workload:
    """One replica of tenant-a in the United States."""
    bound = (builders.binding(0, "us-b2", 0, 1),)
    return builders.workload(name, cluster=ClusterId("us-1"), replicas=1, **({"bindings": bound} | over))


RESTORED = {
    "abroad": (unlawful(stray()), (CopyWorkload, RemoveWorkload)),
    "too close": (
        unlawful(
            builders.workload(
                "a-stray", bindings=(builders.binding(0, "eu-a1", 0), builders.binding(1, "eu-a2", 0))
            ).model_copy(update={"contract": builders.contract(1)}),
            alone=True,
        ),
        (MoveWorkload,),
    ),
    "a bare pod": (
        unlawful(stray("us-1.tenant-a.pod.stray")),
        (CordonNode, EvictPod, UncordonNode),
    ),
    "nowhere": (unlawful(stray(), countries=("SE",)), (ScaleWorkload,)),
}


@pytest.mark.parametrize("case", RESTORED)
def test_what_stands_unlawfully_is_sent_to_where_it_may_be_or_stopped(case: str) -> None:
    estate, kinds = RESTORED[case]
    (name,) = (w.id for w in estate.workloads() if w.id.endswith("stray"))
    found = placed(Restore(workload=name), on=estate)
    assert tuple(type(c) for c in found.changes) == kinds
    laid = lay_out(found.changes, estate)
    assert isinstance(laid, Ok)
    left = [w for w in laid.value.after.workloads() if w.tenant == "tenant-a"]
    assert all(not reviewing.stands(laid.value.after, law(), builders.START, w.id) for w in left)
    if case == "too close":
        assert {b.node for w in left for b in w.bindings} >= {"eu-a2"}, "what stands lawfully stays"


def test_what_no_other_place_would_make_lawful_is_left_and_said() -> None:
    assert "no other place" in placed(Restore(workload=SERVE)).unplaced[0]


def test_machines_are_ordered_for_what_fits_nowhere_as_far_as_its_own_contract_pays() -> None:
    """Once: what is still to come is waited for, and no contract that says nothing of cost buys anything."""
    contract = builders.contract(8, cost_ceiling=16 * pooled.USD)
    work = builders.workload("a-big", contract=contract, replicas=2)
    model = builders.accelerator("eu-a1", 0).model
    nodes = [builders.node("eu-a1", cordoned=True)]
    under = pooled.facts(pooled.pool(model=model))
    made = builders.estate(law_base=under, nodes=nodes, workloads=[work])
    offered = {"provider": "eu-hosting", "site": "eu-de", "model": model, "accelerators_each": 8, "available": 64}
    priced = {"hourly": pooled.USD, "spot": False, "notices": []}
    stock = made.stock.with_(pooled.group()).with_(item("offer", id="more", **offered, **priced))
    asked = made.with_stock(stock)
    found = placed(Seat(workload=work.id), on=asked)
    assert found.changes == (pooled.scale(5),)
    assert any("16000000 micro-USD an hour" in e.claim for e in found.evidence)
    assert placed(Seat(workload=work.id), on=asked.with_stock(stock.with_(pooled.group(5, 3)))).changes == ()
    free = work.model_copy(update={"contract": builders.contract(8)})
    assert placed(Seat(workload=work.id), on=asked.with_workload(free)).changes == ()
