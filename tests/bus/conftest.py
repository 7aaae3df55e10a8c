"""The two adapters that the contract suite runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tools.bus.port import Bus

type Connect = Callable[[], Awaitable[Bus]]


@pytest.fixture
def connect(connect_either: Connect) -> Connect:
    """Makes connections of one installation to the adapter under test."""
    return connect_either


@pytest.fixture
async def bus(connect: Connect) -> AsyncIterator[Bus]:
    """One connection."""
    made = await connect()
    yield made
    await made.close()
