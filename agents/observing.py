"""Whoever watches a case is told here, one line at a time; the default tells the bus, at most once.

An observer is awaited, so that a demo can act between two nodes of a case. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from estate.errors import PlacetError
from estate.progress import Progress
from estate.subjects import Subjects
from tools.bus.port import Bus

type Observer = Callable[[Progress], Awaitable[None]]


def telling(bus: Bus, subjects: Subjects) -> Observer:
    """The default observer: a signal on the incident's progress subject. A lost signal loses nothing."""

    async def tell(progress: Progress) -> None:
        try:
            await bus.signal(subjects.progress(progress.incident), progress.canonical())
        except PlacetError:
            return

    return tell
