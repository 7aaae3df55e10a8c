"""One bench a test, on the shared control plane."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.drift.benches import Bench
from tests.drift.benches import bench as made
from tools.controlplane.launching import ControlPlane


@pytest.fixture
async def bench(control_plane: ControlPlane, cluster_names: Callable[[str], str]) -> AsyncIterator[Bench]:
    """A namespace of this test's own."""
    async with made(control_plane, cluster_names) as found:
        yield found
