"""What a place on each kind of node is worth to others: how hard the kind is pressed by what is expected.

Called by `expecting`. Two pressures, both of the fluid kind (sums over kinds, nothing of single nodes):

- *choice*: if every class spread over the kinds that take it, in proportion to what they have free, some kinds would be
  asked for more than they have. Who could go elsewhere pays for that; who cannot, pays nothing.
- *alignment*: a kind with less CPU to a device than is expected in the mean is dear to a class that asks for more of it
  than the mean, and cheap to one that asks for less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.placement.packing.demands import WHOLE, Columns

_MOST_PRESSED = 3.0
"""A kind without CPU is closed by what fits; it need not be dearer than this many times the mean."""


def prices(
    columns: Columns,
    expected: NDArray[np.float64],
    supply: NDArray[np.float64],
    fitting: NDArray[np.bool_],
    choice: float = 1.0,
    alignment: float = 1.0,
) -> NDArray[np.float64]:
    """The price of each class on each kind, in milli-GPU, nothing where it is least.

    `expected` counts by class; `supply`: CPU, memory and milli-GPU × kind; `fitting`: class × kind, whether an empty
    node of that kind would take it; `choice` and `alignment`: the heed paid to either pressure.
    """
    price = choice * _choice(columns, expected, supply[2], fitting)
    price += alignment * _alignment(columns, expected, supply)
    least = np.where(fitting, price, np.inf).min(axis=1, keepdims=True)
    return np.where(fitting, price - np.where(np.isfinite(least), least, 0.0), 0.0)


def _choice(
    columns: Columns, expected: NDArray[np.float64], free: NDArray[np.float64], fitting: NDArray[np.bool_]
) -> NDArray[np.float64]:
    milli = (columns.devices * columns.milli).astype(np.float64)
    room = np.where(fitting, np.maximum(free, 1.0), 0.0)
    share = room / np.maximum(room.sum(axis=1, keepdims=True), 1.0)
    pressed = (expected * milli) @ share / np.maximum(free, 1.0)
    return np.outer(milli, pressed)


def _alignment(columns: Columns, expected: NDArray[np.float64], supply: NDArray[np.float64]) -> NDArray[np.float64]:
    devices = columns.devices * columns.milli / WHOLE
    if not expected @ devices or not expected @ columns.cpu:
        return np.zeros((len(expected), supply.shape[1]))
    usual = float(expected @ columns.cpu / (expected @ devices))
    pressed = np.minimum(usual * supply[2] / WHOLE / np.maximum(supply[0], 1.0), _MOST_PRESSED)
    return WHOLE * np.outer(columns.cpu / usual - devices, pressed)
