"""Which pod of a workload goes to which place: pure, from the goal and the pods as they were read.

Pods of one owner are equal, so they are taken by name: ranks that follow each other come to the same node. Where a pod
was sent stands in its annotation, so whoever resumes a step sends nobody elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from estate.changes import MoveWorkload
from estate.ids import NodeId
from tools.execution.kubernetes.enacting.port import Task
from tools.execution.kubernetes.goals import Seats
from tools.execution.kubernetes.reaching import Household
from tools.kubernetes import gating
from tools.kubernetes.connecting import Object

PLACED = "placet.dev/placed"
"""The annotation. Its value: the node's id and the indexes of the devices that were chosen, `eu-a1:0,1`."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A node, and the devices that a decision chose there; none where it chose by number."""

    node: NodeId
    devices: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.node}:{','.join(map(str, self.devices))}"


def waiting(household: Household) -> list[Object]:
    """The pods that Placet's gate holds back, by name."""
    return [p for p in _live(household) if not _node(p) and gating.gated(p["spec"])]


def destined(household: Household) -> list[Object]:
    """The pods that were released and are not bound yet."""
    return [p for p in _live(household) if not _node(p) and not gating.gated(p["spec"]) and _sent(p)]


def needed(task: Task, household: Household) -> Seats:
    """How many more pods each node of the goal wants, those on their way counted."""
    coming = Counter(NodeId(_sent(p).rpartition(":")[0]) for p in destined(household))
    return task.goal.seats - task.means.reach.seats(household) - coming


def surplus(task: Task, household: Household) -> list[Object]:
    """The bound pods that the goal does not want where they are, by name."""
    over, found = task.means.reach.seats(household) - task.goal.seats, []
    for pod in _live(household):
        node = _node(pod) and task.means.reach.node_called(task.goal.workload, _node(pod))
        if node and over[NodeId(node)] > 0:
            over[NodeId(node)] -= 1
            found.append(pod)
    return found


def paired(task: Task, household: Household) -> list[tuple[Object, Place]]:
    """Who is to be released, and to where."""
    return list(zip(waiting(household), _open(task, household), strict=False))


def gated_template(household: Household) -> bool:
    """Whether pods that are made anew will wait again."""
    spec = (household.owner.raw["spec"].get("template") or {}).get("spec") or {}
    return gating.gated(spec)


def _open(task: Task, household: Household) -> Iterator[Place]:
    """The places of the change that nobody has been sent to, node by node."""
    taken = Counter(_sent(p) for p in _live(household))
    chosen = sorted(_chosen(task))
    for node, count in sorted(needed(task, household).items()):
        free = [p for p in chosen if p.node == node and not taken[str(p)]]
        yield from (free + [Place(node)] * count)[:count]


def _chosen(task: Task) -> Iterator[Place]:
    if isinstance(task.change, MoveWorkload):
        yield from (Place(m.target, m.accelerators) for m in task.change.moves if m.target)
    else:
        yield from (Place(b.node, b.accelerators) for b in task.change.bindings)


def _live(household: Household) -> list[Object]:
    pods = (p for p in household.pods if not p["metadata"].get("deletionTimestamp"))
    return sorted(pods, key=lambda p: str(p["metadata"]["name"]))


def _node(pod: Object) -> str:
    return str(pod["spec"].get("nodeName") or "")


def _sent(pod: Object) -> str:
    return str((pod["metadata"].get("annotations") or {}).get(PLACED, ""))
