"""What becomes of one delivery, where the contract suite would have to wait for minutes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from estate.errors import BadInput, NewerRecord, NotYet, RetryLater
from estate.subjects import Subjects
from tools.bus.handling import FULL_DELAY, NEWER_DELAY, Handling, backoff
from tools.bus.memory import MemoryBroker
from tools.bus.port import Bucket, ConsumerSpec, Delivery, NotAllowed, StreamFull

SPEC = ConsumerSpec("WORK", "worker", max_deliver=3)


@dataclass
class NotedLetter:
    """A letter that notes what was done with it."""

    delivery: Delivery
    done: list[object] = field(default_factory=list)

    async def acknowledge(self) -> None:
        self.done.append("acknowledged")

    async def again(self, delay: timedelta) -> None:
        self.done.append(delay)

    async def terminate(self) -> None:
        self.done.append("terminated")

    async def in_progress(self) -> None:
        self.done.append("in progress")


@pytest.fixture
async def left(memory_broker: MemoryBroker, subjects: Subjects) -> Bucket:
    return await memory_broker.connect(subjects).bucket("left")


def letter(attempt: int) -> NotedLetter:
    return NotedLetter(Delivery("s", b"x", {}, "m1", "WORK", 7, attempt))


async def treated(attempt: int, left: Bucket, fault: Exception | None, *, full: bool = False) -> list[object]:
    """What was done with a letter whose handler ended in `fault`, a burial noted by its reason."""
    noted = letter(attempt)

    async def handler(_: Delivery) -> None:
        if fault is not None:
            raise fault

    async def bury(_: Delivery, __: ConsumerSpec, reason: str) -> None:
        if full:
            raise StreamFull("dead letters are full")
        noted.done.append(reason)

    async def bucket() -> Bucket:
        return left

    await Handling(SPEC, handler, bury, bucket).treat(noted)
    return noted.done


async def test_what_was_left_for_a_newer_placet_is_handled_by_it_however_often_it_was_delivered(left: Bucket):
    assert await treated(1, left, NewerRecord("v9")) == [NEWER_DELAY]
    assert await treated(40, left, NewerRecord("v9")) == [NEWER_DELAY]
    assert await treated(41, left, None) == ["acknowledged"]
    assert await left.keys() == ()


async def test_a_letter_beyond_max_deliver_is_buried_without_asking_the_handler(left: Bucket):
    (reason, end) = await treated(4, left, None)
    assert (reason, end) == ("delivered 3 times without an answer (its worker died?)", "terminated")


async def test_the_copy_is_stored_before_the_original_is_given_up(left: Bucket):
    assert await treated(1, left, BadInput("no")) == ["BadInput: no", "terminated"]
    assert await treated(1, left, BadInput("no"), full=True) == [FULL_DELAY], "it rests while dead letters are full"


async def test_the_pause_grows_and_the_last_one_repeats(left: Bucket):
    assert [backoff(SPEC, attempt).total_seconds() for attempt in (1, 2, 3, 4, 5, 9)] == [0.2, 1, 5, 30, 30, 30]
    assert await treated(2, left, RetryLater("busy")) == [timedelta(seconds=1)]


async def test_the_memory_bus_can_play_a_user_that_may_not_publish(memory_broker: MemoryBroker, subjects: Subjects):
    bus = memory_broker.connect(subjects, may_publish=lambda subject: ".verdict." not in subject)
    await bus.signal(subjects.progress("i1"), b"x")
    with pytest.raises(NotAllowed):
        await bus.publish(subjects.verdict("eu", "permit"), b"x", message_id="m1")
    await bus.close()
    with pytest.raises(RetryLater, match="closed"):
        await bus.signal(subjects.progress("i1"), b"x")


async def test_what_only_waits_for_something_else_alarms_nobody_and_ends_like_any_other(left: Bucket):
    with capture_logs() as logs:
        waits, fails = await treated(1, left, NotYet("its fault comes")), await treated(1, left, RetryLater("down"))
    assert (len(waits), len(fails)) == (1, 1)
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("delivery waits", "info"),
        ("delivery failed", "warning"),
    ]
    assert await treated(3, left, NotYet("its fault comes")) == [
        "NotYet: its fault comes (attempt 3 of 3)",
        "terminated",
    ]
