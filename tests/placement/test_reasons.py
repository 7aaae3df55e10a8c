"""An answer without a home must say why, in counts, and what is the least that would help; and that must be true."""

from __future__ import annotations

import pytest

from estate.devices import Vendor
from estate.frozen import FrozenEstate
from estate.hardware import Health, Node, Taint, TaintEffect
from estate.ids import ClusterId, NodeId, SiteId, WorkloadId
from estate.law import Isolation
from estate.units import Mebibytes, Watts
from estate.verdicts import Dimension
from estate.workloads import BandwidthClass, Toleration
from tests import builders
from tools.placement.engine import MaskEngine
from tools.placement.port import Ask, NoPlacement, Placement, Reason

W = WorkloadId("w")
EU = tuple(NodeId(f"eu-{r}{n}") for r in "ab" for n in range(1, 5))


def eu_only(*nodes: Node, facts: object = None, **workload: object) -> FrozenEstate:
    """An estate of just these nodes, and one pending workload `w` of tenant-a."""
    wanted = builders.workload("w", **({"replicas": 1} | workload))
    law = facts if facts is not None else builders.facts()
    return builders.estate(law_base=law, nodes=nodes or (builders.node("eu-a1"),), workloads=(wanted,))  # type: ignore[arg-type]


def refused(estate: FrozenEstate, ask: Ask | None = None) -> NoPlacement:
    found = MaskEngine().place(estate, ask or Ask(W, (0,)))
    assert isinstance(found, NoPlacement), found
    return found


def reason(answer: NoPlacement | Placement, constraint: str) -> Reason:
    (found,) = [r for r in answer.refused if r.constraint == constraint]
    return found


def test_every_refusing_constraint_is_counted_most_nodes_first() -> None:
    estate = builders.estate().with_node(builders.node("eu-a4", cordoned=True))
    found = MaskEngine().place(estate, Ask(WorkloadId("a-serve"), (0,), avoid=frozenset({NodeId("eu-a1")})))
    assert isinstance(found, Placement)
    counts = [r.nodes for r in found.refused]
    assert counts == sorted(counts, reverse=True)
    assert reason(found, "legal sovereignty").nodes == 8
    assert reason(found, "legal sovereignty").dimension is Dimension.LEGAL
    assert reason(found, "legal sovereignty").found == "us-1: US"
    assert reason(found, "not cordoned").found == "cordoned: eu-a4"
    assert reason(found, "not to be avoided").nodes == 1


def test_a_cordoned_node_is_the_nearest_help_and_uncordoning_it_does_help() -> None:
    estate = eu_only(builders.node("eu-a1", cordoned=True))
    assert refused(estate).nearest == "uncordon `eu-a1` once the symptom there is gone"
    assert isinstance(MaskEngine().place(estate.with_node(builders.node("eu-a1")), Ask(W, (0,))), Placement)


def test_a_taint_is_named_and_lifting_or_tolerating_it_helps() -> None:
    fault = Taint(key="placet.dev/fault", value="xid-79", effect=TaintEffect.NO_SCHEDULE)
    estate = eu_only(builders.node("eu-a1", taints=(fault,)))
    answer = refused(estate)
    assert answer.nearest == "lift the taint of `eu-a1`, or let `w` tolerate it"
    found = reason(answer, "no taint that it does not tolerate").found
    assert found == "tainted: eu-a1 (placet.dev/fault=xid-79:NoSchedule)"
    assert isinstance(MaskEngine().place(estate.with_node(builders.node("eu-a1")), Ask(W, (0,))), Placement)
    tolerant = builders.workload("w", replicas=1, tolerations=(Toleration(key="placet.dev/fault"),))
    assert isinstance(MaskEngine().place(estate.with_workload(tolerant), Ask(W, (0,))), Placement)


def test_a_taint_that_only_discourages_refuses_nothing() -> None:
    rest = Taint(key="placet.dev/rest", effect=TaintEffect.PREFER_NO_SCHEDULE)
    assert isinstance(MaskEngine().place(eu_only(builders.node("eu-a1", taints=(rest,))), Ask(W, (0,))), Placement)


