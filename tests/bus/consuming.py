"""A small work queue and who consumes it: for the tests of what every Bus promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from tools.bus.port import (
    Bus,
    ConsumerSpec,
    Delivery,
    Handler,
)

type Connect = Callable[[], Awaitable[Bus]]

_QUICK = tuple(timedelta(milliseconds=ms) for ms in (30, 60))


def consumer(**changes: object) -> ConsumerSpec:
    """A quick consumer of WORK."""
    defaults: dict[str, object] = {"stream": "WORK", "name": "worker", "backoff": _QUICK, "max_deliver": 3}
    return ConsumerSpec(**{**defaults, **changes})  # type: ignore[arg-type]


@asynccontextmanager
async def consuming(bus: Bus, spec: ConsumerSpec, handler: Handler) -> AsyncIterator[None]:
    """The consumer at work for the length of a block."""
    task = asyncio.create_task(bus.consume(spec, handler))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], bool], seconds: float = 8) -> None:
    """Waits for a condition, and fails when it never comes."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is of no one event
            await asyncio.sleep(0.01)


async def emptied(bus: Bus, stream: str, seconds: float = 8) -> None:
    """Waits until nothing is left in the stream."""
    async with asyncio.timeout(seconds):
        while await bus.replay(stream):  # noqa: ASYNC110 - the bus is asked from outside
            await asyncio.sleep(0.02)


class Recorder:
    """A handler that notes what it saw, and fails as it is told."""

    def __init__(self, *faults: Exception | None) -> None:
        self.seen: list[Delivery] = []
        self.times: list[float] = []
        self._faults = list(faults)

    async def __call__(self, delivery: Delivery) -> None:
        self.seen.append(delivery)
        self.times.append(asyncio.get_running_loop().time())
        fault = self._faults.pop(0) if self._faults else None
        if fault is not None:
            raise fault
