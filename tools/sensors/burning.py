"""Error budgets: how fast one burns, over two windows at once.

Called by `contracts`. An observation keeps its bound or does not; the burn rate is the share that does not, divided by
the share that may not. An alert needs it high over a long window (that it matters) and over a short one (that it still
goes on): "multiwindow, multi-burn-rate alerts", The Site Reliability Workbook, chapter 5, table 5-8. That table is for
thirty days; for another period the windows are longer or shorter in proportion.
"""

from __future__ import annotations

from dataclasses import dataclass

from estate.records import Model

_MONTH = 2_592_000
_FINE, _COARSE = 360, 72
"""Buckets kept: six hours of minutes and three days of hours, of a period of thirty days."""

type Buckets = tuple[tuple[int, int, int], ...]
"""Number of the bucket, observations, and how many of them broke the bound; by number."""


class Ladder(Model):
    """What was observed of one objective. Persisted; its size is bounded."""

    fine: Buckets = ()
    coarse: Buckets = ()


@dataclass(frozen=True, slots=True)
class Count:
    """Observations of a window."""

    total: int
    broken: int

    def burn(self, holds: int) -> float:
        """How many times faster than allowed; `holds` is the share that must keep the bound, in thousandths."""
        allowed = max(1000 - holds, 1) / 1000
        return self.broken / self.total / allowed if self.total else 0.0


def minute(period: int) -> int:
    """The seconds of a fine bucket of that period."""
    return max(period * 60 // _MONTH, 1)


def added(ladder: Ladder, at: int, broken: bool, period: int) -> Ladder:
    """With one observation more, in the bucket of its own time; one that is older than all buckets is left out."""
    width = minute(period)
    fine = _put(ladder.fine, at // width, broken, _FINE)
    return Ladder(fine=fine, coarse=_put(ladder.coarse, at // (60 * width), broken, _COARSE))


def counted(ladder: Ladder, now: int, minutes: int, period: int) -> Count:
    """The observations of the last so many minutes (of a thirty days' period)."""
    width = minute(period)
    buckets, width, size = (
        (ladder.fine, width, minutes) if minutes <= _FINE else (ladder.coarse, 60 * width, minutes // 60)
    )
    found = [b for b in buckets if now // width - size < b[0] <= now // width]
    return Count(sum(b[1] for b in found), sum(b[2] for b in found))


def _put(buckets: Buckets, number: int, broken: bool, most: int) -> Buckets:
    known = {b[0]: b for b in buckets}
    newest = max((*known, number))
    _, total, bad = known.get(number, (number, 0, 0))
    known[number] = (number, total + 1, bad + broken)
    return tuple(known[n] for n in sorted(known) if n > newest - most)
