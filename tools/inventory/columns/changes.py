"""The typed changes that the engine takes: whole things as deltas carry them, and single facts as watches bring them.

Called by `engine`, and by whoever feeds it. A single fact about what nobody knows is none: nothing is
guessed, and who brought it is told.
"""

from __future__ import annotations

from dataclasses import dataclass

from estate.hardware import Health, Node, Taint
from estate.ids import NodeId, WorkloadId
from estate.units import Watts
from estate.workloads import Binding, Workload


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


@dataclass(frozen=True, slots=True)
class Bound:
    """One replica of a workload runs on those devices: moved there, or new."""

    workload: WorkloadId
    binding: Binding


@dataclass(frozen=True, slots=True)
class Unbound:
    """One replica of a workload runs nowhere."""

    workload: WorkloadId
    replica: int


@dataclass(frozen=True, slots=True)
class Cordoned:
    """Whether a node is cordoned."""

    node: NodeId
    cordoned: bool


@dataclass(frozen=True, slots=True)
class Tainted:
    """All the taints of a node."""

    node: NodeId
    taints: tuple[Taint, ...]


@dataclass(frozen=True, slots=True)
class Capped:
    """The most that a node may draw."""

    node: NodeId
    watts: Watts | None


@dataclass(frozen=True, slots=True)
class NodeJudged:
    """The health of a node."""

    node: NodeId
    health: Health


@dataclass(frozen=True, slots=True)
class DeviceJudged:
    """The health of one device."""

    node: NodeId
    index: int
    health: Health


type Change = (
    NodeSeen
    | NodeGone
    | WorkloadSeen
    | WorkloadGone
    | Bound
    | Unbound
    | Cordoned
    | Tainted
    | Capped
    | NodeJudged
    | DeviceJudged
)
