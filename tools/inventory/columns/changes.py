"""The typed changes that the engine takes: whole things, and single facts (`estate.alterations`), as deltas carry them.

Called by `engine`, and by whoever feeds it. A single fact about what nobody knows is none: nothing is
guessed, and who brought it is told.
"""

from __future__ import annotations

from dataclasses import dataclass

from estate.alterations import Alteration
from estate.hardware import Node
from estate.ids import NodeId, WorkloadId
from estate.workloads import Workload


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """A node is there, as this."""

    node: Node


@dataclass(frozen=True, slots=True)
class NodeGone:
    """A node is not there any more."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class WorkloadSeen:
    """A workload is there, as this."""

    workload: Workload


@dataclass(frozen=True, slots=True)
class WorkloadGone:
    """A workload is not there any more."""

    workload: WorkloadId


type Change = NodeSeen | NodeGone | WorkloadSeen | WorkloadGone | Alteration
