"""Control planes of these tests' own, since admission binds a whole cluster: one behind its door, one without."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from policies.admission import identities
from tests.admission.clusters import Cluster, at_its_door, empty, furnish
from tools.controlplane.launching import controlplane


@pytest.fixture(scope="session")
async def guarded() -> AsyncIterator[Cluster]:
    """The cluster `eu-1` with roles, policies, nodes and tenants' namespaces; all policies in force."""
    async with controlplane() as plane, plane.client() as api:
        cluster = Cluster(plane, api)
        await furnish(cluster)
        await at_its_door(cluster)
        yield cluster


@pytest.fixture(scope="session")
async def ground() -> AsyncIterator[Cluster]:
    """A cluster that each of several tests puts a door on."""
    async with controlplane() as plane, plane.client() as api:
        yield Cluster(plane, api)


@pytest.fixture
async def cluster(ground: Cluster) -> Cluster:
    """That cluster without nodes, without work, and with nothing of Placet in force."""
    await empty(ground)
    return ground


@pytest.fixture(scope="session")
async def writer(guarded: Cluster) -> AsyncIterator[Cluster]:
    """The same cluster as Placet's own writer sees it."""
    account = await guarded.plane.service_account(identities.NAMESPACE, identities.WRITER)
    async with guarded.plane.client(account) as api:
        yield Cluster(guarded.plane, api)


@pytest.fixture(scope="session")
async def reader(guarded: Cluster) -> AsyncIterator[Cluster]:
    """The same cluster as Placet's own reader sees it."""
    account = await guarded.plane.service_account(identities.NAMESPACE, identities.READER)
    async with guarded.plane.client(account) as api:
        yield Cluster(guarded.plane, api)
