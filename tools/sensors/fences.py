"""`capacity.pressure`: a node that was fenced while something was wrong with it is well again, and takes no work.

Told so that somebody lifts the fence: the runbook proposes it, the gate asks again whether node and devices are
healthy, and an executor lifts no fence that another manager holds. A node that was well all the while is fenced for a
reason that nobody told us (maintenance), and nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from estate.evidence import Quantity
from estate.hardware import Health, Node
from estate.ids import NodeId
from estate.observations import FENCE_IDLE, EventType, Severity, Whereabouts
from estate.records import Model
from estate.references import read_ref
from estate.units import Seconds
from tools.sensors.alarms import Hold
from tools.sensors.levels import wrong
from tools.sensors.port import Condition, Judged, Seen, Sensor, Stimulus


class Ailing(Model):
    """Behind its fence the node has been seen with something wrong."""


class Fences(Sensor[Ailing]):
    """How long a node must be well again before its fence is called idle."""

    tells: ClassVar[EventType] = EventType.CAPACITY_PRESSURE
    remembers: ClassVar[type[Model]] = Ailing

    raise_after_seconds: Seconds = Seconds(1800)
    """Longer than an accelerator that comes and goes takes to go again."""

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        yield from ((f"node/{name}", None) for name in seen.change.nodes)

    def judge(self, subject: str, memory: Ailing | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Ailing]:
        node = seen.after.node(NodeId(read_ref(subject).id))
        if node is None or not node.cordoned:
            return Judged()
        ailing = node.health is not Health.HEALTHY or any(a.health is not Health.HEALTHY for a in node.accelerators)
        if memory is None and not ailing:
            return Judged()
        return Judged(Ailing(), (self._condition(node, idle=not ailing),))

    def _condition(self, node: Node, *, idle: bool) -> Condition:
        return Condition(
            name="idle",
            level=wrong(idle),
            hold=Hold.seconds(self.raise_after_seconds, 0),
            severity=Severity.WARNING,
            message=_told(node),
            code=FENCE_IDLE,
            whereabouts=Whereabouts(cluster=node.cluster, node_name=node.name),
            values=(Quantity(name="accelerators", value=len(node.accelerators), unit="1"),),
            thresholds=(Quantity(name="allowed", value=0, unit="1"),),
            window_seconds=self.raise_after_seconds,
        )


def _told(node: Node) -> str:
    return f"node/{node.id} is well again and still fenced; {len(node.accelerators)} accelerators take no work"
