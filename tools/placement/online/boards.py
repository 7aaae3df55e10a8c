"""A fleet kept current for single decisions: it follows the snapshots, and finds at once what masks find too.

Called by the engine, which makes one in the background. It decides nothing that it cannot decide as the masks do: of a
snapshot that it cannot follow it says so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from estate import reserving
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement.columns import Columns
from tools.placement.constraints import table
from tools.placement.online import asking
from tools.placement.online.asking import Classes
from tools.placement.online.classes import SLOTS
from tools.placement.online.frames import Frame
from tools.placement.online.outlooks import Outlook
from tools.placement.online.questions import Question, Seats
from tools.placement.online.valuing import Valuation
from tools.placement.port import Ask
from tools.placement.wishes import Wish


class Board:
    """Safe to share between threads."""

    def __init__(self, snapshot: Snapshot, columns: Columns, outlook: Outlook) -> None:
        """Compiles what was not compiled before, which takes its time. The columns are its own from now on."""
        self._lock = threading.Lock()  # protects all that follows
        self._frame = Frame(snapshot, columns, asking.ROOM)
        self._classes = Classes(snapshot, Valuation(snapshot, self._frame.kinds, outlook))

    def seats(self, snapshot: Snapshot, ask: Ask, workload: Workload) -> Seats | None:
        """Homes for the replicas, all or none: no seats where there are none for certain; None where it cannot tell."""
        if not ask.replicas or next(reserving.every(snapshot), None) is not None:
            return None  # watts that are reserved change with the very devices that are taken
        with self._lock:
            if not self._frame.follow(snapshot) or self._frame.columns.index.shape[1] > SLOTS:
                return None
            return self._question(snapshot, ask, workload).answered()

    def _question(self, snapshot: Snapshot, ask: Ask, workload: Workload) -> Question:
        frame = self._frame
        wish = Wish(snapshot, frame.columns, ask, workload, spans=frame.spans, alike=frame.alike)
        more = max(ask.replicas) + 1  # a workload that grows counts in full towards quotas
        grown = workload if more <= workload.replicas else workload.model_copy(update={"replicas": more})
        return Question(frame, self._classes, wish, table.beside(snapshot, grown))

    def follow(self, snapshot: Snapshot) -> bool:
        """Become that snapshot, where that can be done."""
        with self._lock:
            return self._frame.follow(snapshot)

    def practise(self, snapshot: Snapshot, workloads: Iterable[Workload]) -> None:
        """Decide for these once, so that nobody waits for what is worked out the first time."""
        for workload in workloads:
            ask = Ask(workload.id, (0,))
            if self.seats(snapshot, ask, workload):
                with self._lock:
                    self._question(snapshot, ask, workload).practise()
