"""Enrolled people who try to do or to see more than their enrolment says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from console import identities
from console.door import authorising
from console.door.commands import Ask, Command, Propose
from estate.changes import ScaleWorkload
from estate.errors import Denied
from estate.identities import Enrolment, Role
from estate.ids import TenantId, WorkloadId
from policies.signing.memory import MemorySigner
from tests.builders import TestEntropy, subject

ASK = Ask(text="move tenant-b's training away")
PROPOSE = Propose(summary="shrink it", changes=(ScaleWorkload(workload=WorkloadId("b-train"), replicas=0),))


def enrolment(*roles: Role, tenants: tuple[str, ...] = ()) -> Enrolment:
    """The enrolment of one person."""
    key = MemorySigner.generate(TestEntropy("rita")).public_key
    own = tuple(TenantId(t) for t in tenants)
    return identities.enrolment(subject("rita"), key, roles, own, datetime.now(UTC))


@pytest.mark.parametrize("command", [ASK, PROPOSE], ids=["ask", "propose"])
@pytest.mark.parametrize("role", [Role.REQUESTER, Role.TENANT_OWNER])
def test_who_speaks_for_no_tenant_commands_nothing(command: Command, role: Role) -> None:
    """A mandate without tenants is the house's: it is bounded by no tenant, so nobody else may have one."""
    with pytest.raises(Denied, match="speaks for no tenant"):
        authorising.check(enrolment(role), command)
    authorising.check(enrolment(role, tenants=("tenant-b",)), command)
    authorising.check(enrolment(Role.OPERATOR), command)
