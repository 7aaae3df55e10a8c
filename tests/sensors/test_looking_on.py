"""The sensors beside the one writer, on the fake bus and on a real NATS server: told once, kept, taken over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from estate import canonical
from estate.ids import ClusterId, InstallationId
from estate.subjects import Subjects
from tests import builders
from tests.conftest import Connect
from tools.bus.port import Bus, Delivery
from tools.bus.streams import INTAKE, streams
from tools.inventory.port import Heard, Observed
from tools.inventory.writer import Writer
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Writing
from tools.sensors.registry import Settings
from tools.sensors.watching import Pace, Watch

QUICK = Pace(tick=timedelta(milliseconds=20), keep=timedelta(0))


@dataclass
class Asked:
    """A source of readings: what a test puts in comes out."""

    clock: builders.TestClock
    queue: asyncio.Queue[Observed] = field(default_factory=asyncio.Queue)
    cluster: ClusterId | None = None

    async def watch(self) -> AsyncIterator[Observed]:
        yield Observed("s", nodes=builders.default_nodes(), workloads=builders.default_workloads(), whole=True)
        while True:
            yield await self.queue.get()

    async def draw(self, watts: float) -> None:
        """Every node of `eu-a` is measured to draw that."""
        writing = Writing("bmc", self.clock())
        for number in range(1, 5):
            writing.add(Mention(MentionKind.NODE, f"eu-a{number}.eu.example", "eu-1"), Metric.POWER_DRAWN, watts)
        await self.queue.put(Observed("bmc", heard=(Heard("bmc", self.clock(), readings=(writing.done(),)),)))


@asynccontextmanager
async def working(bus: Bus, installation: InstallationId, source: Asked, holder: str) -> AsyncIterator[None]:
    """A writer with the sensors looking on, until the block ends."""
    writer = Writer(bus, installation, holder, (source,), source.clock)
    watch = Watch(bus, installation, Settings(), source.clock, QUICK)
    task = asyncio.create_task(writer.run(b"{}", lambda _: builders.facts(), watch))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def about_power(bus: Bus) -> tuple[Delivery, ...]:
    """What lies on the sensors' channel about power; a clock that is turned makes sources look silent too."""
    return tuple(d for d in await bus.replay(INTAKE) if b"placet.power.exceeded" in d.data)


async def told(bus: Bus, count: int) -> tuple[Delivery, ...]:
    """What was told about power, once there is so much of it."""
    async with asyncio.timeout(20):
        while len(found := await about_power(bus)) < count:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)
    return found


async def test_what_is_measured_is_told_once_and_a_successor_neither_repeats_nor_forgets_it(
    connect_either: Connect, installation: InstallationId, subjects: Subjects
) -> None:
    bus = await connect_either()
    await bus.declare(*streams(subjects))
    clock = builders.TestClock()
    source = Asked(clock)
    async with working(bus, installation, source, "w1"):
        await source.draw(5_900)
        await asyncio.sleep(0.5)
        clock.advance(31)
        (raised,) = await told(bus, 1)
        await asyncio.sleep(0.3)
    assert raised.subject == subjects.intake("inventory", "cloudevents")
    event = canonical.loads(raised.data)
    assert isinstance(event, dict)
    assert event["type"] == "placet.power.exceeded.v1"
    clock.advance(30)
    successor = Asked(clock)
    async with working(await connect_either(), installation, successor, "w2"):
        await successor.draw(5_900)
        await asyncio.sleep(0.5)
        clock.advance(31)
        await asyncio.sleep(0.5)
        assert len(await about_power(bus)) == 1, "it is the same trouble"
        await successor.draw(1_000)
        await asyncio.sleep(0.5)
        clock.advance(301)
        _, cleared = await told(bus, 2)
    ending = canonical.loads(cleared.data)
    assert isinstance(ending, dict)
    assert isinstance(ending["data"], dict)
    assert ending["data"]["resolved"] is True
    assert str(ending["id"]).replace("cleared", "raised") == event["id"]


async def test_memory_that_cannot_be_read_is_begun_anew(
    connect_either: Connect, installation: InstallationId, subjects: Subjects
) -> None:
    bus = await connect_either()
    await bus.declare(*streams(subjects))
    await (await bus.bucket("sensors")).put("power.broken", b"\xff not a cell")
    clock = builders.TestClock()
    source = Asked(clock)
    async with working(bus, installation, source, "w1"):
        await source.draw(5_900)
        await asyncio.sleep(0.5)
        clock.advance(31)
        await told(bus, 1)


@pytest.mark.parametrize("word", ["inventory", "front-door"])
def test_nobody_may_call_a_channel_as_placets_own(word: str) -> None:
    from pydantic import ValidationError

    from console.config import Config

    with pytest.raises(ValidationError, match=f"channels: `{word}` is placet's own"):
        Config.model_validate({"channels": [{"id": word, "clusters": ["eu-1"], "formats": ["kernel"]}]})
