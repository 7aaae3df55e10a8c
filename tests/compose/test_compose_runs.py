"""The commands of compose.yaml, run: an incident, a request and a proposal, while every process is killed once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from console.demo.twin_scenery import CHANGE_FILE
from estate.ids import NodeId
from estate.incidents import CaseState
from tests.compose.composition import Composition, composed
from tests.crash.accounting import streams_come_to_rest
from tests.crash.supervision import FAILING, Outside

pytestmark = [pytest.mark.nats, pytest.mark.postgres, pytest.mark.processes, pytest.mark.timeout(600)]


async def test_every_process_may_be_killed_once_while_three_cases_run(tmp_path: Path) -> None:
    async with composed(tmp_path) as composition:
        outside = composition.outside
        await incident(composition, outside)
        await request(composition)
        await proposal(composition, tmp_path / "change.yaml")
        for name in composition.running:
            if name not in {"init", "issue", "provision"}:
                await composition.healthy(name)
        await streams_come_to_rest(outside)
        await verifies(composition, tmp_path / "ledger.export")


async def incident(composition: Composition, outside: Outside) -> None:
    """A device is lost; the agent dies while it waits for people, the executor once they have said yes."""
    await outside.enrol()
    await outside.lose_accelerator()
    waiting = await outside.incident(CaseState.AWAITING_APPROVAL)
    await composition.kill("agent")
    await outside.approve(str(waiting["name"]))
    await composition.kill("executor-twin")
    await outside.incident(CaseState.VERIFIED)
    async with outside.world() as world:
        node = (await world.snapshot()).node(FAILING)
    assert node is not None
    assert node.cordoned


async def request(composition: Composition) -> None:
    """Somebody asks in words; the gate and the inventory die while they wait for an answer."""
    asking = asyncio.create_task(composition.people("ask", "cordon eu-d1"))
    await composition.kill("gate")
    await composition.kill("inventory")
    code, said = await asking
    assert code == 0, said
    async with composition.outside.world() as world:
        node = (await world.snapshot()).node(NodeId("eu-d1"))
    assert node is not None
    assert node.cordoned


async def proposal(composition: Composition, file: Path) -> None:
    """Three steps from a file, through a console that was killed just before."""
    await asyncio.to_thread(file.write_text, yaml.safe_dump(CHANGE_FILE))
    await composition.kill("console")
    await composition.healthy("console")
    code, said = await composition.people("propose", "-f", str(file))
    assert code == 0, said
    async with composition.outside.world() as world:
        node = (await world.snapshot()).node(NodeId("us-a1"))
    assert node is not None
    assert node.power_cap_watts == 6000


async def verifies(composition: Composition, export: Path) -> None:
    """Anybody can check the whole of it offline; the console alone could sign for it."""
    code, said = await composition.people("ledger", "export", str(export))
    assert code == 0, said
    code, said = await composition.people("ledger", "verify", str(export))
    assert code == 0, said
    assert "the ledger holds" in said
