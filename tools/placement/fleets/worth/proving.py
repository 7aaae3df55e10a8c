"""What prices prove, in whole numbers: no placement has more at work than everything comes to at them.

Called by `worths`. Weak duality, checked without a solver's word: for any prices, no placement has more at work than
all rows come to at them, and what seats would earn above them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tools.placement.fleets.worth.programmes import Programme
from tools.placement.fleets.worth.solving import Prices

SCALE: Final = 1 << 26
"""Prices are whole numbers, in parts of a thousandth of an accelerator at work."""


def proved(problem: Programme, prices: Prices) -> int:
    """The most thousandths of accelerators that any placement puts to work, by these prices."""
    rows = np.rint(np.maximum(prices.rows, 0) * SCALE).astype(np.int64)
    earned = np.maximum(problem.gives * SCALE - problem.takes.T.astype(np.int64) @ rows, 0)
    most = int(sum(map(int, rows * problem.has)) + sum(map(int, earned * problem.most))) // SCALE
    unit = int(np.gcd.reduce(problem.gives)) or 1
    return most // unit * unit  # whatever sits where, nothing comes between
