"""A NATS server that outlives whatever is killed beside it, with the users of one installation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from console.bootstrap import Installation, users
from tests.crash.supervision import Outside, founded
from tools.bus.server import EmbeddedServer


@pytest.fixture
async def apart(tmp_path: Path) -> AsyncIterator[Outside]:
    """An installation whose processes meet at a server of their own."""
    outside = await founded(tmp_path / "state", "apart")
    known = users(Installation.open(outside.state, outside.settings))
    async with EmbeddedServer(tmp_path / "nats", users=known, sync_always=False) as server:
        outside.nats_url = server.url
        yield outside
