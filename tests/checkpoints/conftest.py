"""The three shelves that every checkpoint test runs on: memory, JetStream on a real server, a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agents.checkpoints.jetstream import BucketShelf
from agents.checkpoints.memory import MemoryShelf
from agents.checkpoints.port import Shelf
from agents.checkpoints.postgres import PostgresShelf

SHELVES = [
    "memory",
    pytest.param("jetstream", marks=pytest.mark.nats),
    pytest.param("postgres", marks=pytest.mark.postgres),
]


@pytest.fixture(params=SHELVES)
def shelf(request: pytest.FixtureRequest) -> Shelf:
    """An empty shelf."""
    made: Shelf = request.getfixturevalue(f"{request.param}_shelf")
    return made


@pytest.fixture
def memory_shelf() -> Shelf:
    """In memory."""
    return MemoryShelf()


@pytest.fixture
async def jetstream_shelf(nats_bus) -> Shelf:
    """In a bucket of a real nats-server."""
    return await BucketShelf.open(nats_bus)


@pytest.fixture
async def postgres_shelf(postgres_dsn: str) -> AsyncIterator[Shelf]:
    """In a database of its own on a real PostgreSQL."""
    async with PostgresShelf.open(postgres_dsn) as shelf:
        yield shelf
