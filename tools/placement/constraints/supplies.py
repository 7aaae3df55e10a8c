"""Supply: the class of power supply of the rack, by what is known of its feeds."""

from __future__ import annotations

import numpy as np

from estate.terms import Supply
from estate.verdicts import Dimension
from tools.placement import supplies
from tools.placement.attempts import Attempt
from tools.placement.columns import Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Easing, Refused, Words, promise
from tools.placement.wishes import Wish


def standing(wish: Wish) -> Masks:
    """Where the supply is of a lesser class than it was promised."""
    least = wish.contract.supply
    return {} if least is None else {Constraint.SUPPLY: _ranks(wish) < least.rank}


def _ranks(wish: Wish) -> Ints:
    return wish.measured("class of supply", _ranked)


def _ranked(wish: Wish) -> Ints:
    found = [supplies.supply(wish.snapshot, rack) for rack in wish.columns.names.racks]
    ranks = [0 if s is None else s.rank for s in found]
    return np.array([*ranks, 0], dtype=np.int64)[wish.columns.rack]


def _called(rank: int) -> str:
    return f"a {tuple(Supply)[rank - 1].value} supply" if rank else "no batteries that anybody tells of"


def _words(by: Refused) -> Words:
    assert by.wish.contract.supply is not None
    best = int(_ranks(by.wish)[by.refused].max(initial=0))
    return f"a {by.wish.contract.supply.value} power supply", f"at best {_called(best)}", "accept a lesser supply"


def _eased(wish: Wish, attempt: Attempt) -> Easing:
    worst = int(_ranks(wish)[attempt.rows].min(initial=len(Supply)))
    over = {"supply": tuple(Supply)[worst - 1] if worst else None}
    return Easing(over, f"accept {_called(worst)}")


_PLAIN = "the class of power supply that you were promised"
RULES = (promise(Constraint.SUPPLY, _words, _eased, _PLAIN, Dimension.POWER),)
