"""Writing: a contract that cannot be read is kept nowhere, so that nothing is placed on the strength of it."""

from __future__ import annotations

import numpy as np

from tools.placement.attempts import Attempt
from tools.placement.constraints.kinds import Constraint, Masks, Reach
from tools.placement.constraints.rules import Easing, Refused, Words, promise
from tools.placement.wishes import Wish

REACH = Reach.KIND


def standing(wish: Wish) -> Masks:
    """Everywhere, while something is wrong with how it is written."""
    return {Constraint.WRITTEN: np.ones(len(wish.columns.ids), dtype=np.bool_)} if wish.contract.fault else {}


def _words(by: Refused) -> Words:
    return "a contract that can be read", by.wish.contract.fault, "correct it where it is written"


def _eased(wish: Wish, _attempt: Attempt) -> Easing:
    return Easing({"fault": ""}, f"correct its contract ({wish.contract.fault})")


RULES = (promise(Constraint.WRITTEN, _words, _eased, "a contract that can be read"),)
