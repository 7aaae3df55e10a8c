"""Single facts about things that are known: what a delta says of one of which nothing else changed. Pure.

Told by the inventory's writer, taken by whoever follows its deltas: a node that is cordoned is some sixty bytes instead
of all of the node. An alteration claims no name, and says what is so now, so that hearing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

from estate.hardware import Accelerator, Health, Node, Taint
from estate.ids import NodeId, WorkloadId
from estate.units import Watts
from estate.workloads import Binding, Workload

_STRICT: Final = ConfigDict(extra="forbid")
_MOST: Final = 16
"""Of one thing; what changed in more than that is told whole."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One replica of a workload runs on those devices: moved there, or new."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    workload: WorkloadId
    binding: Binding
    fact: Literal["bound"] = "bound"


@dataclass(frozen=True, slots=True)
class Unbound:
    """One replica of a workload runs nowhere."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    workload: WorkloadId
    replica: int
    fact: Literal["unbound"] = "unbound"


@dataclass(frozen=True, slots=True)
class Cordoned:
    """Whether a node is cordoned."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    node: NodeId
    cordoned: bool
    fact: Literal["cordoned"] = "cordoned"


@dataclass(frozen=True, slots=True)
class Tainted:
    """All the taints of a node."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    node: NodeId
    taints: tuple[Taint, ...]
    fact: Literal["tainted"] = "tainted"


@dataclass(frozen=True, slots=True)
class Capped:
    """The most that a node may draw."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    node: NodeId
    watts: Watts | None
    fact: Literal["capped"] = "capped"


@dataclass(frozen=True, slots=True)
class NodeJudged:
    """The health of a node."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    node: NodeId
    health: Health
    fact: Literal["node-judged"] = "node-judged"


@dataclass(frozen=True, slots=True)
class DeviceJudged:
    """The health of one device."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    node: NodeId
    index: int
    health: Health
    fact: Literal["device-judged"] = "device-judged"


type OfNode = Cordoned | Tainted | Capped | NodeJudged | DeviceJudged
type OfWorkload = Bound | Unbound
type Alteration = OfNode | OfWorkload
type WrittenAlteration = Annotated[
    Cordoned | Tainted | Capped | NodeJudged | DeviceJudged | Bound | Unbound, Field(discriminator="fact")
]
"""As deltas carry it."""


def of_node(before: Node, after: Node) -> tuple[OfNode, ...] | None:
    """What makes `after` of `before`; None where that is not said in a few facts."""
    old, new = before.__dict__, after.__dict__
    told: list[OfNode] = []
    for name in (n for n, value in new.items() if old[n] is not value and old[n] != value):
        found = _said(before, after, name)
        if found is None:
            return None
        told += found
    return tuple(told) if len(told) <= _MOST else None


def of_workload(before: Workload, after: Workload) -> tuple[OfWorkload, ...] | None:
    """What makes `after` of `before`; None where that is not said in a few facts."""
    old, new = before.__dict__, after.__dict__
    if any(old[n] != value for n, value in new.items() if n != "bindings" and old[n] is not value):
        return None
    ran, runs = ({b.replica: b for b in w.bindings} for w in (before, after))
    if not all(_in_order(w, replicas) for w, replicas in ((before, ran), (after, runs))):
        return None
    ended = [Unbound(after.id, replica) for replica in ran if replica not in runs]
    begun = [Bound(after.id, b) for replica, b in runs.items() if ran.get(replica) != b]
    return (*ended, *begun) if len(ended) + len(begun) <= _MOST else None


def altered_node(node: Node, by: OfNode) -> Node:
    """The node after that fact."""
    match by:
        case Cordoned(_, cordoned):
            return node.model_copy(update={"cordoned": cordoned})
        case Tainted(_, taints):
            return node.model_copy(update={"taints": taints})
        case Capped(_, watts):
            return node.model_copy(update={"power_cap_watts": watts})
        case NodeJudged(_, health):
            return node.model_copy(update={"health": health})
        case DeviceJudged(_, index, health):
            devices = (_judged(a, health) if a.index == index else a for a in node.accelerators)
            return node.model_copy(update={"accelerators": tuple(devices)})


def altered_workload(workload: Workload, by: OfWorkload) -> Workload:
    """The workload after that fact."""
    replica = by.binding.replica if isinstance(by, Bound) else by.replica
    kept = [b for b in workload.bindings if b.replica != replica]
    now = [*kept, by.binding] if isinstance(by, Bound) else kept
    return workload.model_copy(update={"bindings": tuple(sorted(now, key=lambda b: b.replica))})


def _said(before: Node, after: Node, field: str) -> list[OfNode] | None:
    """The facts that say that this field is otherwise; None where there are no such."""
    match field:
        case "cordoned":
            return [Cordoned(after.id, after.cordoned)]
        case "taints":
            return [Tainted(after.id, after.taints)]
        case "power_cap_watts":
            return [Capped(after.id, after.power_cap_watts)]
        case "health":
            return [NodeJudged(after.id, after.health)]
        case "accelerators" if len({a.index for a in after.accelerators}) == len(before.accelerators):
            pairs = list(zip(before.accelerators, after.accelerators, strict=False))
            judged = list[OfNode](_judgements(after.id, pairs))
            same = all(old is new or _judged(old, new.health) == new for old, new in pairs)
            return judged if same and len(after.accelerators) == len(pairs) else None
        case _:
            return None


def _judgements(node: NodeId, pairs: list[tuple[Accelerator, Accelerator]]) -> Iterator[DeviceJudged]:
    return (DeviceJudged(node, new.index, new.health) for old, new in pairs if old.health is not new.health)


def _judged(device: Accelerator, health: Health) -> Accelerator:
    return device.model_copy(update={"health": health})


def _in_order(workload: Workload, replicas: dict[int, Any]) -> bool:
    """Whether its replicas run each once, in their order, and none beyond their number."""
    numbers = list(replicas)
    return (
        len(numbers) == len(workload.bindings)
        and numbers == sorted(numbers)
        and all(0 <= n < workload.replicas for n in numbers)
    )
