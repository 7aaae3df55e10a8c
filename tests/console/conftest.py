"""A whole system on a temporary installation: real NATS, SQLite, twin, gate and executor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from installations import Running, founded, settings

from console.bootstrap import Installation, running
from tests.console.contacts import Somebodys, furnished
from tools.controlplane.launching import controlplane


@pytest.fixture
async def placet(tmp_path: Path) -> AsyncIterator[Running]:
    state = founded(tmp_path / "state")
    async with running(Installation.open(state, settings(state))) as system:
        yield Running(system, state)


@pytest.fixture(scope="session")
async def somebodys() -> AsyncIterator[Somebodys]:
    """A cluster of these tests' own: first contact and `doctor` look at the whole of it."""
    async with controlplane() as plane, furnished(plane) as found:
        yield found
