"""What is said of one constraint: to the platform's people, to the holder of the contract, and what would help."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from estate.ids import TenantId
from estate.verdicts import Dimension
from tools.placement.attempts import Attempt
from tools.placement.columns import Columns, Flags, Ints
from tools.placement.constraints.kinds import Constraint
from tools.placement.rooms import Room
from tools.placement.wishes import Wish

type Words = tuple[str, str, str]

"""Needed, found, remedy."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The nodes that one constraint refused, in one state of a search."""

    wish: Wish
    refused: Flags
    room: Room


@dataclass(frozen=True, slots=True)
class Easing:
    """What a contract would have to say instead, and that in its own words."""

    over: Mapping[str, object]
    """Fields of the contract."""
    says: str


class Plain(NamedTuple):
    """What was needed, in figures that the holder of the contract may read."""

    says: str
    of: TenantId | None
    """Whose name is in it, beside the holder's."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint in words. Its mask is its family's."""

    constraint: Constraint
    words: Callable[[Refused], Words]
    """Needed against found on the nodes that it refused."""
    relaxed: Callable[[Wish, Attempt], str]
    """What it takes to do without it, as the attempt did."""
    plain: str
    """What was needed, in the contract's own words: no rack, no node, no other tenant."""
    dimension: Dimension | None = None
    """None for plain capacity and topology."""
    misses: Callable[[Wish], Ints] | None = None
    """How far each node is from meeting it, in its unit; None where there is no measure."""
    eased: Callable[[Wish, Attempt], Easing] | None = None
    """What the contract would say if it asked for what the attempt found; None: that is not how it is relaxed."""
    plainly: Callable[[Refused], Iterable[Plain]] | None = None
    """The same as `plain` in figures, where those are the holder's own; None: there are none."""


def promise(
    constraint: Constraint,
    words: Callable[[Refused], Words],
    eased: Callable[[Wish, Attempt], Easing],
    plain: str,
    dimension: Dimension | None = Dimension.CONTRACT,
    misses: Callable[[Wish], Ints] | None = None,
) -> Rule:
    """The rule of a term that the contract's holder may ease."""
    return Rule(constraint, words, lambda w, a: _relaxed(eased(w, a), w, a), plain, dimension, misses, eased)


def _relaxed(easing: Easing, wish: Wish, attempt: Attempt) -> str:
    return f"{easing.says}; {chosen(wish, attempt)} would do"


def some_nodes(wish: Wish, refused: Flags) -> str:
    """Up to three node names."""
    rows = np.flatnonzero(refused)
    names = ", ".join(wish.columns.ids[r] for r in rows[:3])
    return f"{names} and {len(rows) - 3} more" if len(rows) > 3 else names


def chosen(wish: Wish, attempt: Attempt) -> str:
    """The nodes that an attempt chose."""
    return ", ".join(f"`{n}`" for n in dict.fromkeys(b.node for b in attempt.bindings)) or "a node"


def among(size: int, positions: Iterable[int] | Ints) -> Flags:
    """Flags to be indexed by positions; -1 (no fact says) is never among them."""
    found = np.zeros(size + 1, dtype=np.bool_)
    found[np.fromiter(positions, dtype=np.int64)] = True
    return found


def models_on(columns: Columns, rows: Ints) -> list[str]:
    """The models of the devices of these nodes, sorted."""
    return sorted(columns.models[m] for m in np.unique(columns.model[rows][columns.exists[rows]]))
