"""The law: a place by signed fact, and the axes of sovereignty. None of the axes is ever negotiable."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from estate.verdicts import Dimension
from policies import sovereignty
from tools.placement.attempts import Attempt
from tools.placement.columns import Flags
from tools.placement.constraints.kinds import AXES, Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words, chosen, some_nodes
from tools.placement.wishes import Wish


def enduring(wish: Wish) -> Masks:
    """Where no fact places the node, and where the law of its cluster is not the workload's."""
    return {Constraint.PLACED: _unplaced(wish)} | _unlawful(wish)


def _unplaced(wish: Wish) -> Flags:
    """No rack by signed fact, or a rack at another site than the cluster's."""
    c, facts = wish.columns, wish.facts
    sites = {s: i for i, s in enumerate(c.names.sites)}
    homes = [facts.cluster[n].site if n in facts.cluster else None for n in c.names.clusters]
    at = np.array([sites[h] if h else -2 for h in homes], dtype=np.int64)
    return (c.rack < 0) | (at[c.cluster] != c.site) if at.size else c.rack < 0


def _unlawful(wish: Wish) -> Masks:
    refused: Masks = {}
    per_cluster = [sovereignty.exposure(wish.facts, wish.workload, n) for n in wish.columns.names.clusters]
    for position, axis in enumerate(sovereignty.AXES):
        holds = np.array([axes[position].holds for axes in per_cluster], dtype=np.bool_)
        refused[AXES[axis]] = ~holds[wish.columns.cluster]
    return refused


def _placed_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    remedy = "place it in a rack at its cluster's site by a signed fact"
    return "a rack and site by signed fact", f"none, or another site: {some_nodes(wish, refused)}", remedy


def _axis_words(dimension: Dimension) -> Callable[[Refused], Words]:
    position = sovereignty.AXES.index(dimension)

    def words(by: Refused) -> Words:
        wish, refused = by.wish, by.refused
        names = wish.columns.names.clusters
        allowed: frozenset[str] = frozenset()
        found = []
        for cluster in sorted({names[c] for c in wish.columns.cluster[refused]}):
            axis = sovereignty.exposure(wish.facts, wish.workload, cluster)[position]
            allowed = frozenset(axis.allowed)
            unknown = f"unknown: {', '.join(axis.unknown)}" if axis.unknown else ""
            found.append(f"{cluster}: {', '.join(sorted(axis.outside)) or unknown or 'nothing known'}")
        inside = ", ".join(sorted(allowed)) or "nowhere (no limit is known)"
        return f"only {inside} on the {dimension.value} axis", "; ".join(found), "use a cluster that is inside"

    return words


def _axis_relaxed(axis: str) -> Callable[[Wish, Attempt], str]:
    return lambda wish, attempt: (
        f"only other signed facts would admit {chosen(wish, attempt)}: the {axis} limits of `{wish.workload.id}`"
        " do not; no approval lifts them"
    )


_PLAIN = {
    Constraint.GEOGRAPHIC: "a place where your data may rest",
    Constraint.LEGAL: "a provider under a law that your contract allows",
    Constraint.OPERATIONAL: "a place run from countries that your contract allows",
    Constraint.KEY: "keys held under a law that your contract allows",
}


def _axes() -> Iterator[Rule]:
    for axis, constraint in AXES.items():
        yield Rule(constraint, _axis_words(axis), _axis_relaxed(axis.value), _PLAIN[constraint], axis)


RULES = (
    Rule(
        Constraint.PLACED,
        _placed_words,
        lambda w, a: f"place {chosen(w, a)} in a rack at its cluster's site by a signed fact",
        "a machine whose place is known",
        Dimension.FACTS,
    ),
    *_axes(),
)
