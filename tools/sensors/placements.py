"""`placement.drifted`: a replica runs on devices that its own contract does not accept.

Whoever put it there, and however the node has changed since: the wrong model, too little memory, or members in more
than one NVLink domain. Where a system only counts devices it is not known which ones a replica holds, and nothing is
told unless the node cannot have given it enough of the right ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import ClassVar

from estate.evidence import Quantity
from estate.hardware import Accelerator
from estate.ids import NodeId, WorkloadId
from estate.observations import EventType, Severity
from estate.records import Model
from estate.references import read_ref
from estate.snapshots import Snapshot
from estate.units import Seconds
from estate.workloads import BandwidthClass, Binding, Workload
from tools.sensors import places
from tools.sensors.alarms import Hold
from tools.sensors.levels import wrong
from tools.sensors.port import Condition, Judged, Seen, Sensor, Stimulus

type Devices = Collection[Accelerator]


class Nothing(Model):
    """A placement is judged by what the estate says now."""


class Placements(Sensor[Nothing]):
    """How long a replica must run where it should not, and be gone from there."""

    tells: ClassVar[EventType] = EventType.PLACEMENT_DRIFTED
    remembers: ClassVar[type[Model]] = Nothing

    raise_after_seconds: Seconds = Seconds(60)
    """Longer than a source needs to tell of a node and of what runs on it."""
    clear_after_seconds: Seconds = Seconds(60)

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        names = set(seen.change.workloads)
        for node in map(NodeId, seen.change.nodes):
            names.update(w.id for w in seen.after.workloads_on(node))
        yield from ((f"workload/{name}", None) for name in sorted(names))

    def judge(self, subject: str, memory: Nothing | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Nothing]:
        workload = seen.after.workload(WorkloadId(read_ref(subject).id))
        if workload is None or not workload.contract.accelerators_per_replica:
            return Judged()
        return Judged(None, tuple(self._conditions(workload, seen.after)))

    def _conditions(self, workload: Workload, snapshot: Snapshot) -> Iterator[Condition]:
        contract = workload.contract
        if contract.models:
            wanted = "/".join(contract.models)
            yield self._condition("model", workload, snapshot, lambda a: a.model in contract.models, wanted)
        if contract.memory_mebibytes:
            least = contract.memory_mebibytes
            accepted = f"at least {least} MiB"
            yield self._condition("memory", workload, snapshot, lambda a: a.memory_mebibytes >= least, accepted)
        if contract.bandwidth is BandwidthClass.SAME_NVLINK_DOMAIN:
            split = [b for b in workload.bindings if not _together(workload, b, snapshot)]
            yield self._told("nvlink", workload, split, "one NVLink domain")

    def _condition(
        self, name: str, workload: Workload, snapshot: Snapshot, accepted: Callable[[Accelerator], bool], wanted: str
    ) -> Condition:
        amiss = [
            b
            for b in workload.bindings
            if (held := _held(workload, b, snapshot)) and sum(map(accepted, held)) < min(_size(workload, b), len(held))
        ]
        return self._told(name, workload, amiss, wanted)

    def _told(self, name: str, workload: Workload, amiss: list[Binding], wanted: str) -> Condition:
        nodes = ", ".join(sorted({b.node for b in amiss})[:5])
        return Condition(
            name=name,
            level=wrong(bool(amiss)),
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.WARNING,
            message=f"workload/{workload.id} was promised {wanted}; {len(amiss)} of its replicas run without ({nodes})",
            code=f"placement-{name}",
            whereabouts=places.of_workload(workload),
            values=(Quantity(name="replicas-amiss", value=len(amiss), unit="1"),),
            thresholds=(Quantity(name="allowed", value=0, unit="1"),),
            window_seconds=self.raise_after_seconds,
        )


def _size(workload: Workload, binding: Binding) -> int:
    return len(binding.accelerators) or workload.contract.accelerators_per_replica


def _held(workload: Workload, binding: Binding, snapshot: Snapshot) -> Devices:
    """The devices that the replica holds, or may hold where they are only counted. None of a node that is unknown."""
    node = snapshot.node(binding.node)
    devices = node.accelerators if node is not None else ()
    return devices if workload.counted else [a for a in devices if a.index in binding.accelerators]


def _together(workload: Workload, binding: Binding, snapshot: Snapshot) -> bool:
    """Whether one domain holds (or may hold) all devices of the replica; what is not known is not held against it."""
    domains = Counter(a.nvlink_domain for a in _held(workload, binding, snapshot))
    if "" in domains or not domains:
        return True
    return max(domains.values()) >= min(_size(workload, binding), domains.total())
