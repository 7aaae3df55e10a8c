"""Four executors that race for one warrant on shared files: `python -m tests.crash.racing_program DIR FIRST_TOKEN`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from console import logs
from estate.errors import PlacetError
from estate.identities import SubjectKind
from estate.snapshots import Snapshot, SnapshotVersion
from policies.ledger.sqlite import SqliteLedger
from tests import builders
from tests.execution.rig import AUDIENCE, Rig, sealed, warrant
from tools.execution.executor import Executor
from tools.execution.hands import Hands
from tools.execution.patience import Patience
from tools.execution.recording import Holder
from tools.execution.twin import TwinTarget
from tools.twin.world import World

EACH = 4


class Seen:
    """The estate that the warrant was decided on."""

    def newest(self) -> Snapshot:
        return builders.estate()

    async def reached(self, version: SnapshotVersion) -> Snapshot:
        return builders.estate()


async def main(folder: Path, first: int) -> None:
    """Wait for the start, race, and say how each executor ended."""
    world = await World.open(folder / "twin.db", builders.facts())
    ledger = await SqliteLedger.open(folder / "ledger.db", builders.INSTALLATION)
    (folder / f"at-start-{first}").touch()
    while not (folder / "go").exists():  # noqa: ASYNC110 - the word comes from another process
        await asyncio.sleep(0.002)
    racers = (_executor(f"e{token}", token, world, ledger) for token in range(first, first + EACH))
    for line in await asyncio.gather(*(_race(racer) for racer in racers)):
        print(line)  # noqa: T201
    await ledger.close()
    await world.close()


def _executor(name: str, token: int, world: World, ledger: SqliteLedger) -> Executor:
    holder = Holder(AUDIENCE, builders.subject(name, SubjectKind.EXECUTOR), name)
    hands = Hands(TwinTarget(world), Seen(), builders.TestClock(), Patience(attempts=3, looks=3))
    return Executor(holder, Rig().law(), hands, ledger, lambda: token)


async def _race(racer: Executor) -> str:
    try:
        outcome = await racer.execute(sealed(warrant()))
    except PlacetError as error:
        return type(error).__name__
    return outcome.digest


if __name__ == "__main__":
    logs.configure()
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
