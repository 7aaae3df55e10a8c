"""An installation taken apart, with its servers; no process of it runs yet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from console.config import ExecutorSpec
from estate.ids import ClusterId, ExecutorId
from tests.crash.supervision import Outside
from tests.parting import taken_apart

TWO = (
    ExecutorSpec(id=ExecutorId("eu"), clusters=(ClusterId("eu-1"),)),
    ExecutorSpec(id=ExecutorId("us"), clusters=(ClusterId("us-1"),)),
)


@pytest.fixture
async def apart(tmp_path: Path) -> AsyncIterator[Outside]:
    """With an executor for each of two clusters."""
    async with taken_apart(tmp_path, executors=TWO) as outside:
        yield outside
