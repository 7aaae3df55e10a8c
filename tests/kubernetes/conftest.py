"""A control plane that these tests may kill: etcd and the API server alone, so that nobody else moves the objects."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.kubernetes.clusters import Cluster, made
from tools.controlplane.flags import Options
from tools.controlplane.launching import ControlPlane, controlplane

BARE = Options(controller_manager=False, scheduler=False, kwok=False, audit=False)


@pytest.fixture(scope="session")
async def bare_plane() -> AsyncIterator[ControlPlane]:
    """One for all tests of this folder; a test that kills a component starts it again."""
    async with controlplane(options=BARE) as plane:
        yield plane


@pytest.fixture
async def cluster(bare_plane: ControlPlane) -> AsyncIterator[Cluster]:
    """The administrator's hands on it; everything is deleted afterwards."""
    async with made(bare_plane) as cluster:
        yield cluster
        await cluster.clear()
