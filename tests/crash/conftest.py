"""Servers that outlive whatever is killed beside them, and an installation whose roles meet there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from estate.ids import ClusterId
from tests.crash.grounds import Ground, ground
from tests.crash.supervision import Outside
from tests.parting import taken_apart
from tools.controlplane.flags import Options
from tools.controlplane.launching import controlplane


@pytest.fixture
async def apart(tmp_path: Path) -> AsyncIterator[Outside]:
    """An installation whose processes run on directories of their own."""
    async with taken_apart(tmp_path) as outside:
        yield outside


@pytest.fixture(scope="session")
async def eu() -> AsyncIterator[Ground]:
    """The cluster `eu-1` on a control plane of the crash tests' own: they kill its parts.

    Watches of pods come from etcd itself, which forgets nothing when the API server dies: what is sighted has no gap.
    """
    options = Options(api_server_flags=("--watch-cache-sizes=pods#0",))
    async with controlplane(options=options) as plane, ground(plane, ClusterId("eu-1")) as made:
        yield made


@pytest.fixture(scope="session")
async def us() -> AsyncIterator[Ground]:
    """The cluster `us-1`, on a control plane beside the first."""
    async with controlplane() as plane, ground(plane, ClusterId("us-1")) as made:
        yield made
