"""One installation's bus with its delta stream, on both adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from estate.subjects import Subjects
from tools.bus.port import Bus
from tools.bus.streams import streams

type Connect = Callable[[], Awaitable[Bus]]


@pytest.fixture
async def connect(connect_either: Connect, subjects: Subjects) -> Connect:
    """Makes connections of one installation whose streams are declared."""
    await (await connect_either()).declare(*streams(subjects))
    return connect_either


@pytest.fixture
async def bus(connect: Connect) -> AsyncIterator[Bus]:
    """One connection."""
    made = await connect()
    yield made
    await made.close()
