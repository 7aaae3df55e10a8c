"""Reservations outlive whoever keeps them: kill -9 of writer and bus while one begins, one ends and one is written."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from estate import reserving
from estate.frozen import FrozenEstate
from estate.subjects import Subjects
from tests import builders, surroundings
from tests.builders import INSTALLATION, START
from tests.crash.reserving_program import HOUR
from tests.crash.supervision import until
from tests.spawning import Program, Spawned, spawn
from tools.bus.nats import NatsBus
from tools.bus.server import EmbeddedServer
from tools.bus.streams import INTAKE
from tools.inventory.follower import Follower
from tools.reservations.book import BUCKET, Book
from tools.reservations.pages import Page
from tools.sensors import keeping

_SOON = 30.0
pytestmark = [pytest.mark.nats, pytest.mark.processes]


class Seen:
    """What a process that follows the inventory knows, and what lies on the bus."""

    def __init__(self, bus: NatsBus) -> None:
        self.bus = bus
        self.follower = Follower(bus, Subjects(INSTALLATION), lambda _: builders.facts())

    async def names(self, *expected: str) -> FrozenEstate:
        """The estate, once these are reserved in it and no others."""

        async def found() -> FrozenEstate | None:
            estate = self.follower.newest()
            return estate if tuple(r.id for r in reserving.every(estate)) == expected else None

        await self.follower.ready()
        return await until(found, f"reservations {expected}", _SOON)

    async def page(self) -> Page:
        """The book."""
        return await Book(await self.bus.bucket(BUCKET), builders.TestClock()).page()

    async def told(self) -> list[bytes]:
        """The events of the sensor, by what they say."""
        return [d.data for d in await self.bus.replay(INTAKE) if b"reservation-unkept" in d.data]

    async def remembered(self) -> list[str]:
        """The reservations of which the sensor remembers that it told something."""
        bucket = await self.bus.bucket(keeping.BUCKET)
        cells = [await bucket.get(key) for key in await bucket.keys()]
        return [c.key for c in cells if c is not None and b"raised_at" in c.value]


@asynccontextmanager
async def kept(folder: Path, *flags: str) -> AsyncIterator[tuple[Spawned, Seen]]:
    """Bus and program for the length of a block; both end as by `kill -9`."""
    async with EmbeddedServer(folder / "nats") as server:
        arguments = (server.url, str(folder), *flags)
        program = Program("tests.crash.reserving_program", arguments, surroundings.plain(), folder / "errors")
        running = await spawn(program)
        bus = await NatsBus.connect(server.credentials(), Subjects(INSTALLATION), name="test")
        seen = Seen(bus)
        following = asyncio.create_task(seen.follower.run()) if not flags else None
        try:
            yield running, seen
        finally:
            if following is not None:
                following.cancel()
                await asyncio.wait([following])
            await bus.close()
            if running.returncode is None:
                running.send_signal(signal.SIGKILL)
            await running.wait()
            await server.stop(kill=True)


async def test_what_ends_and_begins_while_nobody_runs_is_as_if_they_had_run(tmp_path: Path) -> None:
    set_clock = clock_of(tmp_path)
    set_clock(timedelta())
    async with kept(tmp_path, "fatal") as (first, seen):
        assert await first.wait() == -signal.SIGKILL, (tmp_path / "errors").read_text()
        written = await seen.page()
    assert [e.id for e in written.entries] == ["ahead", "begins", "over"], "the last one too, and nobody heard of it"
    set_clock(3 * HOUR)
    async with kept(tmp_path) as (_, seen):
        estate = await seen.names("ahead", "begins")
        begun = [r.id for r in reserving.every(estate) if reserving.in_force(r.terms, START + 3 * HOUR)]
        assert begun == ["begins"]
        assert await seen.page() == written, "each step was done again and found itself"
        (told,) = await until(lambda: some(seen.told), "the sensor to tell who is still there", _SOON)
        assert b"`a-guest` still runs on eu-b2" in told
        await until(lambda: some(seen.remembered), "the sensor to remember it", _SOON)
    set_clock(7 * HOUR)
    async with kept(tmp_path) as (_, seen):
        await seen.names("ahead")
        assert await seen.page() == written
        about = await until(lambda: some(seen.told, 2), "what ended to be resolved", _SOON)
        assert [b'"resolved":true' in event for event in about] == [False, True], "told once, and resolved once"


def clock_of(folder: Path) -> Callable[[timedelta], None]:
    """Sets the program's clock to so long after the start."""

    def to(after: timedelta) -> None:
        (folder / "next").write_text((START + after).isoformat())
        (folder / "next").rename(folder / "now")

    return to


async def some[T](look: Callable[[], Awaitable[list[T]]], least: int = 1) -> list[T] | None:
    """What is seen, once it is so much."""
    found = await look()
    return found if len(found) >= least else None
