"""The gate keeps what is reserved: devices, distance, power and quotas, and who may reserve and release what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from estate.changes import Change
from estate.frozen import FrozenEstate
from estate.ids import TenantId
from estate.law import DisruptionConsent, Isolation, Quota
from estate.units import MilliGpu, Watts
from estate.verdicts import Decision, Dimension
from policies import approving, kernel
from policies.profiles import Reserving
from policies.questions import Matter
from tests import builders
from tests.policies.asking import mandate_of, move, verdict
from tests.policies.houses import failing, house
from tests.reserved import TONIGHT, holding, release, reserve, seat

ONTO = move("a-serve", (0, "eu-a1", "eu-b2", (0, 1)))
"""Onto two of the four devices that tenant-b has reserved."""
BESIDE = move("a-serve", (0, "eu-a1", "eu-b2", (4, 5)))


def serving(**contract: Any) -> FrozenEstate:
    """The small estate, with tenant-b's reservation and another contract of `a-serve`."""
    estate = builders.estate()
    (serve, *_) = estate.workloads()
    promised = builders.contract(2, min_available=1, **contract)
    return holding(reserve(), on=estate.with_workload(serve.model_copy(update={"contract": promised})))


def test_what_would_sit_on_reserved_devices_is_forbidden_and_the_reservation_named() -> None:
    found = verdict(ONTO, on=holding(reserve()))
    assert found.decision is Decision.FORBID
    (failure,) = found.failures
    assert (failure.dimension, failure.policy) == (Dimension.CONTRACT, "reservation-kept")
    assert "b-night" in failure.found
    assert verdict(BESIDE, on=holding(reserve())).decision is Decision.PERMIT
    assert verdict(ONTO, on=holding(reserve("a-night", "tenant-a"))).decision is Decision.PERMIT, "its own"


def test_work_that_may_be_moved_or_is_done_by_then_sits_there_until_it_starts() -> None:
    for estate in (serving(preemptible=True), serving(deadline=TONIGHT)):
        assert verdict(ONTO, on=estate).decision is Decision.PERMIT
        assert verdict(ONTO, on=estate, now=TONIGHT).decision is Decision.FORBID
    over = TONIGHT + timedelta(hours=4)
    assert verdict(ONTO, on=holding(reserve()), now=over).decision is Decision.PERMIT, "though nobody took it out yet"


def test_whom_the_holder_may_not_have_near_does_not_come_near() -> None:
    law = builders.facts(
        tenants=(
            builders.tenant("tenant-a"),
            builders.tenant("tenant-b", isolation=Isolation.DEDICATED_RACK),
            builders.tenant("tenant-c"),
        )
    )
    alone = holding(reserve(), on=builders.estate(law_base=law, workloads=builders.default_workloads()[:1]))
    elsewhere = move("a-serve", (0, "eu-a1", "eu-b4", (0, 1)))
    assert set(failing(elsewhere, on=alone)) == {"reservation-kept"}
    rival = reserve("c-night", "tenant-c", seat("eu-b4", 0))
    assert {"reservation-kept"} <= set(failing(rival, on=alone))
    ended = TONIGHT + timedelta(hours=4)
    late = reserve("c-late", "tenant-c", seat("eu-b4", 0), start=ended, end=ended + timedelta(hours=1))
    assert "reservation-kept" not in failing(late, on=alone)


def tight(watts: int) -> FrozenEstate:
    """The small estate, where rack `eu-b` has that budget."""
    racks = [builders.rack(r) for r in ("eu-a", "us-a", "us-b")]
    law = builders.facts(racks=(*racks, builders.rack("eu-b", power_budget_watts=Watts(watts))))
    return builders.estate(law_base=law)


def test_power_that_is_reserved_is_not_given_to_others() -> None:
    """Rack `eu-b` draws 6 800 W, 2 800 W are reserved, and a move of two devices brings 1 400 W more."""
    assert verdict(BESIDE, on=holding(reserve(), on=tight(11_000))).decision is Decision.PERMIT
    found = failing(BESIDE, on=holding(reserve(), on=tight(10_999)))
    assert set(found) == {"rack-power"}
    assert "what is reserved by b-night too" in found["rack-power"]
    assert set(failing(reserve(), on=tight(9_599))) == {"rack-power"}, "nor reserved where there is none"
    assert verdict(reserve(), on=tight(9_600)).decision is Decision.PERMIT
    own = move("b-train", (1, "eu-b1", "eu-b2", (0, 1, 2, 3)))
    asked = verdict(own, on=holding(reserve(), on=tight(9_600)))
    assert {f.policy for f in asked.failures} == {"tenant-consents"}, "its holder draws what was kept for it"


