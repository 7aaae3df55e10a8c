"""Parties that may not be in one rack: groups of which at most one may be, and who may be there together at most."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tools.placement.columns import Flags


def clashes(apart: Flags) -> tuple[tuple[int, ...], ...]:
    """Groups of parties that are all apart from each other, every such pair in at least one. Greedy, so few."""
    far = [set(np.flatnonzero(apart[:, i]).tolist()) for i in range(len(apart))]
    found, covered = list[tuple[int, ...]](), set[tuple[int, int]]()
    for i in range(len(far)):
        for j in sorted(k for k in far[i] if k < i):
            if (i, j) in covered:
                continue
            group, open_to = [i, j], far[i] & far[j]
            for k in sorted(open_to):
                if k in open_to:
                    group.append(k)
                    open_to &= far[k]
            covered.update((a, b) for a in group for b in group)
            found.append(tuple(sorted(group)))
    return tuple(found)


def companies(apart: Flags, most: int = 256) -> tuple[tuple[int, ...], ...] | None:
    """Every largest set of parties that may share a rack; None where there are more than `most`."""
    together = {i: {j for j in range(len(apart)) if j != i and not apart[i, j]} for i in range(len(apart))}
    found: list[tuple[int, ...]] = []
    for company in _grown(together, set(), set(together), set()):
        if len(found) == most:
            return None
        found.append(company)
    return tuple(sorted(found))


def _grown(together: dict[int, set[int]], core: set[int], more: set[int], done: set[int]) -> Iterator[tuple[int, ...]]:
    """Bron and Kerbosch's search for maximal cliques (CACM 16, 1973), pivoting on who has the most company."""
    if not more and not done:
        yield tuple(sorted(core))
        return
    if not more:
        return
    pivot = max(sorted(more | done), key=lambda i: len(together[i] & more))
    for party in sorted(more - together[pivot]):
        yield from _grown(together, core | {party}, more & together[party], done & together[party])
        more = more - {party}
        done = done | {party}
