"""Where whole executions are played for every kind of change: a twin world, and a piece of a real cluster.

A ground makes one write of an execution fail, and says what it holds so that two sights can be compared: versions, times
and the marks that each write leaves are left out, and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from estate import canonical
from estate.changes import Change
from estate.frozen import FrozenEstate
from estate.ids import Digest
from estate.outcomes import Outcome
from estate.warrants import Warrant
from tests import builders
from tests.execution.clusters import ClusterWorld, bare, cluster_world
from tests.execution.rig import LiveReader, Rig, sealed, warrant
from tests.objects import apply, manifest
from tools.controlplane.launching import ControlPlane
from tools.execution.memory import MemoryTarget
from tools.execution.port import StepKey, Target
from tools.execution.twin import TwinTarget
from tools.kubernetes import resources
from tools.twin.world import World

BROKEN = "broken on purpose"
MOST_STEPS = 5
CONTROLLER = {"updateStrategy": {"type": "OnDelete"}, "serviceName": "serve"}


def proposal(name: str) -> Digest:
    """The name of a proposal of these tests; `break 2` is one whose second write fails."""
    return canonical.digest(name.encode())


class Ground(Protocol):
    """One world of one test."""

    @property
    def target(self) -> Target:
        """The adapter under test."""

    async def look(self) -> FrozenEstate:
        """The world as it is now."""

    async def content(self) -> object:
        """All that it holds, to be compared."""

    @property
    def names(self) -> Names:
        """What there is to change."""

    async def will_break(self, given: Warrant, number: int) -> None:
        """The write of that step fails, once it is asked for."""


@dataclass(frozen=True, slots=True)
class Names:
    """The things of a ground: two nodes with a replica of `serve` each, two that are empty, a namespace."""

    one: str
    empty: str
    first: str
    last: str
    serve: str
    namespace: str


async def run(ground: Ground, name: str, *changes: Change, breaking: int = 0) -> Outcome:
    """One whole execution of these changes on the ground as it is now, by an executor of its own ledger."""
    seen = MemoryTarget(await ground.look())
    rig = Rig(world=seen, reader=LiveReader(seen))
    given = warrant(*changes, on=seen.estate, proposal=proposal(f"break {breaking}" if breaking else name))
    if breaking:
        await ground.will_break(given, breaking)
    executor = rig.executor(target=ground.target)
    outcome = await executor.execute(sealed(given))
    done = await ground.content()
    assert await executor.execute(sealed(given)) == outcome, "a redelivered warrant has the outcome it had"
    for step in given.steps if all(s.applied for s in outcome.steps) else ():
        key = StepKey(given.proposal, step.number, undo=False)
        assert await ground.target.apply(key, step.change, step.preconditions, step.postconditions) is None
    assert await ground.content() == done, "what is written twice is there once"
    return outcome


async def done_ahead(ground: Ground, change: Change) -> None:
    """Placet did this some other day."""
    (step,) = builders.steps(change, on=await ground.look())
    key = StepKey(proposal(f"ahead {change.kind}"), 1, undo=False)
    assert await ground.target.apply(key, change, step.preconditions, step.postconditions) is None


@dataclass
class TwinGround:
    """The small estate on a twin."""

    world: World
    target: Target
    names: Names = field(default=Names("eu-a1", "eu-a3", "eu-b3", "eu-b4", "a-serve", "tenant-a"))

    async def look(self) -> FrozenEstate:
        return await self.world.snapshot()

    async def content(self) -> object:
        now = await self.look()
        held = now.object(apply(manifest()).change_of if False else _place(self.names.namespace))
        return tuple(now.nodes()), tuple(now.workloads()), (held.form if held is not None else None)

    async def will_break(self, given: Warrant, number: int) -> None:
        change = given.steps[number - 1].change
        await self.world.inject(str(change.target()), change.kind, BROKEN)

    @classmethod
    @asynccontextmanager
    async def opened(cls, directory: Path) -> AsyncIterator[Ground]:
        world = await World.open(directory / "twin.db", builders.facts())
        await world.seed(builders.default_nodes(), builders.default_workloads())
        yield cls(world, TwinTarget(world))
        await world.close()
