"""Assurance worked out beside whoever asks: one look at a time, in a thread of its own, on a frozen snapshot.

Called by the sensor, whose loop must not wait: the loss of one large rack takes a quarter of a second. A look is
bounded by how many workloads may look for a home in it; between two losses it sees that it was stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime

from estate.ids import WorkloadId
from estate.references import Ref
from estate.snapshots import Snapshot
from tools.placement.assurance.domains import Sort
from tools.placement.assurance.keeping import Keeper
from tools.placement.assurance.rehoming import Homeless

type Breaches = Mapping[Ref, Homeless]


class Looking:
    """Looks of one keeper. Asked from one thread; nothing here waits but `settle`."""

    def __init__(self, sorts: Iterable[Sort]) -> None:
        self._keeper = Keeper(sorts)
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="assurance")
        self._look: Future[dict[WorkloadId, Breaches]] | None = None

    @property
    def busy(self) -> bool:
        """Whether a look is under way, or was not collected."""
        return self._look is not None

    def begin(self, snapshot: Snapshot, now: datetime, promised: frozenset[WorkloadId], most: int) -> None:
        """Look at this estate; only where none is busy."""
        self._look = self._pool.submit(self._worked, snapshot, now, promised, most)

    def collect(self) -> Mapping[WorkloadId, Breaches]:
        """Of the look that has ended, the workloads of which something else is known now, with their losses."""
        if self._look is None or not self._look.done():
            return {}
        look, self._look = self._look, None
        return {} if look.cancelled() else look.result()

    def settle(self) -> None:
        """Wait for the look that is under way."""
        if self._look is not None and not self._look.done():
            wait([self._look])

    def stop(self) -> None:
        """End without waiting: the loss at hand is finished, and nothing after it begun."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _worked(
        self, snapshot: Snapshot, now: datetime, promised: frozenset[WorkloadId], most: int
    ) -> dict[WorkloadId, Breaches]:
        self._keeper.follow(snapshot, now, promised)
        changed = self._keeper.work(most, self._stopped.is_set)
        return {name: self._keeper.breaches(name) for name in changed}
