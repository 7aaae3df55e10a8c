"""What every Bus promises of messages, streams and consumers, on the memory adapter and on a real nats-server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from estate.errors import BadInput, NeverRetry, NewerRecord, RetryLater
from estate.proposals import Lane
from estate.subjects import Subjects
from tests.bus.consuming import Recorder, consumer, consuming, emptied, until
from tools.bus import dead_letters
from tools.bus.port import (
    Bus,
    Delivery,
    StreamFull,
    StreamSpec,
    SubjectFull,
    TooLarge,
)
from tools.bus.streams import DEAD, streams

type Connect = Callable[[], Awaitable[Bus]]


@pytest.fixture
async def work(bus: Bus, subjects: Subjects) -> StreamSpec:
    """A small work queue and the dead-letter stream."""
    spec = StreamSpec("WORK", (subjects.case("*", "*"),), work_queue=True)
    dead = next(s for s in streams(subjects) if s.name == DEAD)
    await bus.declare(spec, dead)
    return spec


async def test_a_message_is_handled_once_and_leaves_the_work_queue(bus: Bus, work: StreamSpec, subjects: Subjects):
    handler = Recorder()
    subject = subjects.case("eu", "opened")
    assert await bus.publish(subject, b"one", message_id="m1", headers={"Placet-X": "ä"})
    async with consuming(bus, consumer(), handler):
        await emptied(bus, "WORK")
    (seen,) = handler.seen
    assert (seen.subject, seen.data, seen.message_id, seen.stream, seen.attempt) == (subject, b"one", "m1", "WORK", 1)
    assert seen.headers["Placet-X"] == "ä"


async def test_the_same_message_id_is_stored_once_and_reported_as_a_duplicate(
    bus: Bus, work: StreamSpec, subjects: Subjects
):
    assert await bus.publish(subjects.case("eu", "opened"), b"one", message_id="m1")
    assert not await bus.publish(subjects.case("eu", "joined"), b"two", message_id="m1")
    assert [d.data for d in await bus.replay("WORK")] == [b"one"]


async def test_a_full_stream_pushes_back_and_loses_nothing(bus: Bus, subjects: Subjects):
    await bus.declare(StreamSpec("WORK", (subjects.case("*", "*"),), work_queue=True, max_messages=3))
    subject = subjects.case("eu", "opened")
    for number in range(3):
        await bus.publish(subject, b"x", message_id=f"m{number}")
    with pytest.raises(StreamFull):
        await bus.publish(subject, b"x", message_id="m3")
    assert [d.message_id for d in await bus.replay("WORK")] == ["m0", "m1", "m2"]
    handler = Recorder()
    async with consuming(bus, consumer(), handler):
        await emptied(bus, "WORK")
        assert await bus.publish(subject, b"x", message_id="m3"), "a refused message is not remembered as a duplicate"
        await until(lambda: len(handler.seen) == 4)


async def test_a_subject_that_has_used_its_share_pushes_back_and_no_other_does(bus: Bus, subjects: Subjects):
    await bus.declare(StreamSpec("WORK", (subjects.case("*", "*"),), work_queue=True, max_per_subject=2))
    greedy, modest = subjects.case("eu", "opened"), subjects.case("us", "opened")
    for number in range(2):
        await bus.publish(greedy, b"x", message_id=f"m{number}")
    with pytest.raises(SubjectFull):
        await bus.publish(greedy, b"x", message_id="m2")
    assert not await bus.publish(greedy, b"x", message_id="m1"), "what was stored before is a duplicate, not a refusal"
    assert await bus.publish(modest, b"x", message_id="m3")
    async with consuming(bus, consumer(), Recorder()):
        await emptied(bus, "WORK")
        assert await bus.publish(greedy, b"x", message_id="m2"), "what was consumed makes room again"


async def test_a_stream_full_of_bytes_pushes_back_too(bus: Bus, subjects: Subjects):
    await bus.declare(StreamSpec("WORK", (subjects.case("*", "*"),), work_queue=True, max_bytes=3500))
    subject = subjects.case("eu", "opened")
    for number in range(3):
        await bus.publish(subject, b"x" * 1000, message_id=f"m{number}")
    with pytest.raises(StreamFull):
        await bus.publish(subject, b"x" * 1000, message_id="m3")


async def test_a_stream_that_may_forget_keeps_the_newest(bus: Bus, subjects: Subjects):
    await bus.declare(StreamSpec("DELTAS", (subjects.delta(),), work_queue=False, max_messages=2, discard_old=True))
    for number in range(4):
        await bus.publish(subjects.delta(), str(number).encode(), message_id=f"m{number}")
    assert [d.data for d in await bus.replay("DELTAS")] == [b"2", b"3"]


async def test_a_message_over_the_limit_is_refused_at_the_publisher(bus: Bus, work: StreamSpec, subjects: Subjects):
    with pytest.raises(TooLarge):
        await bus.publish(subjects.case("eu", "opened"), b"x" * (256 * 1024 + 1), message_id="m1")
    assert await bus.publish(subjects.case("eu", "opened"), b"x" * (256 * 1024), message_id="m1")


async def test_publishing_where_no_stream_listens_is_an_error_that_may_pass(bus: Bus, subjects: Subjects):
    with pytest.raises(RetryLater):
        await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1")


async def test_a_passing_fault_is_retried_after_the_back_off(bus: Bus, work: StreamSpec, subjects: Subjects):
    handler = Recorder(RetryLater("busy"), ValueError("unexpected"))
    await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1")
    async with consuming(bus, consumer(), handler):
        await emptied(bus, "WORK")
    assert [d.attempt for d in handler.seen] == [1, 2, 3]
    assert handler.times[1] - handler.times[0] >= 0.025
    assert handler.times[2] - handler.times[1] >= 0.05
    assert await bus.replay(DEAD) == ()


async def test_after_max_deliver_the_message_is_a_dead_letter_with_its_story(
    bus: Bus, work: StreamSpec, subjects: Subjects
):
    handler = Recorder(*[RetryLater("down\nagain")] * 5)
    await bus.publish(subjects.case("eu", "opened"), b"body", message_id="m1", headers={"Placet-X": "1"})
    async with consuming(bus, consumer(), handler):
        await emptied(bus, "WORK")
    assert len(handler.seen) == 3
    (letter,) = await dead_letters.listed(bus)
    assert letter.reason == "RetryLater: down again (attempt 3 of 3)"
    assert (letter.stream, letter.consumer, letter.attempts, letter.message_id) == ("WORK", "worker", 3, "m1")
    assert (letter.subject, letter.data, dict(letter.headers)) == (
        subjects.case("eu", "opened"),
        b"body",
        {"Placet-X": "1"},
    )


async def test_what_can_never_succeed_is_a_dead_letter_at_once(bus: Bus, work: StreamSpec, subjects: Subjects):
    handler = Recorder(BadInput("field `x` is not a number"))
    await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1")
    async with consuming(bus, consumer(), handler):
        await emptied(bus, "WORK")
    assert len(handler.seen) == 1
    (letter,) = await dead_letters.listed(bus)
    assert letter.reason == "BadInput: field `x` is not a number"


async def test_a_dead_letter_can_be_replayed_and_is_then_gone(bus: Bus, work: StreamSpec, subjects: Subjects):
    handler = Recorder(BadInput("no"), BadInput("still no"))
    await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1")
    async with consuming(bus, consumer(), handler):
        await emptied(bus, "WORK")
        (letter,) = await dead_letters.listed(bus)
        await dead_letters.replay(bus, letter.sequence)
        await until(lambda: len(handler.seen) == 2)
        await emptied(bus, "WORK")
        (again,) = await dead_letters.listed(bus)
        assert (again.reason, again.replays) == ("BadInput: still no", 1)
        await dead_letters.replay(bus, again.sequence)
        await until(lambda: len(handler.seen) == 3)
    assert await dead_letters.listed(bus) == ()
    with pytest.raises(dead_letters.NoSuchLetter, match="no dead letter"):
        await dead_letters.show(bus, letter.sequence)


async def test_a_record_of_a_newer_placet_is_left_where_it_is(bus: Bus, work: StreamSpec, subjects: Subjects):
    handler = Recorder(NewerRecord("version 9"))
    await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1")
    async with consuming(bus, consumer(), handler):
        await until(lambda: len(handler.seen) == 1)
        await asyncio.sleep(0.3)
    assert len(handler.seen) == 1, "it is not looked at again and again"
    assert await bus.replay(DEAD) == ()
    assert [d.message_id for d in await bus.replay("WORK")] == ["m1"]


async def test_a_message_of_a_worker_that_died_is_delivered_to_another(connect: Connect, bus: Bus, subjects: Subjects):
    await bus.declare(StreamSpec("WORK", (subjects.case("*", "*"),), work_queue=True))
    await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1")
    dying, started = await connect(), asyncio.Event()
    spec = consumer(ack_wait=timedelta(milliseconds=400))

    async def hangs(_: Delivery) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(dying.consume(spec, hangs))
    await asyncio.wait_for(started.wait(), 5)
    await dying.close()
    handler = Recorder()
    async with consuming(bus, spec, handler):
        await until(lambda: len(handler.seen) == 1)
    assert handler.seen[0].attempt >= 2  # once more where this machine stood still for that long
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() or isinstance(task.exception(), RetryLater), "an error comes out as itself"


async def test_a_message_whose_workers_keep_dying_ends_as_a_dead_letter(
    connect: Connect, bus: Bus, work: StreamSpec, subjects: Subjects
):
    await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1")
    spec = consumer(ack_wait=timedelta(milliseconds=200), max_deliver=2)
    for _ in range(2):
        dying, started = await connect(), asyncio.Event()

        async def hangs(_: Delivery, started: asyncio.Event = started) -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(dying.consume(spec, hangs))
        await asyncio.wait_for(started.wait(), 5)
        await dying.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    handler = Recorder()
    async with consuming(bus, spec, handler):
        await emptied(bus, "WORK")
    assert handler.seen == []
    (letter,) = await dead_letters.listed(bus)
    assert "without an answer" in letter.reason


async def test_a_worker_that_is_stopped_hands_back_at_once_what_it_had(bus: Bus, work: StreamSpec, subjects: Subjects):
    await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1")
    started = asyncio.Event()

    async def hangs(_: Delivery) -> None:
        started.set()
        await asyncio.Event().wait()

    async with consuming(bus, consumer(), hangs):
        await asyncio.wait_for(started.wait(), 5)
    handler = Recorder()
    async with consuming(bus, consumer(), handler):
        await until(lambda: len(handler.seen) == 1, seconds=3)


async def test_a_long_handler_keeps_its_message(bus: Bus, work: StreamSpec, subjects: Subjects):
    await bus.publish(subjects.case("eu", "opened"), b"x", message_id="m1")
    handled = Recorder()

    async def slow(delivery: Delivery) -> None:
        await handled(delivery)
        await asyncio.sleep(1.0)

    async with consuming(bus, consumer(ack_wait=timedelta(milliseconds=300)), slow):
        await emptied(bus, "WORK")
    assert len(handled.seen) == 1


async def test_no_more_handlers_are_at_work_than_the_concurrency(bus: Bus, work: StreamSpec, subjects: Subjects):
    at_work, most, done = 0, 0, 0

    async def slow(_: Delivery) -> None:
        nonlocal at_work, most, done
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.01)
        at_work -= 1
        done += 1

    for number in range(40):
        await bus.publish(subjects.case("eu", "opened"), b"x", message_id=f"m{number}")
    async with consuming(bus, consumer(concurrency=4), slow):
        await until(lambda: done == 40)
        await emptied(bus, "WORK")
    assert most == 4


async def test_two_workers_on_one_consumer_share_the_messages(connect: Connect, bus: Bus, work: StreamSpec, subjects):
    one, other = Recorder(), Recorder()
    second = await connect()
    async with consuming(bus, consumer(concurrency=1), one), consuming(second, consumer(concurrency=1), other):
        for number in range(60):
            await bus.publish(subjects.case("eu", "opened"), b"x", message_id=f"m{number}")
        await emptied(bus, "WORK")
    ids = [d.message_id for d in one.seen + other.seen]
    assert sorted(ids) == sorted({f"m{n}" for n in range(60)})


async def test_a_consumer_of_some_subjects_sees_only_those(bus: Bus, work: StreamSpec, subjects: Subjects):
    mine, theirs = Recorder(), Recorder()
    first = consumer(name="eu", subjects=(subjects.case("eu", "*"),))
    second = consumer(name="us", subjects=(subjects.case("us", "*"), subjects.case("in", "*")))
    for site in ("eu", "us", "in"):
        await bus.publish(subjects.case(site, "opened"), site.encode(), message_id=site)
    async with consuming(bus, first, mine), consuming(bus, second, theirs):
        await emptied(bus, "WORK")
    assert [d.data for d in mine.seen] == [b"eu"]
    assert sorted(d.data for d in theirs.seen) == [b"in", b"us"]


async def test_a_second_overlapping_consumer_on_a_work_queue_is_refused(bus: Bus, work: StreamSpec):
    async with consuming(bus, consumer(), Recorder()):
        await asyncio.sleep(0.2)
        with pytest.raises(NeverRetry):
            await asyncio.wait_for(bus.consume(consumer(name="another"), Recorder()), 5)


async def test_every_consumer_of_a_limits_stream_sees_every_message(bus: Bus, subjects: Subjects):
    await bus.declare(StreamSpec("EVENTS", (subjects.event(Lane.CASE, "*", "*"),), work_queue=False))
    one, other = Recorder(), Recorder()
    spec = consumer(stream="EVENTS", name="one"), consumer(stream="EVENTS", name="other")
    async with consuming(bus, spec[0], one), consuming(bus, spec[1], other):
        await bus.publish(subjects.event(Lane.CASE, "eu", "node.failed"), b"x", message_id="m1")
        await until(lambda: bool(one.seen and other.seen))
    assert len(await bus.replay("EVENTS")) == 1


async def test_replay_reads_all_in_order_and_consumes_nothing(bus: Bus, work: StreamSpec, subjects: Subjects):
    for number in range(5):
        await bus.publish(subjects.case("eu" if number % 2 else "us", "opened"), b"x", message_id=f"m{number}")
    assert [d.message_id for d in await bus.replay("WORK")] == ["m0", "m1", "m2", "m3", "m4"]
    assert [d.message_id for d in await bus.replay("WORK", subjects=(subjects.case("eu", "*"),))] == ["m1", "m3"]
    both = (subjects.case("us", "*"), subjects.case("in", "*"))
    assert [d.message_id for d in await bus.replay("WORK", subjects=both)] == ["m0", "m2", "m4"]
    first = (await bus.replay("WORK"))[0]
    await bus.delete_message("WORK", first.sequence)
    await bus.delete_message("WORK", first.sequence)
    assert len(await bus.replay("WORK")) == 4


async def test_follow_gives_what_was_and_then_what_comes(connect: Connect, bus: Bus, subjects: Subjects):
    await bus.declare(StreamSpec("DELTAS", (subjects.delta(),), work_queue=False))
    await bus.publish(subjects.delta(), b"0", message_id="m0")
    reader, seen = await connect(), []

    async def read() -> None:
        async for delivery in reader.follow("DELTAS"):
            seen.append(delivery.data)

    task = asyncio.create_task(read())
    await until(lambda: seen == [b"0"])
    for number in range(1, 50):
        await bus.publish(subjects.delta(), str(number).encode(), message_id=f"m{number}")
    await until(lambda: len(seen) == 50)
    assert seen == [str(n).encode() for n in range(50)]
    task.cancel()
    await asyncio.wait([task])
