"""The two adapters that the contract suite runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from estate.subjects import Subjects
from tools.bus.memory import MemoryBroker
from tools.bus.port import Bus

type Connect = Callable[[], Awaitable[Bus]]


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.nats)])
def connect(request: pytest.FixtureRequest, subjects: Subjects) -> Connect:
    """Makes connections of one installation to the adapter under test."""
    if request.param == "nats":
        made: Connect = request.getfixturevalue("connect_nats")
        return made
    broker = MemoryBroker()

    async def to_memory() -> Bus:
        return broker.connect(subjects)

    return to_memory


@pytest.fixture
async def bus(connect: Connect) -> AsyncIterator[Bus]:
    """One connection."""
    made = await connect()
    yield made
    await made.close()
