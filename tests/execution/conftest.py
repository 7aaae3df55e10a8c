"""A second control plane, for what crosses from one cluster to another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.execution.pairs import Pair, pair_of
from tools.controlplane.launching import ControlPlane, controlplane


@pytest.fixture(scope="session")
async def other_plane() -> AsyncIterator[ControlPlane]:
    """Shared by the tests of this folder as the first one is."""
    async with controlplane() as plane:
        yield plane


@pytest.fixture
async def pair(
    control_plane: ControlPlane, other_plane: ControlPlane, cluster_names: Callable[[str], str]
) -> AsyncIterator[Pair]:
    """A namespace of this test's own in each of two clusters."""
    async with pair_of(control_plane, other_plane, cluster_names) as made:
        yield made
