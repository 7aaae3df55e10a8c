"""A move between clusters before the law: its copy as a placement there, its removal as the end of what runs here."""

from __future__ import annotations

from typing import Any

import pytest

from estate import law as laws
from estate.effects import effect
from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.identities import Role
from estate.ids import ClusterId, TenantId
from estate.law import Isolation
from estate.results import Ok
from estate.units import Watts
from estate.verdicts import Decision, Dimension
from policies import kernel
from policies.questions import Matter
from policies.standing import concern
from tests import builders
from tests.policies.asking import COPY_A_ABROAD, TENANT_B, Person, copy, dimensions, mandate_of, remove, verdict

WIDE = builders.residency("DE", "FR", "US")
COPY = copy("c-batch", "eu-1", ("eu-b3", tuple(range(8))))
"""Tenant-c's work to Europe, where it may be as well."""
REMOVE = remove("c-batch", "eu-1.tenant-c.c-batch")
AXES = (Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL)


def facts(**of: dict[str, Any]) -> laws.Facts:
    """The small law base with one thing of each given kind otherwise: `tenants={"id": …, …}`."""
    base = builders.facts()
    changed = {
        kind: tuple(i.model_copy(update=fields) if i.id == fields["id"] else i for i in getattr(base, kind))
        for kind, fields in of.items()
    }
    return builders.facts(**changed)


def copied(on: FrozenEstate | None = None) -> FrozenEstate:
    """The estate once the copy runs."""
    result = effect(COPY, on or builders.estate())
    assert isinstance(result, Ok)
    assert isinstance(result.value, FrozenEstate)
    return result.value


def test_a_lawful_move_between_clusters_is_one_permitted_proposal() -> None:
    assert verdict(COPY, REMOVE).decision is Decision.PERMIT


@pytest.mark.parametrize("axis", AXES)
def test_a_copy_is_forbidden_on_each_axis_that_its_tenant_or_its_data_do_not_allow(axis: Dimension) -> None:
    narrow = WIDE.model_copy(update={axis.value: ("DE", "FR")})
    for tenant, data in ((narrow, WIDE), (WIDE, narrow)):
        base = facts(tenants={"id": "tenant-a", "residency": tenant}, datasets={"id": "a-records", "residency": data})
        found = verdict(COPY_A_ABROAD, remove("a-serve", "us-1.tenant-a.a-serve"), on=builders.estate(law_base=base))
        assert found.decision is Decision.FORBID
        (failure,) = found.failures
        assert (failure.dimension, failure.about) == (axis, "workload/us-1.tenant-a.a-serve")
        assert "reaches US" in failure.found


FORBIDDEN: dict[str, tuple[dict[str, Any], FrozenEstate, dict[str, Any], Dimension]] = {
    "for another tenant": ({}, builders.estate(), {"proposal": {"for_tenants": (TENANT_B,)}}, Dimension.TENANT),
    "beside who was promised a rack": (
        {},
        builders.estate(law_base=facts(tenants={"id": "tenant-b", "isolation": Isolation.DEDICATED_RACK})),
        {},
        Dimension.TENANT,
    ),
    "in a cluster that another was promised alone": (
        {},
        builders.estate(law_base=facts(tenants={"id": "tenant-a", "isolation": Isolation.DEDICATED_CLUSTER})),
        {},
        Dimension.TENANT,
    ),
    "in another tenant's namespace": ({"namespace": "tenant-b"}, builders.estate(), {}, Dimension.FACTS),
    "in nobody's namespace": ({"namespace": "spare"}, builders.estate(), {}, Dimension.FACTS),
    "in a namespace of the cluster's": (
        {"namespace": "gpu-operator"},
        builders.estate(
            law_base=facts(
                tenants={
                    "id": "tenant-c",
                    "namespaces": (
                        laws.Namespace(cluster=ClusterId("us-1"), name="tenant-c"),
                        laws.Namespace(cluster=ClusterId("eu-1"), name="gpu-operator"),
                    ),
                }
            )
        ),
        {},
        Dimension.TENANT,
    ),
    "beyond the power of its rack": (
        {},
        builders.estate(law_base=facts(racks={"id": "eu-b", "power_budget_watts": Watts(8_000)})),
        {},
        Dimension.POWER,
    ),
    "on a node in no rack": (
        {},
        builders.estate(law_base=facts(racks={"id": "eu-b", "nodes": ("eu-b1", "eu-b2", "eu-b4")})),
        {},
        Dimension.FACTS,
    ),
    "by nobody who reaches both": (
        {},
        builders.estate(),
        {"standing": {"executor_known": False}},
        Dimension.OPERATIONAL,
    ),
}