def test_a_quota_counts_what_is_reserved_and_not_used_yet() -> None:
    """Tenant-b holds eight devices; with four reserved of at most twelve there is no room for more."""
    bounded = builders.tenant("tenant-b", quotas=(Quota(accelerators=MilliGpu(12_000)),))
    law = builders.facts(tenants=(builders.tenant("tenant-a"), bounded, builders.tenant("tenant-c")))
    estate = builders.estate(law_base=law)
    assert verdict(reserve(), on=estate).decision is Decision.PERMIT
    more = reserve("b-more", "tenant-b", seat("eu-b3", 0))
    found = failing(more, on=holding(reserve(), on=estate))
    assert set(found) == {"tenant-quota"}
    assert "13 devices after the change, what is reserved by b-more, b-night too" in found["tenant-quota"]


@pytest.mark.parametrize(
    ("change", "policies"),
    [
        (reserve("b-us", "tenant-b", seat("us-a2", 0)), {"sovereignty-geographic", "sovereignty-legal"}),
        (reserve("x-night", "tenant-x"), {"facts-complete-reservation"}),
        (reserve(end=TONIGHT + timedelta(days=100)), {"reservation-term"}),
        (reserve(start=TONIGHT + timedelta(days=370), end=TONIGHT + timedelta(days=371)), {"reservation-term"}),
    ],
)
def test_what_may_not_be_reserved_is_forbidden_for_its_reason(change: Change, policies: set[str]) -> None:
    assert policies <= set(failing(change))


def test_an_end_that_has_passed_and_the_houses_own_numbers_forbid() -> None:
    day = reserve(start=builders.START - timedelta(hours=2), end=builders.START)
    assert set(failing(day)) == {"reservation-term"}
    strict = house(reservations=Reserving(lasts_hours=3, days_ahead=0))
    found = failing(reserve(), bundle=strict)
    assert "at most 3 hours" in found["reservation-term"]


def test_nobody_reserves_or_releases_for_another_tenant_and_the_kernel_agrees() -> None:
    acting: dict[str, Any] = {"for_tenants": (TenantId("tenant-a"),)}
    for change, on in ((reserve(), builders.estate()), (release(), holding(reserve()))):
        found = verdict(change, on=on, proposal=acting)
        assert "tenant-eviction-of-reservation" in {f.policy for f in found.failures}
        proposed = builders.proposal(change, on=on, **acting)
        matter = Matter.of(proposed, mandate=mandate_of(proposed))
        (objection,) = kernel.objections(matter, on, (), builders.START)
        assert (objection.dimension, objection.about) == (Dimension.TENANT, "reservation/b-night")


def test_a_tenant_is_asked_before_somebody_else_releases_what_is_theirs() -> None:
    estate = holding(reserve())
    assert estate.facts.tenant[TenantId("tenant-b")].disruption is DisruptionConsent.APPROVAL
    asked = verdict(release(), on=estate)
    assert (asked.decision, [r.tenant for r in asked.requirements]) == (Decision.NEEDS_APPROVAL, ["tenant-b"])
    own = verdict(release(), on=estate, proposal={"for_tenants": (TenantId("tenant-b"),)})
    assert own.decision is Decision.PERMIT
    diff = approving.diff_for(builders.proposal(release(), on=estate), TenantId("tenant-a"), estate)
    assert (diff.lines, diff.elsewhere) == ((), 1), "another tenant's owner is not shown it"


def test_who_approves_a_reservation_reads_every_device_and_both_times() -> None:
    proposed = builders.proposal(reserve(), on=builders.estate())
    (line,) = approving.diff_for(proposed, None, builders.estate()).lines
    told = dict(line.after)
    assert told["from"] == "2026-11-21T18:00:00Z"
    assert told["accelerators"] == "eu-b2: 0, 1, 2, 3"
    assert line.undo == "release reservation b-night of tenant-b"


def test_devices_in_two_clusters_are_two_reservations_of_one_proposal_each_judged_where_it_stands() -> None:
    """All or none: one verdict, one warrant. Which of them the law refuses is named."""

    def both(tenant: str) -> tuple[Change, ...]:
        return reserve("here", tenant, seat("eu-b2", 0)), reserve("there", tenant, seat("us-a2", 0))

    assert verdict(*both("tenant-c")).decision is Decision.PERMIT
    found = verdict(*both("tenant-b"))
    assert found.decision is Decision.FORBID
    assert {f.about for f in found.failures} == {"reservation/there"}
    assert Dimension.GEOGRAPHIC in {f.dimension for f in found.failures}


def test_two_plans_for_one_device_are_not_both_permitted() -> None:
    """What is in flight counts: the second is decided as if the first stood already."""
    rival = reserve("c-night", "tenant-a")
    flying: dict[str, Any] = {"in_flight": builders.steps(reserve())}
    found = verdict(rival, standing=flying)
    assert found.decision is Decision.FORBID
    assert "is reserved from" in found.failures[0].found
