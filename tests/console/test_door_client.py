"""The door's client where the reply to a call is lost: what it says depends on whether the call may be given again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import pytest

from console.door.calls import Caller
from console.door.client import DoorClient
from console.door.commands import Ask, Command, Get, Kind, Propose
from estate.changes import ScaleWorkload
from estate.errors import RetryLater
from estate.ids import InstallationId, WorkloadId
from estate.subjects import Subjects
from policies.signing.memory import MemorySigner
from tests import builders
from tools.bus.port import Bus

PROPOSE = Propose(summary="pause it", changes=(ScaleWorkload(workload=WorkloadId("b-train"), replicas=0),))


async def unanswered(bus: Bus, installation: InstallationId, command: Command) -> str:
    """What a person is told whose call was heard by a console that then says nothing."""
    heard = asyncio.Event()

    async def silent(_: bytes, __: Mapping[str, str]) -> bytes:
        heard.set()
        await asyncio.sleep(1)
        return b""

    await bus.respond(Subjects(installation).command(command.verb), silent)
    signer = MemorySigner.generate(bytes)
    caller = Caller(installation, builders.subject("ada"), signer, builders.TestClock(), bytes)
    with pytest.raises(RetryLater) as told:
        await DoorClient(bus, caller, within=timedelta(seconds=0.3)).call(command)
    assert heard.is_set()
    return str(told.value)


@pytest.mark.parametrize("command", [PROPOSE, Ask(text="free two")], ids=["propose", "ask"])
async def test_what_opens_a_case_is_not_called_untaken(
    connect_either: Callable[[], Awaitable[Bus]], installation: InstallationId, command: Command
) -> None:
    """Given again it would open a second case, which fails over what the first one did."""
    said = await unanswered(await connect_either(), installation, command)
    assert "no answer on" in said
    assert "see `placet get incidents` before you give it again" in said


async def test_a_query_is_simply_asked_again(
    connect_either: Callable[[], Awaitable[Bus]], installation: InstallationId
) -> None:
    said = await unanswered(await connect_either(), installation, Get(what=Kind.INCIDENT))
    assert "give it again" not in said
