"""What a dead holder never answered is delivered again at once, where its death is known, with its attempts counted."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from estate.subjects import Subjects
from tests.conftest import Connect
from tools.bus.port import ConsumerSpec, Delivery, StreamSpec

SPEC = ConsumerSpec("WORK", "worker", ack_wait=timedelta(minutes=10))


@pytest.mark.nats
async def test_a_recalled_message_does_not_wait_for_its_deadline(connect_nats: Connect, subjects: Subjects) -> None:
    dying, living = await connect_nats(), await connect_nats()
    await living.declare(StreamSpec("WORK", (subjects.case("*", "*"),), work_queue=True))
    taken: asyncio.Queue[Delivery] = asyncio.Queue()

    async def hang(delivery: Delivery) -> None:
        taken.put_nowait(delivery)
        await asyncio.Event().wait()

    async def take(delivery: Delivery) -> None:
        taken.put_nowait(delivery)

    hanging = asyncio.create_task(dying.consume(SPEC, hang))
    await living.publish(subjects.case("eu", "opened"), b"x", message_id="m1")
    assert (await asyncio.wait_for(taken.get(), 5)).attempt == 1
    await dying.close()
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    await living.recall(SPEC)
    taking = asyncio.create_task(living.consume(SPEC, take))
    assert (await asyncio.wait_for(taken.get(), 5)).attempt == 2, "and the attempt that killed its holder counts"
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
