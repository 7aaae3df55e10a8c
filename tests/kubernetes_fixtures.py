"""A pytest plugin: one real Kubernetes control plane a session (and xdist worker), for tests marked `kubernetes`.

Tests share it as a cluster is shared: each makes namespaces and nodes of its own, with the names that `cluster_names`
gives. All of them run on one worker, unless a test names another `xdist_group`, so that one control plane suffices. It
ends with its group and not with the session: a control plane that nobody asks costs a tenth of a core.
List it once: `pytest_plugins = ["tests.kubernetes_fixtures"]`.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable

import pytest
from kubernetes.aio.client import ApiClient

from tools.controlplane.launching import ControlPlane, controlplane

GROUP = "kubernetes"

PLANES = ("control_plane", "bare_plane", "ground", "guarded")
"""The session's fixtures that are, or hold, a control plane."""

_numbers = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the shared control plane together, before xdist reads the groups."""
    for item in items:
        if item.get_closest_marker("kubernetes") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(GROUP))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """After the last test of a group, end the control planes that it shared. Who asks for one again gets another."""
    if isinstance(item, pytest.Function) and _group(item) is not None and _group(item) != _group(nextitem):
        known = item.session._fixturemanager._arg2fixturedefs
        for fixture in (f for name in PLANES for f in known.get(name, ())):
            fixture.finish(item._request)  # type: ignore[arg-type]


def _group(item: pytest.Item | None) -> str | None:
    mark = item.get_closest_marker("xdist_group") if item is not None else None
    return str(mark.args[0] if mark.args else mark.kwargs["name"]) if mark is not None else None


@pytest.fixture(scope="session")
async def control_plane() -> AsyncIterator[ControlPlane]:
    """The shared control plane. Mark the test with `@pytest.mark.kubernetes`; kill what is yours alone."""
    async with controlplane() as plane:
        yield plane


@pytest.fixture
async def kubernetes_api(control_plane: ControlPlane) -> AsyncIterator[ApiClient]:
    """The official client as the shared control plane's administrator."""
    async with control_plane.client() as api:
        yield api


@pytest.fixture
def cluster_names() -> Callable[[str], str]:
    """Names for namespaces and nodes that no other test of this run has."""
    number = next(_numbers)
    return lambda stem: f"{stem}-{number}"
