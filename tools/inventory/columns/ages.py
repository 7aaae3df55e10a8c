"""Ages: the snapshots of one engine by number, which of them are held, and what is kept for them.

Called by `chunks`, `engine` and `grounds`. A snapshot is a number: columns keep what they overwrite for as long as a
snapshot that is held may ask for it. One task takes and reaps; a snapshot may end in any thread.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol


class Kept(Protocol):
    """A column, as far as snapshots are concerned."""

    past: dict[int, Any]
    """What is kept of each chunk."""
    weight: int
    """What freeing an image costs, beside one of numbers."""

    def prune(self, chunk: int, held: Sequence[int]) -> None:
        """Let go of what none of the held snapshots, ascending, can ask for of that chunk."""


class Ages:
    """Numbers of snapshots, from 1."""

    __slots__ = ("_again", "_due", "_ended", "_held", "_imaged", "newest", "now")

    def __init__(self) -> None:
        self.now = 0
        """How many snapshots were taken."""
        self.newest = 0
        """The newest that is held; 0: none."""
        self._held: list[int] = []
        self._ended: deque[int] = deque()
        self._imaged: dict[Kept, None] = {}
        self._due: dict[Kept, list[int]] = {}
        """The chunks that are still to be looked at."""
        self._again: set[Kept] = set()
        """Columns of which a snapshot ended while they were due."""

    def take(self) -> int:
        """A snapshot is taken; its number."""
        self._settle()
        self.now = self.newest = self.now + 1
        insort(self._held, self.now)
        return self.now

    def end(self, number: int) -> None:
        """Nobody holds that snapshot any more. Any thread; nothing is freed here, so that no decision waits for it."""
        self._ended.append(number)

    def imaged(self, column: Kept) -> None:
        """The column keeps something for snapshots."""
        self._imaged[column] = None

    def reap(self, most: int) -> int:
        """Free what ended snapshots needed, looking at about so many chunks; in how many columns there may be more."""
        self._settle()
        while self._due and most > 0:
            column, chunks = next(iter(self._due.items()))
            if chunks:
                column.prune(chunks.pop(), self._held)
                most -= column.weight
            else:
                del self._due[column]
                if column in self._again:  # behind all others, which would never have their turn
                    self._again.discard(column)
                    self._due[column] = list(column.past)
                elif not column.past:
                    del self._imaged[column]
        return len(self._due)

    def _settle(self) -> None:
        if not self._ended:
            return
        while self._ended:
            self._held.remove(self._ended.popleft())
        self.newest = self._held[-1] if self._held else 0
        for column in self._imaged:
            if column in self._due:  # begun anew, it might never come to its end
                self._again.add(column)
            else:
                self._due[column] = list(column.past)
