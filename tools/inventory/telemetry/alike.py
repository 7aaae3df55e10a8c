"""Which things one record may tell of: those of which the same gauges were measured, each at one time. Pure.

Called by `reporting`. What is not told of a thing stays as it was, so no record may hold a gap; and a time stands for
all gauges of a thing, so what was measured at another time is told apart.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from estate.readings import MOST_AFTER
from tools.inventory.telemetry.layouts import Told
from tools.payloads.facts.readings import Ints, Longs

type Alike = tuple[Ints, Longs, list[Told]]
"""Things, when each was measured, and the gauges that were."""


def alike(columns: list[Told]) -> Iterator[Alike]:
    """All that the columns tell, in as few parts as may be."""
    if not columns:
        return
    rows = np.unique(np.concatenate([column.things for column in columns]))
    times = np.full((len(columns), len(rows)), -1, np.int64)
    for number, column in enumerate(columns):
        times[number, np.searchsorted(rows, column.things)] = column.at
    while len(rows):
        first = times.max(axis=0)
        told = ((times == first).T @ (1 << np.arange(len(columns)))).astype(np.int64)
        for which in np.unique(told):
            here = told == which
            of = [column for number, column in enumerate(columns) if which >> number & 1]
            yield from _near(rows[here], first[here], of)
        times[times == first] = -1
        left = times.max(axis=0) >= 0
        rows, times = rows[left], times[:, left]


def _near(rows: Ints, at: Longs, columns: list[Told]) -> Iterator[Alike]:
    """Apart, where there is too long between the first and the last."""
    far = (at - at.min()) // MOST_AFTER
    for which in np.unique(far):
        yield rows[far == which], at[far == which], columns
