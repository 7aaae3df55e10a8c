"""Executes one warrant on files and is killed at one point: `python -m tests.execution.victim DIR POINT`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from estate.identities import SubjectKind
from estate.snapshots import Snapshot, SnapshotVersion
from policies.ledger.sqlite import SqliteLedger
from tests import builders
from tests.builders import INSTALLATION
from tests.execution.rig import AUDIENCE, Rig, no_sleep, sealed, warrant
from tests.execution.test_executor_crashes import Bomb, MinedLedger, MinedTarget
from tools.execution.executor import Executor
from tools.execution.hands import Hands
from tools.execution.patience import Patience
from tools.execution.recording import Holder
from tools.execution.twin import TwinTarget
from tools.twin.world import World


class Dynamite(Bomb):
    """A bomb that takes the whole process with it, as `kill -9` does."""

    def tick(self) -> None:
        self.points += 1
        if self.points == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class TwinReader:
    """Sees the twin as it was when a run began; enough for one warrant at a time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: Snapshot = builders.estate()

    def newest(self) -> Snapshot:
        return self._seen

    async def reached(self, version: SnapshotVersion) -> Snapshot:
        self._seen = await self._world.snapshot()
        return self._seen


async def execute(folder: Path, point: int, token: int) -> str:
    """Execute the warrant of `rig` on the files in `folder`, made where they are missing; the ending."""
    world = await World.open(folder / "twin.db", builders.facts())
    if (await world.changes()).revision == 0:
        await world.seed(builders.default_nodes(), builders.default_workloads())
    ledger = await SqliteLedger.open(folder / "ledger.db", INSTALLATION)
    bomb, name = Dynamite(point), f"e{token}"
    patience = Patience(attempts=3, looks=3, sleep=no_sleep)
    executor = Executor(
        Holder(AUDIENCE, builders.subject(name, SubjectKind.EXECUTOR), name),
        Rig().law(),
        Hands(MinedTarget(TwinTarget(world), bomb), TwinReader(world), builders.TestClock(), patience),
        MinedLedger(ledger, bomb),
        lambda: token,
    )
    outcome = await executor.execute(sealed(warrant()))
    await ledger.close()
    await world.close()
    return outcome.ending.value


if __name__ == "__main__":
    print(asyncio.run(execute(Path(sys.argv[1]), int(sys.argv[2]), token=1)))  # noqa: T201