def test_a_shortage_is_told_in_accelerators_of_the_node_that_lacks_least() -> None:
    full = builders.workload(
        "full", contract=builders.contract(5), replicas=1, bindings=(builders.binding(0, "eu-a1", *range(5)),)
    )
    more = builders.workload(
        "more", contract=builders.contract(7), replicas=1, bindings=(builders.binding(0, "eu-a2", *range(7)),)
    )
    estate = eu_only(builders.node("eu-a1"), builders.node("eu-a2"), contract=builders.contract(4))
    estate = estate.with_workload(full).with_workload(more)
    answer = refused(estate)
    assert answer.nearest == "free accelerators: 1 more on `eu-a1`"
    assert reason(answer, "free accelerators on one node").found == "at most 3"


def test_a_power_shortage_is_told_in_watts_and_that_many_help() -> None:
    def budget(watts: int) -> object:
        racks = (builders.rack("eu-a", power_budget_watts=Watts(watts)),)
        return builders.facts(racks=racks)

    answer = refused(eu_only(facts=budget(2_000)))
    assert answer.nearest == "free 400 W in rack `eu-a`, or raise the budget there by a signed fact"
    assert reason(answer, "rack power budget").dimension is Dimension.POWER
    assert isinstance(MaskEngine().place(eu_only(facts=budget(2_400)), Ask(W, (0,))), Placement)
    refused(eu_only(facts=budget(2_399)))


def test_replicas_count_against_each_other_in_power() -> None:
    racks = (builders.rack("eu-a", power_budget_watts=Watts(1_000 + 2 * 1_400)),)
    estate = eu_only(facts=builders.facts(racks=racks), replicas=3)
    assert isinstance(MaskEngine().place(estate, Ask(W, (0, 1))), Placement)
    assert (
        "ask for" in refused(estate, Ask(W, (0, 1, 2))).nearest
        or "1400 W" in refused(estate, Ask(W, (0, 1, 2))).nearest
    )


def test_a_power_cap_makes_room_in_a_rack() -> None:
    racks = (builders.rack("eu-a", power_budget_watts=Watts(2_000)),)
    capped = builders.node("eu-a1", power_cap_watts=Watts(1_900))
    assert isinstance(MaskEngine().place(eu_only(capped, facts=builders.facts(racks=racks)), Ask(W, (0,))), Placement)


def test_an_asked_site_that_has_no_home_names_the_site_that_has() -> None:
    estate = builders.estate()
    answer = refused(estate, Ask(WorkloadId("a-serve"), (0, 1), sites=(SiteId("us-east"),)))
    assert answer.nearest.startswith("allow site `eu-de`")
    assert {r.dimension for r in answer.refused} >= {Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL}


def test_the_law_is_never_offered_as_negotiable() -> None:
    """Only one axis stands in the way: telemetry that comes to rest abroad."""
    here = builders.facts()
    abroad = here.sites[0].model_copy(update={"telemetry_in": ("DE", "US")})
    answer = refused(eu_only(facts=builders.facts(sites=(abroad, here.sites[1]))))
    assert "only other signed facts would admit `eu-a1`" in answer.nearest
    assert "geographic" in answer.nearest
    assert reason(answer, "geographic sovereignty").found == "eu-1: US"


def test_an_unknown_fact_refuses_and_is_named() -> None:
    here = builders.facts()
    silent = here.clusters[0].model_copy(update={"support_in": ()})
    answer = refused(eu_only(facts=builders.facts(clusters=(silent, here.clusters[1]))))
    assert "clusters.eu-1.support_in" in reason(answer, "operational sovereignty").found


def test_where_no_single_change_helps_the_closest_node_is_named_with_all_it_fails() -> None:
    answer = refused(eu_only(builders.node("us-a1"), cluster=ClusterId("us-1")))
    assert answer.nearest == (
        "no single change admits it; `us-a1` comes closest and fails on:"
        " geographic sovereignty, legal sovereignty, operational sovereignty"
    )


def test_one_replica_may_not_leave_its_cluster_but_all_may() -> None:
    nodes = (builders.node("eu-a1", cordoned=True), builders.node("us-a1"))
    tenants = (builders.tenant("tenant-a", residency=builders.residency("DE", "US")),)
    law = builders.facts(tenants=tenants, datasets=())
    gone = builders.estate(law_base=law, nodes=nodes, workloads=(builders.workload("w"),)).without_node(NodeId("eu-a1"))
    assert refused(gone, Ask(W, (0,))).nearest == "move all 2 replicas of `w` together to cluster `us-1`"
    whole = MaskEngine().place(gone, Ask(W, (0, 1)))
    assert isinstance(whole, Placement)
    assert {b.node for b in whole.bindings} == {"us-a1"}


