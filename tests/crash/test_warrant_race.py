"""Eight executors in two processes race for one warrant on the files that they share: one execution."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from policies.ledger.port import EntryKind
from policies.ledger.sqlite import SqliteLedger
from tests import builders, surroundings
from tests.builders import INSTALLATION
from tests.crash.racing_program import EACH
from tests.crash.supervision import until
from tests.execution.rig import content
from tests.spawning import Program, Spawned, spawn
from tools.twin.world import World

STARTS = (1, 1 + EACH)


@pytest.mark.processes
async def test_of_eight_executors_that_race_one_warrant_one_executes(tmp_path: Path) -> None:
    world = await World.open(tmp_path / "twin.db", builders.facts())
    await world.seed(builders.default_nodes(), builders.default_workloads())
    racers = [await racing(tmp_path, first) for first in STARTS]

    async def lined_up() -> bool | None:
        return all((tmp_path / f"at-start-{first}").exists() for first in STARTS) or None

    await until(lined_up, "both processes to line up")
    (tmp_path / "go").touch()
    said = [line for out, _ in await asyncio.gather(*(r.communicate() for r in racers)) for line in out.split()]
    assert len(said) == 2 * EACH, "each executor came to an end"
    outcomes = set(said) - {b"Held", b"Fenced"}
    assert len(outcomes) == 1, "whoever got an outcome got the same one"
    entries = await kinds(tmp_path)
    for kind, count in ((EntryKind.CONSUMED, 1), (EntryKind.STEP_APPLIED, 3), (EntryKind.OUTCOME, 1)):
        assert entries.count(kind) == count, kind
    assert (await world.changes()).revision == 4, "the seed and three writes"
    assert content(await world.snapshot()) != content(builders.estate())
    await world.close()


async def racing(folder: Path, first: int) -> Spawned:
    arguments = (str(folder), str(first))
    return await spawn(Program("tests.crash.racing_program", arguments, surroundings.plain(), folder / "errors"))


async def kinds(folder: Path) -> list[EntryKind]:
    ledger = await SqliteLedger.open(folder / "ledger.db", INSTALLATION)
    found = [entry.kind async for entry in ledger.entries()]
    await ledger.close()
    return found