@pytest.mark.parametrize("where", FORBIDDEN)
def test_a_copy_is_judged_like_a_placement_there(where: str) -> None:
    update, on, over, dimension = FORBIDDEN[where]
    found = verdict(COPY.model_copy(update=update), on=on, **over)
    assert found.decision is Decision.FORBID
    assert dimensions(found) == {dimension}, [f.policy for f in found.failures]


def test_a_removal_ends_what_was_promised_only_where_its_copy_keeps_it() -> None:
    """What is promised here may be kept there; and a copy whose nodes failed keeps nothing."""
    promised = builders.default_workloads()[2].model_copy(update={"contract": builders.contract(8, min_available=1)})
    on = copied(builders.estate().with_workload(promised))
    assert dimensions(verdict(REMOVE, on=on)) == {Dimension.APPROVAL}
    failed = on.with_node(builders.node("eu-b3", health=Health.FAILED))
    assert dimensions(verdict(REMOVE, on=failed)) == {Dimension.APPROVAL, Dimension.CONTRACT}


def test_the_same_work_in_two_clusters_ends_in_neither_unasked() -> None:
    """A tenant may mean it so: the proposal that made the copy says that it takes the other's place, or an owner."""
    on, planned = copied(), builders.proposal(REMOVE, on=copied())
    found = verdict(REMOVE, on=on)
    assert found.decision is Decision.NEEDS_APPROVAL
    assert [(r.policy, r.tenant) for r in found.requirements] == [("removal-asks-owner", TenantId("tenant-c"))]
    owner = Person("carla", (Role.TENANT_OWNER,), (TenantId("tenant-c"),))
    given = (owner.given(planned, on, tenant=TenantId("tenant-c")),)
    assert verdict(REMOVE, on=on, given=given).decision is Decision.PERMIT


def test_a_tenant_that_wants_to_be_asked_is_asked_once_for_the_whole_move() -> None:
    asks = facts(tenants={"id": "tenant-c", "disruption": laws.DisruptionConsent.APPROVAL})
    on = builders.estate(law_base=asks)
    assert verdict(COPY, on=on).decision is Decision.PERMIT, "a copy disturbs nobody"
    found = verdict(COPY, REMOVE, on=on)
    assert found.decision is Decision.NEEDS_APPROVAL
    assert [(r.policy, r.tenant) for r in found.requirements] == [("tenant-consents", TenantId("tenant-c"))]


def test_a_removal_belongs_to_the_tenant_whose_work_it_ends() -> None:
    found = verdict(REMOVE, on=copied(), proposal={"for_tenants": (TenantId("tenant-a"),)})
    assert dimensions(found) == {Dimension.TENANT, Dimension.APPROVAL}


def test_a_move_concerns_both_clusters_and_both_sites() -> None:
    """So freezes and modes of both hold it, and only an executor that reaches both gets its warrant."""
    proposed = builders.proposal(COPY, REMOVE)
    found = concern(Matter.of(proposed, mandate=mandate_of(proposed)), builders.estate())
    assert (found.clusters, found.sites, found.tenants) == ({"eu-1", "us-1"}, ("eu-de", "us-east"), ("tenant-c",))
    alone = builders.proposal(REMOVE, on=copied())
    assert concern(Matter.of(alone, mandate=mandate_of(alone)), copied()).clusters == {"eu-1", "us-1"}


def test_a_copy_stale_by_one_replica_is_planned_on_another_estate() -> None:
    grown = builders.default_workloads()[2].model_copy(update={"replicas": 2})
    found = verdict(COPY, REMOVE, on=builders.estate().with_workload(grown), planned_on=builders.estate())
    assert dimensions(found) == {Dimension.FACTS}


def test_the_kernel_sees_a_copy_that_says_nothing_of_what_it_made() -> None:
    """Off what stands on the nodes afterwards, and not off what the change calls it."""
    proposed = builders.proposal(COPY_A_ABROAD)
    matter = Matter.of(proposed, mandate=mandate_of(proposed))
    found = kernel.objections(matter, builders.estate(), (), builders.START)
    assert {(o.dimension, o.about) for o in found} == {(a, "workload/us-1.tenant-a.a-serve") for a in AXES}
