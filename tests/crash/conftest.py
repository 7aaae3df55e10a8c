"""Servers that outlive whatever is killed beside them, and an installation whose roles meet there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.crash.supervision import Outside
from tests.parting import taken_apart


@pytest.fixture
async def apart(tmp_path: Path) -> AsyncIterator[Outside]:
    """An installation whose processes run on directories of their own."""
    async with taken_apart(tmp_path) as outside:
        yield outside
