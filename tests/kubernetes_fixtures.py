"""A pytest plugin: real Kubernetes control planes that tests marked `kubernetes` share.

Tests share one as a cluster is shared: each makes namespaces and nodes of its own, with the names that `cluster_names`
gives. Those of one control plane run on one worker, one after another, so that one of it suffices; those of another may
run beside them. It ends after its last test and not with the session: a control plane that nobody asks costs a
twentieth of a core. A test that only starts what is its own says `kubernetes(shared=False)` and runs anywhere.
List it once: `pytest_plugins = ["tests.kubernetes_fixtures"]`.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable

import pytest
from kubernetes.aio.client import ApiClient

from tools.controlplane.launching import ControlPlane, controlplane

SHARED = "control_plane"
PLANES = (SHARED, "other_plane", "bare_plane", "somebodys", "ground", "guarded", "eu", "us")
"""The session's fixtures that are, or hold, a control plane."""
GROUPS = {"bare_plane": "bare", "somebodys": "contact"}
"""What is tested on these needs no other."""
GROUP = "kubernetes"
"""What is tested on the shared one."""

_LASTS = pytest.StashKey[dict[str, list[str]]]()
_numbers = itertools.count(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one control plane together, before xdist reads the groups."""
    for item in items:
        mark = item.get_closest_marker("kubernetes")
        if mark and mark.kwargs.get("shared", True) and not item.get_closest_marker("xdist_group"):
            named = (group for plane, group in GROUPS.items() if _asks(item, plane))
            item.add_marker(pytest.mark.xdist_group(next(named, GROUP)))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """End the control planes whose last test this was. Who asks for one again gets another."""
    if isinstance(item, pytest.Function):
        known = item.session._fixturemanager._arg2fixturedefs
        for fixture in (f for plane in _lasts(item.session).get(item.nodeid, ()) for f in known.get(plane, ())):
            fixture.finish(item._request)  # type: ignore[arg-type]


def _lasts(session: pytest.Session) -> dict[str, list[str]]:
    """The control planes that end after each test: it is the last of its group that asks for them."""
    if _LASTS not in session.stash:
        asking = {(_group(i), p): i.nodeid for i in session.items for p in PLANES if _group(i) and _asks(i, p)}
        lasts = session.stash[_LASTS] = {}
        for (_, plane), last in asking.items():
            lasts.setdefault(last, []).append(plane)
    return session.stash[_LASTS]


def _asks(item: pytest.Item, plane: str) -> bool:
    """Whether it runs on that one; a parameter may ask for the shared one by its name alone, when it is its turn."""
    return plane in getattr(item, "fixturenames", ()) or (plane == SHARED and _group(item) == GROUP)


def _group(item: pytest.Item) -> str | None:
    mark = item.get_closest_marker("xdist_group")
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
