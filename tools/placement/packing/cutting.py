"""What a share of a device spoils where it is taken: the duals of cutting devices into the shares that are expected.

Called by `expecting`. The cutting-stock programme of Gilmore and Gomory (1961), its patterns made as they are needed.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import linprog

from tools.placement.packing.demands import WHOLE

_PATTERNS = 200
_TOLERANCE = 1e-6


def strains(shares: NDArray[np.int64], counts: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For shares of a device (each once, in milli-GPU) and how many are expected: the row of each, and the strains.

    A strain is what less the rest of the device is worth after the share, beyond what the share is worth itself.
    """
    row = np.zeros(WHOLE + 1, dtype=np.int64)
    row[shares] = np.arange(1, len(shares) + 1)
    strain = np.zeros((len(shares) + 1, WHOLE + 1))
    worth = _worth(shares, counts)
    value = filled(shares, worth)[0]
    for at, share in enumerate(shares):
        strain[at + 1, share:] = np.maximum(value[share:] - value[: WHOLE + 1 - share] - worth[at], 0.0)
    return row, strain


@njit(cache=True)
def filled(shares: NDArray[np.int64], worth: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The most that each free amount of a device can hold, by worth, and the last share of such a filling (or -1)."""
    value, last = np.zeros(WHOLE + 1), np.full(WHOLE + 1, -1)
    for free in range(1, WHOLE + 1):
        value[free] = value[free - 1]
        for at in range(len(shares)):
            if shares[at] <= free and value[free - shares[at]] + worth[at] > value[free] + _TOLERANCE:
                value[free], last[free] = value[free - shares[at]] + worth[at], at
    return value, last


def _worth(shares: NDArray[np.int64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The dual of each share, in milli-GPU: a whole device is worth 1000."""
    patterns = [np.eye(len(shares))[at] * (WHOLE // share) for at, share in enumerate(shares)]
    worth = shares.astype(np.float64)
    for _ in range(_PATTERNS):
        matrix = np.stack(patterns, axis=1)
        found = linprog(np.ones(len(patterns)), A_ub=-matrix, b_ub=-counts, method="highs")
        worth = -found.ineqlin.marginals * WHOLE
        value, last = filled(shares, worth)
        if value[WHOLE] <= WHOLE + WHOLE * _TOLERANCE:
            break
        patterns.append(_pattern(shares, last))
    return worth


def _pattern(shares: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.float64]:
    pattern, free = np.zeros(len(shares)), WHOLE
    while free > 0:
        if last[free] < 0:
            free -= 1
        else:
            pattern[last[free]] += 1
            free -= int(shares[last[free]])
    return pattern