@pytest.mark.parametrize(
    ("node", "contract", "nearest", "constraint"),
    [
        (builders.node(health=Health.DEGRADED), {}, "repair `eu-a1`", "healthy node"),
        (
            builders.node(),
            {"models": ("B200",)},
            "accept the model `H100-SXM5-80GB`; `eu-a1` would do",
            "accelerator model",
        ),
        (
            builders.node().model_copy(
                update={"accelerators": tuple(builders.accelerator(index=i, vendor=Vendor.NVIDIA) for i in (0, 1))}
            ),
            {"vendors": (Vendor.AMD,)},
            "accept the model `H100-SXM5-80GB`; `eu-a1` would do",
            "accelerator model",
        ),
        (
            builders.node(),
            {"memory_mebibytes": Mebibytes(90_000)},
            "accept accelerators of 81559 MiB; `eu-a1` would do",
            "accelerator memory",
        ),
    ],
)
def test_each_hard_limit_has_its_own_words(
    node: Node, contract: dict[str, object], nearest: str, constraint: str
) -> None:
    answer = refused(eu_only(node, contract=builders.contract(2, **contract)))
    assert answer.nearest == nearest
    assert reason(answer, constraint).nodes == 1


def test_accelerators_scattered_over_domains_do_not_make_one() -> None:
    pairs = tuple(builders.accelerator("eu-a1", i, nvlink_domain=f"d{i // 2}") for i in range(8))
    node = builders.node().model_copy(update={"accelerators": pairs})
    answer = refused(eu_only(node, contract=builders.contract(3, bandwidth=BandwidthClass.SAME_NVLINK_DOMAIN)))
    assert answer.nearest == "accept accelerators of several NVLink domains on `eu-a1`"
    assert reason(answer, "one NVLink domain").found == "at most 2"


def test_a_node_that_no_fact_places_receives_nothing() -> None:
    answer = refused(eu_only(builders.node("eu-z1")))
    assert answer.nearest == "place `eu-z1` in a rack at its cluster's site by a signed fact"
    assert reason(answer, "placed by a signed fact").dimension is Dimension.FACTS


def test_a_tenant_that_wants_a_node_for_itself_is_left_alone_by_others() -> None:
    law = builders.facts(
        tenants=(builders.tenant("tenant-a"), builders.tenant("tenant-b", isolation=Isolation.DEDICATED_NODE)),
        datasets=(),
    )
    theirs = builders.workload("b", tenant="tenant-b", replicas=1, bindings=(builders.binding(0, "eu-a1", 0, 1),))
    estate = eu_only(facts=law).with_workload(theirs)
    assert refused(estate).nearest == "clear `eu-a1` from `tenant-b`: tenants may not stand that close"
    assert isinstance(MaskEngine().place(estate.with_node(builders.node("eu-a2")), Ask(W, (0,))), Placement)


def test_a_workload_that_nobody_knows_is_answered_and_not_raised() -> None:
    assert "placet get workloads" in refused(builders.estate(), Ask(WorkloadId("nobody"), (0,))).nearest


def test_an_empty_estate_is_answered_and_not_raised() -> None:
    empty = builders.estate(nodes=(), workloads=(builders.workload("w"),))
    assert refused(empty).nearest == "the estate has no nodes; add some"


def test_what_spoils_least_wins_and_the_next_is_the_runner_up() -> None:
    """Large holes are kept for large work; of those that are as good, the first comes next."""
    estate = builders.estate(workloads=(*builders.default_workloads(), builders.workload("w", replicas=1)))
    found = MaskEngine().place(estate, Ask(W, (0,)))
    assert isinstance(found, Placement)
    assert found.bindings[0].node == "eu-a1"
    assert found.runner_up == "eu-a2"
    assert {t.name: t.value for t in found.score} == {
        "points_lost": 27,
        "free_accelerators_left": 0,
        "rack_fill_permille": 500,
    }
