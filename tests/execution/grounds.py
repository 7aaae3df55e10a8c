"""Where whole executions are played for every kind of change: a twin world, and a piece of a real cluster.

A ground makes one write of an execution fail, and says what it holds so that two sights can be compared: versions,
times and the marks that each write leaves are left out, and nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from estate import canonical, pooling, reserving
from estate.changes import Change
from estate.conditions import Condition
from estate.frozen import FrozenEstate
from estate.ids import Digest, ObjectId
from estate.manifests import Address
from estate.objects import Sighting
from estate.outcomes import Ending, Outcome
from estate.results import Refusal, RefusalCode
from estate.subjects import Subjects
from estate.warrants import Warrant
from tests import builders, pooled
from tests.execution.clusters import ClusterWorld, bare, cluster_world, until
from tests.execution.mig_managers import LABELS
from tests.execution.rig import LiveReader, Rig, sealed, warrant
from tests.objects import apply, manifest
from tests.partitioned import managed, stating
from tools.bus.memory import MemoryBroker
from tools.controlplane.launching import ControlPlane
from tools.execution.memory import MemoryTarget
from tools.execution.port import StepKey, Target
from tools.execution.reserving import WithReservations
from tools.execution.twin import TwinTarget
from tools.kubernetes import resources
from tools.kubernetes.connecting import Object
from tools.reservations.book import BUCKET, Book
from tools.reservations.pages import Key, Reserving
from tools.twin.world import World

BROKEN = "broken on purpose"
MOST_STEPS = 5


@dataclass(frozen=True, slots=True)
class Names:
    """The things of a ground: a workload on two nodes, three nodes that are empty, and a namespace."""

    empty: str
    first: str
    last: str
    serve: str
    namespace: str

    @property
    def settings(self) -> Address:
        """The object that is made there."""
        return apply(manifest(namespace=self.namespace)).address


class Ground(Protocol):
    """One world of one test."""

    names: Names

    @property
    def target(self) -> Target:
        """The adapter under test."""

    async def look(self) -> FrozenEstate:
        """The world as it is now."""

    async def object(self, address: Address) -> Sighting:
        """What is at an object's place."""

    async def content(self) -> tuple[object, object, object]:
        """All that it holds, to be compared: nodes and controllers, where replicas are bound, the object."""

    async def will_break(self, given: Warrant, number: int) -> None:
        """The write of that step fails, once it is asked for."""


async def run(ground: Ground, name: str, *changes: Change, breaking: int = 0) -> Outcome:
    """One whole execution of these changes on the ground as it is now; delivered twice, and each write asked twice."""
    now = await ground.look()
    seen = MemoryTarget(now)
    rig = Rig(world=seen, reader=LiveReader(seen))
    given = warrant(*changes, on=now, proposal=_named(f"break {breaking}" if breaking else name))
    if breaking:
        await ground.will_break(given, breaking)
    executor = rig.executor(target=ground.target)
    outcome = await executor.execute(sealed(given))
    done = await ground.content()
    assert await executor.execute(sealed(given)) == outcome, "a redelivered warrant has the outcome it had"
    for step in given.steps if outcome.ending is Ending.VERIFIED else ():
        key = StepKey(given.proposal, step.number, undo=False)
        assert await ground.target.apply(key, step.change, step.preconditions, step.postconditions) is None
    await settles(ground, done)
    return outcome


async def settles(ground: Ground, expected: object) -> None:
    """What the ground holds comes to be this: a cluster's controllers follow a write in their own time."""
    with suppress(TimeoutError):
        await until(ground.content, lambda now: now == expected, seconds=20.0)
    assert await ground.content() == expected


async def done_ahead(ground: Ground, change: Change) -> None:
    """Placet did this some other day."""
    (step,) = builders.steps(change, on=await ground.look())
    key = StepKey(_named(f"ahead {change.kind}"), 1, undo=False)
    assert await ground.target.apply(key, change, step.preconditions, step.postconditions) is None


class BreakingBook(Book):
    """The book of a ground, of which the write of one step breaks."""

    broken: str = ""

    async def write(self, key: Key, change: Reserving, conditions: Sequence[Condition]) -> Refusal | None:
        """See `Book`."""
        if key.step == self.broken:
            return Refusal(code=RefusalCode.FAULT, about=str(change.target()), message=BROKEN)
        return await super().write(key, change, conditions)

    async def on(self, estate: FrozenEstate) -> FrozenEstate:
        """That estate with what stands here."""
        standing = (await self.page()).standing(self.now())
        stock = estate.stock
        for reserved in standing:
            stock = stock.with_(reserved)
        return estate.with_stock(stock)

    def will_break(self, given: Warrant, number: int) -> None:
        """The write of that step fails."""
        self.broken = str(StepKey(given.proposal, number, undo=False))


