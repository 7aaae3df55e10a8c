"""Whether two frames of columns mean the same, and whether one estate needs words that another has not."""

from __future__ import annotations

from estate.snapshots import Snapshot
from tools.placement.columns import Columns

ARRAYS: tuple[str, ...] = (
    *("cluster", "site", "rack", "cordoned", "health", "idle", "load", "cap", "index", "memory", "domain"),
    *("exists", "healthy", "free", "present", "rack_drawn", "rack_budget"),
    *("cpu_free", "memory_free", "milli", "shares", "sharer", "limit"),
)


def assert_same(one: Columns, other: Columns) -> None:
    """Two frames of one width mean the same."""
    for name in ARRAYS:
        assert (getattr(one, name) == getattr(other, name)).all(), name
    models = [
        [c.models[m] if e else "" for m, e in zip(c.model.flat, c.exists.flat, strict=True)] for c in (one, other)
    ]
    assert models[0] == models[1]
    assert [one.taints[t] for t in one.taint] == [other.taints[t] for t in other.taint]
    assert [one.installed[s] for s in one.software] == [other.installed[s] for s in other.software]
    cuts = [[c.profiles[p] if p >= 0 else None for p in c.profile.flat] for c in (one, other)]
    assert cuts[0] == cuts[1]


def new_to(before: Snapshot, after: Snapshot) -> bool:
    """Whether a node of `after` has a cluster, a model or more devices than any of `before`."""
    old, new = list(before.nodes()), list(after.nodes())
    clusters = {n.cluster for n in new} - {n.cluster for n in old} - set(before.facts.cluster)
    models = {a.model for n in new for a in n.accelerators} - {a.model for n in old for a in n.accelerators}
    models |= {a.cut for n in new for a in n.accelerators} - {a.cut for n in old for a in n.accelerators}
    slots = max(len(n.accelerators) for n in new) > max(len(n.accelerators) for n in old)
    return bool(clusters or models or slots)
