"""Company: how near a replica stands to the others of its workload. Unknown ground is neither near nor far."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from estate.verdicts import Dimension
from estate.workloads import Span
from tools.placement.columns import Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words, chosen
from tools.placement.wishes import Wish


class Standing(Protocol):
    """Where others of a workload stand."""

    seated: list[int]
    """The rows of their nodes."""


def moving(wish: Wish, room: Standing, _without: Constraint | None) -> Masks:
    """Where it would stand too far from its own replicas, or too near."""
    contract = wish.contract
    found: Masks = {}
    if contract.together is not None:
        where = span(wish, contract.together)
        others = np.unique(where[room.seated])
        found[Constraint.TOGETHER] = (where < 0) | (~np.isin(where, others) if others.size == 1 else others.size > 1)
    if contract.spread is not None:
        where = span(wish, contract.spread)
        found[Constraint.SPREAD] = (where < 0) | np.isin(where, where[room.seated])
    return found


def span(wish: Wish, over: Span) -> Ints:
    """For each node the domain that it is in, as a number; -1 where no fact says."""
    if over not in wish.spans:
        wish.spans[over] = _span(wish, over)
    return wish.spans[over]


def _span(wish: Wish, over: Span) -> Ints:
    c, facts = wish.columns, wish.facts
    match over:
        case Span.NODE:
            return np.arange(len(c.ids), dtype=np.int64)
        case Span.RACK:
            return c.rack
        case Span.SITE:
            return c.site
        case Span.LEAF:
            names = [facts.rack[r].leaf_switch for r in c.names.racks]
        case Span.FEED:
            names = [facts.rack[r].power_feed for r in c.names.racks]
    known = {name: number for number, name in enumerate(sorted({*names} - {""}))}
    return np.array([*(known.get(name, -1) for name in names), -1], dtype=np.int64)[c.rack]


def _together_words(by: Refused) -> Words:
    over = by.wish.contract.together
    assert over is not None
    seated = sorted({by.wish.columns.ids[r] for r in by.room.seated})
    found = f"others stand on {', '.join(seated[:3])}" if seated else f"in no {over.value} by signed fact"
    return f"all replicas in one {over.value}", found, f"accept replicas in more than one {over.value}"


def _spread_words(by: Refused) -> Words:
    over = by.wish.contract.spread
    assert over is not None
    found = f"{len(by.room.seated)} of its replicas stand there" if by.room.seated else "no signed fact says which"
    return f"a {over.value} for each replica", found, f"accept two replicas in one {over.value}"


RULES = (
    Rule(
        Constraint.TOGETHER,
        _together_words,
        lambda w, a: f"accept replicas apart from each other: on {chosen(w, a)}",
        "a place near its other replicas",
        Dimension.CONTRACT,
    ),
    Rule(
        Constraint.SPREAD,
        _spread_words,
        lambda w, a: f"accept two replicas in one place: on {chosen(w, a)}",
        "a place that does not fail with its other replicas",
        Dimension.CONTRACT,
    ),
)
