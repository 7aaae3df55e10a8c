"""What the main path cannot undercut, measured beside it: a message through NATS, a durable checkpoint."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import nats
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint
from nats.js import JetStreamContext

from agents.checkpoints.jetstream import BucketShelf
from agents.checkpoints.savers import PlacetSaver
from tools.bus.port import Bus
from tools.bus.server import EmbeddedServer

ROUNDS = 400


async def message(folder: Path) -> list[float]:
    """Seconds of publish, fetch and acknowledged acknowledgement of one message, by the plain client, one by one."""
    async with EmbeddedServer(folder, sync_always=False) as server:
        client = await nats.connect(server.url)
        jetstream = client.jetstream()
        await jetstream.add_stream(name="FLOOR", subjects=["floor.>"])
        subscription = await jetstream.pull_subscribe("floor.a", durable="floor")
        taken = await _timed(lambda: _round(jetstream, subscription))
        await client.close()
    return taken


async def _round(jetstream: JetStreamContext, subscription: JetStreamContext.PullSubscription) -> None:
    await jetstream.publish("floor.a", b"x" * 1024)
    (received,) = await subscription.fetch(1)
    await received.ack_sync()


async def checkpoint(bus: Bus, bytes_of_state: int = 8 * 1024) -> list[float]:
    """Seconds of one durable checkpoint of a thread, by the saver of the embedded defaults."""
    saver = PlacetSaver(await BucketShelf.open(bus))
    config: RunnableConfig = {"configurable": {"thread_id": "benchmark-floor", "checkpoint_ns": ""}}
    saved = empty_checkpoint()
    saved["channel_values"] = {"state": "x" * bytes_of_state}

    async def put() -> None:
        await saver.aput(config, saved, {"source": "loop", "step": 0, "parents": {}}, {})

    taken = await _timed(put)
    await saver.adelete_thread("benchmark-floor")
    return taken


async def _timed(once: Callable[[], Awaitable[None]]) -> list[float]:
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await once()
        taken.append(time.perf_counter() - started)
    return taken
