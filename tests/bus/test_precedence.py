"""Within one interpreter a fence goes before cases, and no case stands still for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from estate.subjects import Subjects
from tests.bus.consuming import consumer, consuming, until
from tools.bus.port import Bus, Delivery, Handler, StreamSpec
from tools.bus.precedence import Precedence, RightOfWay

SOON, NEVER = 0.01, 3600.0


async def test_who_gives_way_stands_still_until_the_last_fence_has_passed():
    way = RightOfWay(SOON, NEVER)
    with way.taken():
        with way.taken():
            case = asyncio.create_task(way.given())
        await asyncio.sleep(SOON * 3)
        assert not case.done(), "the first fence is still under way"
    await asyncio.wait_for(case, 5)


async def test_a_hop_between_two_processes_does_not_let_cases_in_between():
    """From the correlator to the gate a fence is in nobody's hands for a moment."""
    way = RightOfWay(0.2, NEVER)
    with way.taken():
        case = asyncio.create_task(way.given())
    await asyncio.sleep(SOON)
    with way.taken():
        await asyncio.sleep(0.3)
        assert not case.done()
    await asyncio.wait_for(case, 5)


async def test_fences_without_end_do_not_starve_a_case():
    way = RightOfWay(SOON, SOON)
    with way.taken():
        await asyncio.wait_for(way.given(), 5)


async def test_a_fence_that_fails_gives_the_way_back():
    way = RightOfWay(SOON, NEVER)
    with pytest.raises(ConnectionError), way.taken():
        raise ConnectionError("the gate is gone")
    await asyncio.wait_for(way.given(), 5)


async def test_consumers_take_and_give_way_as_their_specs_say(bus: Bus, subjects: Subjects):
    """A fence is being handled when a case comes: the case waits, whichever adapter delivers the two."""
    await bus.declare(StreamSpec("WORK", (subjects.case("*", "*"),), work_queue=True))
    done: list[str] = []
    under_way, fence_may_end = asyncio.Event(), asyncio.Event()

    async def on_fence(_: Delivery) -> None:
        under_way.set()
        await fence_may_end.wait()
        done.append("fence")

    async def on_case(_: Delivery) -> None:
        done.append("case")

    async with at_work(bus, subjects, "fence", Precedence.TAKES, on_fence):
        await under_way.wait()
        async with at_work(bus, subjects, "case", Precedence.GIVES, on_case):
            await asyncio.sleep(SOON * 10)
            assert done == []
            fence_may_end.set()
            await until(lambda: len(done) == 2)
    assert done == ["fence", "case"]


@asynccontextmanager
async def at_work(
    bus: Bus, subjects: Subjects, what: str, precedence: Precedence, handler: Handler
) -> AsyncIterator[None]:
    """A consumer of that precedence with one message to handle."""
    subject = subjects.case("eu", what)
    async with consuming(bus, consumer(name=what, subjects=(subject,), precedence=precedence), handler):
        await bus.publish(subject, b"x", message_id=what)
        yield
