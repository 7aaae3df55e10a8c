"""What a change of a workload wants of its cluster: so many replicas, bound to these nodes. Pure.

From the change, and from the conditions that were read before it and will be verified after it: conditions count what
Kubernetes counts (`node×devices`), whoever numbers the replicas.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from estate.changes import MoveWorkload, ScaleWorkload
from estate.conditions import Condition, Field
from estate.ids import NodeId, WorkloadId
from estate.results import Refusal, RefusalCode
from estate.things import Thing

type Seats = Counter[NodeId]


@dataclass(frozen=True, slots=True)
class Goal:
    """Where a workload shall be."""

    about: Thing
    seats: Seats
    """So many pods on each node."""
    replicas: int
    placed: bool
    """Whether pods are bound that are not now: the template must say where. Else some only stop."""

    @property
    def workload(self) -> WorkloadId:
        """The workload's id."""
        return WorkloadId(self.about.id)


def seated(conditions: Iterable[Condition], about: Thing) -> Seats | None:
    """The nodes of a workload's bindings as a condition counts them; None where none does."""
    for condition in conditions:
        if condition.about == about and condition.field is Field.BINDINGS and isinstance(condition.equals, tuple):
            return Counter(NodeId(text.rpartition("×")[0] or _named(text)) for text in condition.equals)
    return None


def of_move(
    change: MoveWorkload, before: Seats, replicas: int, expected: Sequence[Condition], *, holds_back: bool = False
) -> Goal | Refusal:
    """The goal of a move within the cluster. Only a cluster that holds pods back can leave a replica pending."""
    about = change.target()
    if not holds_back and (stopped := [m.replica for m in change.moves if m.target is None]):
        return _unsupported(about, f"replica {stopped[0]} shall stop and stay pending; scale the workload down instead")
    moved = Counter(before)
    for move in change.moves:
        if move.source is not None:
            moved[move.source] -= 1
    moved += Counter(m.target for m in change.moves if m.target is not None)
    return Goal(about, +(seated(expected, about) or moved), replicas, placed=True)


def of_scale(change: ScaleWorkload, before: Seats, replicas: int, expected: Sequence[Condition]) -> Goal | Refusal:
    """The goal of a scaling; each added replica needs its node, or the scheduler would choose."""
    about, added = change.target(), change.replicas - replicas
    if added > 0 and len(change.bindings) != added:
        return _unsupported(about, f"{added} replicas are added and {len(change.bindings)} are placed; place each")
    after = Counter(before) + Counter(b.node for b in change.bindings)
    wanted = seated(expected, about)
    if wanted is None and added < 0:
        return _unsupported(about, "which of equal pods shall stop is not said; say what will be verified")
    return Goal(about, +(after if wanted is None else wanted), change.replicas, placed=added > 0)


def _named(text: str) -> str:
    """The node of a binding that names its devices, `0@eu-a1:0,1`."""
    return text.partition("@")[2].rpartition(":")[0]


def _unsupported(about: Thing, why: str) -> Refusal:
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=str(about), message=f"`{about}`: {why}")
