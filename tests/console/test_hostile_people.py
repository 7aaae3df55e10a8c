"""Enrolled people who try to do or to see more than their enrolment says."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime
from http import HTTPStatus

import pytest
from installations import Running, until

from console import identities
from console.door import authorising
from console.door.commands import Ask, Command, DeadLetters, Diagnose, LedgerExport, LedgerShow, Propose
from estate.changes import ScaleWorkload
from estate.errors import Denied
from estate.identities import Enrolment, Role
from estate.ids import IncidentId, TenantId, WorkloadId
from estate.progress import Progress, Stage
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


@pytest.mark.parametrize("command", [LedgerShow(), LedgerExport(), DeadLetters(), Diagnose()], ids=lambda c: c.verb)
def test_a_person_of_a_tenant_reads_nothing_that_names_everybody(command: Command) -> None:
    """Who is enrolled, what is frozen and why, and every tenant's entries are for those who run the house."""
    with pytest.raises(Denied, match="needs one of"):
        authorising.check(enrolment(Role.TENANT_OWNER, Role.REQUESTER, tenants=("tenant-a",)), command)


@pytest.mark.nats
@pytest.mark.xdist_group("system")
async def test_a_body_of_controls_can_be_shown_and_commands_no_terminal(placet: Running) -> None:
    """Whoever may post on a channel writes what an operator reads in the dead letters."""
    async with placet.http() as sender:
        hostile = '{\r\n"alerts": "no alert \x9b2J\u202e"}'.encode()
        posted = await sender.post("/v1/channels/local/alertmanager", content=hostile)
        assert posted.status_code == HTTPStatus.ACCEPTED
    door = placet.system.door(placet.admin)

    async def buried() -> bool:
        return bool((await door.call(DeadLetters())).result)

    await until(buried)
    shown = (await door.call(DeadLetters(sequence=1))).result
    assert isinstance(shown, list)
    assert isinstance(shown[0], dict)
    assert "no alert" in str(shown[0]["body"])
    assert not {"\x9b", "\r", "\u202e"}.intersection(str(shown[0]["body"]))


@pytest.mark.nats
@pytest.mark.xdist_group("system")
async def test_what_an_agent_signals_is_lines_or_nothing(placet: Running) -> None:
    """An agent's user may publish any bytes as progress; people's terminals print it."""
    door, agent = placet.system.door(placet.admin), placet.system.buses["agent"]
    subject = placet.system.subjects.progress("inc-1")
    said = Progress(
        incident=IncidentId("inc-1"), at=datetime.now(UTC), stage=Stage.OPENED, text="TEXT", details=("TEXT",)
    )
    hostile = json.dumps(said.json_form()).replace("TEXT", r"fine\n12:00:00 approved\u001b[2J").encode()

    async def signals() -> None:
        while True:
            await agent.signal(subject, b"not json")
            await agent.signal(subject, hostile)
            await asyncio.sleep(0.05)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        speaking = group.create_task(signals())
        async with aclosing(door.progress()) as heard:
            first = await anext(heard)
        speaking.cancel()
    assert (first.text, first.details) == ("fine 12:00:00 approved\ufffd[2J", ("fine 12:00:00 approved\ufffd[2J",))
