"""A person of one tenant reads a case that concerns two, and learns nothing of the other."""

from __future__ import annotations

from typing import Any

import pytest

from console.door.projecting import ELSEWHERE, projected, told
from console.door.views import Sight, incident_row
from estate.canonical import digest
from estate.errors import Denied
from estate.events import Request
from estate.identities import Role
from estate.ids import IncidentId, PolicyId, SiteId, TenantId
from estate.incidents import CaseState, Incident, Origin
from estate.observations import EventType
from estate.proposals import Lane
from estate.verdicts import Decision, Dimension, Failure, Requirement, Verdict
from policies import evidence
from policies.evidence import Reader
from tests.builders import INSTALLATION, START, estate, event, subject, version

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
    seen = projected(case(), OWN, asked=False, tells_of=tells_of)
    assert b"tenant-b" not in seen.canonical()
    assert b"b-train" not in seen.canonical()
    assert [f.policy for f in seen.verdicts[0].failures] == ["tenant-isolation", "plan-current"]
    waiting = incident_row(seen)["waiting_for"]
    assert isinstance(waiting, list)
    assert ["tenant-a" in str(w) for w in waiting[:2]] == [True, False]


def test_who_asked_for_a_case_reads_why_it_failed() -> None:
    asking = Request(text=case().summary, requester=subject("ann"), tenants=(A,))
    mine = case(tenants=(A,), events=(event(type=EventType.REQUEST_RECEIVED, request=asking),))
    seen = projected(mine, OWN, asked=True, tells_of=tells_of)
    assert seen.summary == mine.summary
    assert seen.verdicts[0].failures[-1].found.startswith("step 2")


def test_who_runs_the_house_reads_all_of_it() -> None:
    assert projected(case(), Sight(everything=True), asked=False, tells_of=tells_of) == case()


def tells_of(text: str) -> frozenset[TenantId]:
    """By the names of the small estate."""
    return evidence.tells_of((text,), estate())


def test_words_of_the_houses_own_that_name_another_tenants_work_are_not_told() -> None:
    """A sensor's event is nobody's: on a node that two share it may tell one of the other."""
    shared = case(domain="workload/b-train", events=(event(message="workload/b-train of tenant-b stands unlawfully"),))
    seen = projected(shared, OWN, asked=False, tells_of=tells_of)
    assert (seen.domain, seen.events[0].message) == (ELSEWHERE, ELSEWHERE)


@pytest.mark.parametrize("left", [{"tenants": (A, B)}, {"summary": "move b-train"}, {"domain": "workload/b-train"}])
def test_what_the_cut_forgot_the_law_does_not_hand_out(left: dict[str, Any]) -> None:
    """Whatever is cut out wrongly: Cedar is asked of what is left, by what it names."""
    seen = projected(case(), OWN, asked=False, tells_of=tells_of)
    reader = Reader("ann", "human", OWN.tenants)
    evidence.check(reader, told(seen, OWN, tells_of))
    forgotten = seen.model_copy(update=left)
    with pytest.raises(Denied, match="nobody reads evidence of another tenant"):
        evidence.check(reader, told(forgotten, OWN, tells_of))
