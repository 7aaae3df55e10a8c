"""One running system for a whole test module: its tests send what they like and leave it working."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.system.composed import Composed, founded, started


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Composed]:
    """A system that the tests of a module share."""
    async with started(founded(tmp_path_factory.mktemp("system") / "state")) as composed:
        yield composed
