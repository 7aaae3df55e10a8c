"""What the demo sees of the world beside Placet, and does to it: a port with two adapters, the twin and real clusters.

Called by the acts through the stage. It never goes through Placet: what it sees is what the world itself says, and
what it does somebody else would do, a failing device, another tenant, a machine that refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from console.config import Cluster, ExecutorSpec
from console.systems import System
from estate.conditions import Condition
from estate.ids import ExecutorId, NodeId
from estate.law import Facts
from estate.snapshots import Snapshot
from estate.workloads import Workload

PATIENCE = timedelta(seconds=40)


@dataclass(frozen=True, slots=True)
class Errand:
    """What an operator proposes in the third act, from a file."""

    change_file: dict[str, Any]
    done: str
    """What is claimed once it is done."""
    is_done: Callable[[Snapshot], bool]


@dataclass(frozen=True, slots=True)
class Proof:
    """A claim, whether it holds, and what was found where it does not."""

    claim: str
    holds: bool
    found: str = ""


class Scenery(Protocol):
    """The world of a demo, for whoever is not Placet."""

    async def look(self) -> Snapshot:
        """The estate as the world has it now; Placet's inventory is not asked."""

    async def objects(self) -> Mapping[str, object]:
        """Everything as it lies, by name, for comparing: equal means that nothing was changed."""

    async def lose_device(self, node: NodeId, index: int) -> None:
        """A device of the node fails; nobody says so yet."""

    async def start_job(self, job: Workload) -> None:
        """Somebody else's job runs where its bindings say."""

    def errand(self, now: Snapshot) -> Errand:
        """The third act's proposal of three steps, on the estate as it is."""

    def failing(self) -> AbstractAsyncContextManager[None]:
        """The errand's second step fails at its write, and at nothing before, within the block."""

    async def proofs(self, promised: Sequence[Condition]) -> Sequence[Proof]:
        """What the world's own objects say of what was promised; empty where `look` says it all."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a demo plays: what of the installation differs there, and the scenery."""

    scenery: Callable[[System], Scenery]
    facts: Facts | None = None
    """None: those that ship with Placet."""
    clusters: tuple[Cluster, ...] = ()
    executors: tuple[ExecutorSpec, ...] = field(default=(ExecutorSpec(id=ExecutorId("twin")),))
    patience: timedelta = PATIENCE
