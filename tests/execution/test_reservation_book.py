"""The book of reservations, on the fake bus and on NATS: written once, never over another, told while it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta

import pytest

from estate import canonical
from estate.errors import NewerRecord
from estate.results import Refusal
from tests import builders
from tests.reserved import TONIGHT, release, reserve, seat
from tools.bus.port import Bus
from tools.execution.memory import MemoryTarget
from tools.execution.reserving import WithReservations
from tools.reservations.book import BUCKET, Book
from tools.reservations.pages import Key
from tools.reservations.source import ReservationSource

type Connect = Callable[[], Awaitable[Bus]]


def key(name: str) -> Key:
    return Key(proposal=canonical.digest(name.encode()), step=f"{name}:1:do")


async def opened(connect: Connect, clock: builders.TestClock) -> Book:
    bus = await connect()
    return Book(await bus.bucket(BUCKET), clock)


@pytest.fixture
def clock() -> builders.TestClock:
    return builders.TestClock()


async def test_a_step_writes_once_and_nobody_writes_over_another(
    connect_either: Connect, clock: builders.TestClock
) -> None:
    book = await opened(connect_either, clock)
    (made,) = builders.steps(reserve())
    assert await book.write(key("one"), made.change, made.preconditions) is None  # type: ignore[arg-type]
    page = await book.page()
    assert await book.write(key("one"), made.change, made.preconditions) is None, "the same step again"  # type: ignore[arg-type]
    assert await book.page() == page
    assert page.standing(clock())[0].proposal == key("one").proposal
    refused = await book.write(key("two"), made.change, made.preconditions)  # type: ignore[arg-type]
    assert isinstance(refused, Refusal)
    shared = await book.write(key("three"), reserve("c-night", "tenant-c", seat("eu-b2", 3)), ())
    assert isinstance(shared, Refusal)
    assert "shares devices" in shared.message
    assert await book.write(key("four"), release(), made.postconditions) is None
    assert await book.write(key("one"), made.change, made.preconditions) is None, "late, and still the same step"  # type: ignore[arg-type]
    assert (await book.page()).standing(clock()) == ()


async def test_of_executors_that_race_for_one_device_one_gets_it(
    connect_either: Connect, clock: builders.TestClock
) -> None:
    books = [await opened(connect_either, clock) for _ in range(3)]
    rivals = [reserve(f"r-{n}", "tenant-c", seat("eu-b2", n, 7)) for n in range(6)]
    beside = [reserve(f"s-{n}", "tenant-c", seat("eu-b3", n)) for n in range(6)]
    made = [books[n % 3].write(key(str(c.reservation)), c, ()) for n, c in enumerate((*rivals, *beside))]
    results = await asyncio.gather(*made)
    assert [r is None for r in results[:6]].count(True) == 1
    assert results[6:] == [None] * 6, "who waits for nobody loses nothing to a race"
    assert len((await books[0].page()).standing(clock())) == 7


async def test_of_two_in_one_plan_neither_is_written_where_the_book_has_no_room_for_one(
    connect_either: Connect, clock: builders.TestClock
) -> None:
    book = await opened(connect_either, clock)
    assert await book.write(key("one"), reserve("b-night", "tenant-b", seat("us-a2", 0)), ()) is None
    page = await book.page()
    plan = reserve("c-eu", "tenant-c", seat("eu-b2", 0)), reserve("c-us", "tenant-c", seat("us-a2", 0))
    refused = await WithReservations(MemoryTarget(builders.estate()), book).rehearse(builders.steps(*plan))
    assert isinstance(refused, Refusal)
    assert "reservation/c-us" in refused.message
    assert await book.page() == page


async def test_the_inventory_is_told_of_a_reservation_until_it_ends(connect_either: Connect, clock: builders.TestClock) -> None:  # noqa: E501 # fmt: skip
    book = await opened(connect_either, clock)
    async with aclosing(ReservationSource(book, clock, interval=timedelta(milliseconds=5)).watch()) as seen:
        first = await anext(seen)
        assert (first.whole, first.items) == (True, ())
        assert await book.write(key("one"), reserve(), ()) is None
        told = await anext(seen)
        assert [i.id for i in told.items] == ["b-night"]
        clock.set(TONIGHT + timedelta(hours=4))
        gone = await anext(seen)
        assert [r.id for r in gone.removed_items] == ["b-night"]
    clock.set(TONIGHT + timedelta(days=9))
    assert await book.write(key("two"), reserve("new", start=clock(), end=clock() + timedelta(hours=1)), ()) is None
    assert [e.id for e in (await book.page()).entries] == ["new"], "what is long over is forgotten"


async def test_a_page_that_a_newer_placet_wrote_is_neither_written_over_nor_taken_for_empty(
    connect_either: Connect, clock: builders.TestClock
) -> None:
    bus = await connect_either()
    bucket = await bus.bucket(BUCKET)
    book = Book(bucket, clock)
    assert await book.write(key("one"), reserve(), ()) is None
    async with aclosing(ReservationSource(book, clock, interval=timedelta(milliseconds=5)).watch()) as seen:
        assert [i.id for i in (await anext(seen)).items] == ["b-night"]
        newer = canonical.dumps({**(await book.page()).json_form(), "v": 2})
        await bucket.put("all", newer)
        with pytest.raises(NewerRecord, match="version 2 was written by a newer placet"):
            await book.write(key("two"), release(), ())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(seen), 0.05)
        stored = await bucket.get("all")
        assert stored is not None
        assert stored.value == newer
