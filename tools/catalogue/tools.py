"""What a tool of the catalogue is: a name, words for a model, typed input and output, a pure read-only function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from estate.drifts import Drift
from estate.errors import BadInput
from estate.hardware import Node
from estate.ids import NodeId, RackId, WorkloadId
from estate.law import Rack
from estate.records import Model
from estate.snapshots import Snapshot, SnapshotVersion
from estate.workloads import Workload
from tools.inventory.port import Forgotten, Past
from tools.placement.assurance.keeping import Keeper as Assured
from tools.placement.port import Engine
from tools.views.sums import Keeper


@dataclass(frozen=True, slots=True)
class Desk:
    """What every tool reads: one frozen snapshot, the placement engine, what has drifted, the past, and sums."""

    snapshot: Snapshot
    engine: Engine
    drifts: Callable[[], Sequence[Drift]] = tuple
    """What is known to have drifted."""
    past: Past = field(default_factory=Forgotten)
    """What is still known of earlier versions."""
    now: datetime | None = None
    """What is measured counts while it is fresh then; None: nothing does."""
    keeper: Keeper = field(default_factory=Keeper)
    """Sums, kept from one question to the next."""
    assured: Assured = field(default_factory=Assured)
    """What outlives which loss, kept likewise."""

    def node(self, name: NodeId) -> Node:
        """The node. Raises BadInput."""
        found = self.snapshot.node(name)
        if found is None:
            raise BadInput(f"no node `{name}`; use an id that an event or another tool named")
        return found

    def workload(self, name: WorkloadId) -> Workload:
        """The workload. Raises BadInput."""
        found = self.snapshot.workload(name)
        if found is None:
            raise BadInput(f"no workload `{name}`; `search_workloads` lists those there are")
        return found

    def rack(self, name: RackId) -> Rack:
        """The rack. Raises BadInput."""
        found = self.snapshot.facts.rack.get(name)
        if found is None:
            known = ", ".join(sorted(self.snapshot.facts.rack)[:20])
            raise BadInput(f"no rack `{name}`; there are {known}")
        return found


class Answer(Model):
    """What every tool answers with: the version of the estate that was read, and more."""

    snapshot: SnapshotVersion


@dataclass(frozen=True, slots=True)
class Tool[Question: Model, Reply: Answer]:
    """One entry of the catalogue. `run` reads the desk and nothing else."""

    name: str
    description: str
    question: type[Question]
    reply: type[Reply]
    run: Callable[[Desk, Question], Reply]
