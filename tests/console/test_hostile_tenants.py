"""A person of one tenant reads a case that concerns two, and learns nothing of the other."""

from __future__ import annotations

from typing import Any

from console.door.projecting import projected
from console.door.views import Sight, incident_row
from estate.canonical import digest
from estate.identities import Role
from estate.ids import IncidentId, PolicyId, SiteId, TenantId
from estate.incidents import CaseState, Incident, Origin
from estate.proposals import Lane
from estate.verdicts import Decision, Dimension, Failure, Requirement, Verdict
from tests.builders import INSTALLATION, START, event, version

A, B = TenantId("tenant-a"), TenantId("tenant-b")
OWN = Sight(everything=False, tenants=frozenset({A}))
NAME = digest(b"proposal")


def failure(policy: str, tenant: TenantId | None, found: str) -> Failure:
    """A failure that found something."""
    return Failure(
        dimension=Dimension.TENANT,
        policy=PolicyId(policy),
        about="node/eu-a1",
        needed="",
        found=found,
        remedy="",
        reason="a reason",
        tenant=tenant,
    )


def requirement(tenant: TenantId) -> Requirement:
    """An owner is asked."""
    return Requirement(
        policy=PolicyId("tenant-consents"), role=Role.TENANT_OWNER, count=1, tenant=tenant, reason="asked before"
    )


def case(**over: Any) -> Incident:
    """A case of two tenants that waits for both."""
    verdict = Verdict(
        installation=INSTALLATION,
        incident=IncidentId("inc-1"),
        proposal=NAME,
        site=SiteId("eu-de"),
        lane=Lane.CASE,
        decision=Decision.NEEDS_APPROVAL,
        policies=(),
        failures=(
            failure("tenant-isolation", A, "on the node: tenant-b"),
            failure("contract-available", B, "b-train: 1 running"),
            failure("plan-current", None, "step 2: workload/b-train bindings"),
        ),
        requirements=(requirement(A), requirement(B)),
        mode="automatic",
        snapshot=version(),
        bundle=NAME,
        facts=NAME,
        read_set=NAME,
        decided_at=START,
    )
    fields: dict[str, Any] = {
        "id": IncidentId("inc-1"),
        "origin": Origin.INCIDENT,
        "site": SiteId("eu-de"),
        "domain": "node/eu-a1",
        "opened_at": START,
        "updated_at": START,
        "state": CaseState.AWAITING_APPROVAL,
        "summary": "move a-serve and b-train",
        "tenants": (A, B),
        "events": (event(), event(sender_id="line-2", tenant=B, message="b-train is slow")),
        "proposals": (NAME,),
        "verdicts": (verdict,),
    }
    return Incident(**(fields | over))


def test_nothing_of_the_other_tenant_is_left() -> None:
    """Not its name, not its workloads, not what its own channels said; only that somebody else is asked too."""
    seen = projected(case(), OWN, asked=False)
    assert b"tenant-b" not in seen.canonical()
    assert b"b-train" not in seen.canonical()
    assert [f.policy for f in seen.verdicts[0].failures] == ["tenant-isolation", "plan-current"]
    waiting = incident_row(seen)["waiting_for"]
    assert isinstance(waiting, list)
    assert ["tenant-a" in str(w) for w in waiting[:2]] == [True, False]


def test_who_asked_for_a_case_reads_why_it_failed() -> None:
    mine = case(tenants=(A,))
    seen = projected(mine, OWN, asked=True)
    assert seen.summary == mine.summary
    assert seen.verdicts[0].failures[-1].found.startswith("step 2")


def test_who_runs_the_house_reads_all_of_it() -> None:
    assert projected(case(), Sight(everything=True), asked=False) == case()