async def book() -> BreakingBook:
    """An empty one."""
    bus = MemoryBroker().connect(Subjects(builders.INSTALLATION))
    return BreakingBook(await bus.bucket(BUCKET), builders.TestClock())


@dataclass
class TwinGround:
    """The small estate on a twin."""

    world: World
    names: Names
    book: BreakingBook

    @property
    def target(self) -> Target:
        return WithReservations(TwinTarget(self.world), self.book)

    async def look(self) -> FrozenEstate:
        return await self.book.on(await self.world.snapshot())

    async def object(self, address: Address) -> Sighting:
        found = (await self.look()).object(ObjectId(str(address)))
        assert found is not None, "a world knows of every object"
        return found

    async def content(self) -> tuple[object, object, object]:
        now, held = await self.look(), await self.object(self.names.settings)
        groups = tuple(now.stock.all(pooling.WORD))
        return tuple(now.nodes()), tuple(now.workloads()), (held.form, _terms(now), groups)

    async def will_break(self, given: Warrant, number: int) -> None:
        change = given.steps[number - 1].change
        self.book.will_break(given, number)
        await self.world.inject(str(change.target()), change.kind, BROKEN)


@asynccontextmanager
async def on_a_twin(directory: Path) -> AsyncIterator[Ground]:
    """The small estate."""
    world = await World.open(directory / "twin.db", stating(pooled.facts()))
    await world.seed([*map(managed, builders.default_nodes())], builders.default_workloads(), (pooled.group(),))
    yield TwinGround(world, Names("eu-a3", "eu-b3", "eu-b4", "a-serve", "tenant-a"), await book())
    await world.close()


@dataclass
class ClusterGround:
    """A controller with two pods on nodes that they fill, and empty nodes."""

    world: ClusterWorld
    names: Names
    book: BreakingBook

    @property
    def target(self) -> Target:
        return WithReservations(self.world.target(), self.book)

    async def look(self) -> FrozenEstate:
        return await self.book.on(await self.world.sight())

    async def object(self, address: Address) -> Sighting:
        return await self.world.object(address)

    async def content(self) -> tuple[object, object, object]:
        paths = [resources.NODES.path(name=n) for n in self.world.nodes]
        paths.append(resources.STATEFUL_SETS.path(self.world.namespace, "serve"))
        held = [_unechoed(bare(await self.world.ask("GET", path))) for path in paths]
        made = (await self.object(self.names.settings)).form
        return held, await self.world.on("serve"), (made, _terms(await self.look()))

    async def will_break(self, given: Warrant, number: int) -> None:
        """The cluster refuses that step's mark from the beginning (see `on_kubernetes`); the book has to be told."""
        self.book.will_break(given, number)


@asynccontextmanager
async def on_kubernetes(plane: ControlPlane, stems: Callable[[str], str]) -> AsyncIterator[Ground]:
    """A cluster whose admission refuses the n-th write of the proposal `break n`."""
    async with cluster_world(plane, stems) as world:
        for name in ("a1", "a2"):
            await world.node(name, accelerators=2)
        serve = await world.workload("StatefulSet", "serve", updateStrategy={"type": "OnDelete"}, serviceName="serve")
        empty = await world.node("a3", accelerators=2, labels=LABELS)
        first, last = [await world.node(n, accelerators=2) for n in ("a4", "a5")]
        broken = [f"'{_named(f'break {n}')}:{n}:do'" for n in range(1, MOST_STEPS + 1)]
        mark = "object.metadata.?annotations[?'placet.dev/warrant'].orValue('')"
        refuses = f"![{', '.join(broken)}].exists(k, {mark}.contains(k))"
        async with world.rule("*", refuses, BROKEN):
            yield ClusterGround(world, Names(empty, first, last, serve, world.namespace), await book())


def _terms(estate: FrozenEstate) -> list[object]:
    return [(r.id, r.terms) for r in reserving.every(estate)]


def _unechoed(raw: Object) -> Object:
    """Without the taint by which the cluster repeats a fence."""
    taints = [t for t in raw["spec"].get("taints", ()) if t["key"] != "node.kubernetes.io/unschedulable"]
    spec = {k: v for k, v in raw["spec"].items() if k != "taints"}
    return raw | {"spec": spec | ({"taints": taints} if taints else {})}


def _named(name: str) -> Digest:
    return canonical.digest(name.encode())
