"""One metric of one kind of things out of many readings, as an engine takes it: names, values, and where there is none.

Called by whoever feeds an engine's columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Floats, Longs, Presence, Readings

type Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Columns of equal length, in the order of the readings."""

    metric: Metric
    things: tuple[Mention, ...]
    values: Floats
    """In the metric's unit; NaN where there is none."""
    blank: Flags
    """The sender answered and had no value."""
    absent: Flags
    """There is nothing to read."""
    at: Longs


def cut(readings: Readings, metric: Metric, kind: MentionKind) -> Slice:
    """The readings of whole things of that kind: parts (MIG instances, links) are not the whole."""
    fit = np.array([m.kind is kind and not m.part for m in readings.subjects], np.bool_)
    chosen = readings.metric == metric.code
    rows = np.flatnonzero(chosen & fit[readings.subject]) if len(fit) else np.flatnonzero(chosen)
    presence = readings.presence[rows]
    return Slice(
        metric,
        tuple(readings.subjects[place] for place in readings.subject[rows].tolist()),
        readings.value[rows],
        presence == Presence.BLANK,
        presence == Presence.ABSENT,
        readings.at[rows],
    )
