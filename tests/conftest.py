"""Fixtures that every test may use: a real nats-server for each xdist worker, and an installation for each test.

Streams and buckets carry the installation in their names on the server, so tests share one server and never collide.
"""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from estate.ids import InstallationId
from estate.subjects import Subjects
from tools.bus.memory import MemoryBroker
from tools.bus.nats import NatsBus
from tools.bus.port import Bus
from tools.bus.server import EmbeddedServer
from tools.bus.wire import Wire

pytest_plugins = ["tests.kubernetes_fixtures", "tests.ordering", "tests.postgres", "tests.prometheus_fixtures"]

# A property is no stopwatch: what is slow on a busy machine is still true. The suite draws the same examples for the
# same code, so that a change is judged by what it changed; `make properties` looks for new ones, a thousand a property.
settings.register_profile(
    "placet",
    deadline=None,
    derandomize=True,
    max_examples=40,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("placet"), derandomize=False, max_examples=1000)
settings.load_profile("placet")

_numbers = itertools.count(1)
_YOUNG = 20_000
"""Objects made since the last look for garbage. Ten times the default; most of what tests make is gone by itself."""

type Connect = Callable[[], Awaitable[NatsBus]]


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Look for garbage in what tests make, and no more in the modules and the thousands of tests themselves."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)


@pytest.fixture(scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    """A real nats-server with JetStream on a free port, without users, for the whole session of this worker."""
    directory: Path = tmp_path_factory.mktemp("nats")
    async with EmbeddedServer(directory, sync_always=False, max_file_store="16TB") as server:
        yield server


@pytest.fixture
def installation() -> InstallationId:
    """An installation id that no other test of this run has."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return InstallationId(f"t-{worker}-{next(_numbers)}")


@pytest.fixture
def subjects(installation: InstallationId) -> Subjects:
    """The subjects of this test's installation."""
    return Subjects(installation)


@pytest.fixture
async def connect_nats(nats_server: EmbeddedServer, subjects: Subjects) -> AsyncIterator[Connect]:
    """Makes connections to the real server; closes them, and deletes this installation's streams, afterwards."""
    opened: list[NatsBus] = []

    async def connect() -> NatsBus:
        opened.append(await NatsBus.connect(nats_server.credentials(), subjects, name="test"))
        return opened[-1]

    yield connect
    for bus in opened:
        await bus.close()
    await _forget(nats_server, subjects)


async def _forget(server: EmbeddedServer, subjects: Subjects) -> None:
    wire = await Wire.connect(server.credentials(), name="test-cleaner")
    try:
        names = (await wire.api("STREAM.NAMES", {}))["streams"] or []
        for name in names:
            if name.removeprefix("KV_").startswith(f"{subjects.installation}_"):
                await wire.api(f"STREAM.DELETE.{name}")
    finally:
        await wire.close()


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.nats)])
def connect_either(request: pytest.FixtureRequest, subjects: Subjects) -> Callable[[], Awaitable[Bus]]:
    """Makes connections of one installation: a test that asks for it runs on the fake and on the real server."""
    if request.param == "nats":
        made: Callable[[], Awaitable[Bus]] = request.getfixturevalue("connect_nats")
        return made
    broker = MemoryBroker()

    async def to_memory() -> Bus:
        return broker.connect(subjects)

    return to_memory


@pytest.fixture
async def nats_bus(connect_nats: Connect) -> NatsBus:
    """One connection to the real server. Mark the test with `@pytest.mark.nats`."""
    return await connect_nats()


@pytest.fixture
def memory_broker() -> MemoryBroker:
    """An empty in-memory broker."""
    return MemoryBroker()
