"""Accelerators are cut only where nobody is disturbed, nothing reserved is lost, and facts say what comes of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from estate.frozen import FrozenEstate
from estate.identities import Role
from estate.ids import TenantId
from estate.verdicts import Decision, Dimension
from policies import kernel
from policies.domains import Sort
from policies.profiles import Quorum
from policies.questions import Matter
from tests import builders, partitioned
from tests.partitioned import repartition
from tests.policies.asking import verdict
from tests.policies.houses import bounded, failing, house
from tests.reserved import TONIGHT, holding, reserve, seat

RESERVED = holding(reserve("b-night", "tenant-b", seat("eu-a3", 0)), on=partitioned.estate())


def with_a_guest() -> FrozenEstate:
    """Work without any device stands there."""
    guest = builders.workload(
        "a-web", contract=builders.contract(0), replicas=1, bindings=(builders.binding(0, "eu-a3"),)
    )
    return partitioned.estate().with_workload(guest)


def test_a_node_on_which_nothing_runs_is_cut() -> None:
    assert verdict(repartition(), on=partitioned.estate()).decision is Decision.PERMIT


def test_nothing_is_cut_under_work_that_holds_no_device_either() -> None:
    """The machine may be restarted for it."""
    found = verdict(repartition(), on=with_a_guest())
    assert found.decision is Decision.FORBID
    (failure,) = found.failures
    assert (failure.dimension, failure.policy) == (Dimension.TENANT, "tenant-devices")
    assert failure.found == "1 tenants have work there"
    matter = Matter.of(builders.proposal(repartition(), on=with_a_guest()))
    objections = kernel.objections(matter, with_a_guest(), (), builders.START)
    assert [(o.dimension, o.about) for o in objections] == [(Dimension.TENANT, "node/eu-a3")]


def test_what_is_reserved_there_is_not_cut_away_before_it_ends() -> None:
    found = failing(repartition(), on=RESERVED)
    assert set(found) == {"reservation-kept-by-layout"}
    assert "b-night" in found["reservation-kept-by-layout"]
    over = TONIGHT + timedelta(hours=4)
    assert verdict(repartition(), on=RESERVED, now=over).decision is Decision.PERMIT


def test_whoever_acts_for_a_tenant_cuts_nothing() -> None:
    theirs = {"for_tenants": (TenantId("tenant-a"),)}
    assert set(failing(repartition(), on=partitioned.estate(), proposal=theirs)) == {"tenant-eviction-by-node"}


def test_a_house_asks_people_before_it_and_no_node_is_cut_beyond_its_breakers() -> None:
    asked = house(approvals=(Quorum(role=Role.OPERATOR, kinds=("RepartitionAccelerator",)),))
    assert verdict(repartition(), on=partitioned.estate(), bundle=asked).decision is Decision.NEEDS_APPROVAL
    closed = bounded(of=Sort.NVLINK_DOMAIN, at_once=1)
    busy = {"at_once": Counter({(Sort.NVLINK_DOMAIN, "eu-a3-nvl"): 1})}
    assert set(failing(repartition(), on=partitioned.estate(), bundle=closed, standing=busy)) == {"breaker-at-once"}
