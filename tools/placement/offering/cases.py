"""A question to the placement engine with all that it is about. Called by `explaining`, `offers` and what they use."""

from __future__ import annotations

from dataclasses import dataclass

from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement.port import Ask, Engine
from tools.placement.wishes import Wish

type Change = tuple[Snapshot, Ask]
"""Another estate, and another ask of it."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked of which estate, and by which engine it is answered."""

    engine: Engine
    wish: Wish

    @property
    def ask(self) -> Ask:
        """The ask."""
        return self.wish.ask

    @property
    def snapshot(self) -> Snapshot:
        """The estate."""
        return self.wish.snapshot

    @property
    def workload(self) -> Workload:
        """Whose replicas."""
        return self.wish.workload
