"""A seeded twin world in a file of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import builders
from tools.twin.seed import seed
from tools.twin.world import World


@pytest.fixture
def world_file(tmp_path: Path) -> Path:
    """Where this test's world lives."""
    return tmp_path / "world.sqlite"


@pytest.fixture
async def world(world_file: Path) -> AsyncIterator[World]:
    """The small estate, played."""
    opened = await World.open(world_file, builders.facts())
    await seed(opened, builders.world())
    yield opened
    await opened.close()
