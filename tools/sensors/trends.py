"""When a rising value reaches its limit: the trend of Theil and Sen over a few points, which outliers do not bend.

Called by sensors that forecast. The slope is the median of the slopes between all pairs of points (Sen, "Estimates of
the regression coefficient based on Kendall's tau", JASA 63, 1968), and it counts as rising only where a quarter of
these slopes at most is not: a single step upwards, or noise, is no trend. The cost is bounded by `MOST`, not by how
often somebody measures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST = 32
"""Points that are kept, the newest of each part of the window."""

type Points = tuple[tuple[int, int], ...]
"""Seconds and value, by time."""


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through the points: its value at the newest time, and its slope."""

    level: float
    per_second: float
    rising: bool
    span_seconds: int

    def seconds_to(self, limit: int) -> int | None:
        """How long until the line reaches `limit`; None when it never does."""
        if not self.rising or self.level >= limit:
            return None
        return int((limit - self.level) / self.per_second)


def added(points: Points, at: int, value: int, window: int) -> Points:
    """With one more point. One that is older than the newest is left out; those older than the window are dropped."""
    if points and at < points[-1][0]:
        return points
    width = max(window // MOST, 1)
    kept = tuple(p for p in points if p[0] > at - window and p[0] // width != at // width)
    return (*kept, (at, value))[-MOST:]


def trend(points: Points, least: int) -> Trend | None:
    """The trend of at least `least` points; None where there are fewer."""
    if len(points) < max(least, 2):
        return None
    times, values = np.array(points, dtype=np.float64).T
    first, second = np.triu_indices(len(points), k=1)
    slopes = (values[second] - values[first]) / (times[second] - times[first])
    slope, lower = float(np.median(slopes)), float(np.quantile(slopes, 0.25))
    level = float(np.median(values - slope * (times - times[-1])))
    return Trend(level, slope, lower > 0, points[-1][0] - points[0][0])
