"""A pytest plugin: what takes longest begins first, so that the workers of a run end together.

pytest-xdist hands groups out in the order of their first tests under `--no-loadscope-reorder`; else it begins with
those of most tests, and a siege of sixteen takes longer than two hundred others. List it once: `pytest_plugins`.
"""

from __future__ import annotations

import pytest

LONGEST = ("siege", "kubernetes", "system-2", "system", "bare", "door", "demo", "prometheus", "system-1", "contact")
"""Groups by how long they take, the longest first. One that is not here comes after them."""
WAITING = ("kubernetes", "processes")
"""Marks of tests that take seconds each; they come before those that only compute."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort them; within a group, and among all that compute, the order stays."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    mark = item.get_closest_marker("xdist_group")
    if mark is not None:
        return LONGEST.index(mark.args[0]) if mark.args[0] in LONGEST else len(LONGEST)
    return len(LONGEST) + (1 if any(item.get_closest_marker(m) for m in WAITING) else 2)
