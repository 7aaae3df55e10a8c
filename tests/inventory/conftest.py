"""One installation's bus with its delta stream, on both adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from estate.subjects import Subjects
from tools.bus.memory import MemoryBroker
from tools.bus.port import Bus
from tools.bus.streams import streams

type Connect = Callable[[], Awaitable[Bus]]


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.nats)])
def adapter(request: pytest.FixtureRequest, subjects: Subjects) -> Connect:
    """Makes connections to the adapter under test."""
    if request.param == "nats":
        made: Connect = request.getfixturevalue("connect_nats")
        return made
    broker = MemoryBroker()

    async def to_memory() -> Bus:
        return broker.connect(subjects)

    return to_memory


@pytest.fixture
async def connect(adapter: Connect, subjects: Subjects) -> Connect:
    """Makes connections of one installation whose streams are declared."""
    await (await adapter()).declare(*streams(subjects))
    return adapter


@pytest.fixture
async def bus(connect: Connect) -> AsyncIterator[Bus]:
    """One connection."""
    made = await connect()
    yield made
    await made.close()
