"""Stragglers: one device of a training job whose clock stays below its peers', so that all of them wait for it.

Told as `accelerator.degraded` of the device. In synchronous training every member ends a step together, so that use and
progress look alike for all; what differs is the clock of the one that holds up the others. A device that does no work
has a low clock by right: what is not in use now is neither slow nor a peer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import groupby
from statistics import median
from typing import ClassVar

from pydantic import Field

from estate import neighbours
from estate.evidence import Quantity
from estate.ids import GangId, NodeId, WorkloadId
from estate.observations import EventType, Severity
from estate.records import Model
from estate.references import Ref, read_ref
from estate.snapshots import Snapshot
from estate.units import PerMille, Seconds
from estate.workloads import Binding, Workload, WorkloadKind
from tools.payloads.facts.metrics import Metric
from tools.sensors import places
from tools.sensors.alarms import Hold, Level
from tools.sensors.levels import falling
from tools.sensors.port import Condition, Judged, Measured, Seen, Sensor, Stimulus

SYNCHRONOUS = frozenset({WorkloadKind.TRAINING, WorkloadKind.FINE_TUNING})


class Pace(Model):
    """The newest clock and use of one device."""

    megahertz: int = 0
    clocked_at: int = 0
    """Seconds since 1970, as the next."""
    use_permille: int = 0
    used_at: int = 0


class Paces(Model):
    """What is remembered of a job, by device (`node/index`)."""

    of: dict[str, Pace] = Field(default_factory=dict)


class Stragglers(Sensor[Paces]):
    """Clocks in thousandths of the median of a device's peers: those of its model in the same job."""

    tells: ClassVar[EventType] = EventType.ACCELERATOR_DEGRADED
    remembers: ClassVar[type[Model]] = Paces
    metrics: ClassVar[frozenset[Metric]] = frozenset({Metric.GPU_CLOCK, Metric.GPU_USE})

    raise_below: PerMille = PerMille(850)
    clear_above: PerMille = PerMille(950)
    in_use_above: PerMille = PerMille(500)
    least_peers: int = Field(default=3, ge=2)
    """Fewer prove nothing."""
    fresh_seconds: Seconds = Seconds(120)
    """What was measured longer ago says nothing of now."""
    raise_after_seconds: Seconds = Seconds(120)
    clear_after_seconds: Seconds = Seconds(120)

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        for name in map(WorkloadId, seen.change.workloads):
            found = [w for snapshot in (seen.before, seen.after) if (w := snapshot.workload(name)) is not None]
            yield from ((str(job), None) for job in sorted({job for w in found for job in _jobs(w)}))
        for metric in sorted(self.metrics, key=str):
            for reading in seen.measured.get(metric, ()):
                if (job := _job_of(seen.after, reading.about)) is not None:
                    yield str(job), reading

    def judge(self, subject: str, memory: Paces | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Paces]:
        held = dict(_devices(seen.after, read_ref(subject)))
        if len(held) <= self.least_peers:
            return Judged()
        paces = _paced(memory or Paces(), stimuli, held)
        conditions: list[Condition] = []
        by_model = sorted(held, key=lambda name: (held[name], name))
        for _, names in groupby(by_model, key=held.__getitem__):
            conditions += self._compared(list(names), paces, seen)
        return Judged(paces, tuple(conditions))

    def _compared(self, names: list[str], paces: Paces, seen: Seen) -> Iterator[Condition]:
        working = {n: p.megahertz for n in names if (p := paces.of.get(n)) and self._works(p, seen.now)}
        for name in names:
            peers = [clock for other, clock in working.items() if other != name]
            typical = int(median(peers)) if len(peers) >= self.least_peers else 0
            if name in paces.of:
                yield self._condition(name, working.get(name, 0), typical, len(peers), seen.after)

    def _works(self, pace: Pace, now: datetime) -> bool:
        """Whether it is known to work now."""
        oldest = now.timestamp() - self.fresh_seconds
        return min(pace.clocked_at, pace.used_at) >= oldest and pace.use_permille >= self.in_use_above

    def _condition(self, name: str, clock: int, typical: int, peers: int, snapshot: Snapshot) -> Condition:
        node, _, index = name.rpartition("/")
        compared = falling(clock * 1000, typical * self.raise_below, typical * self.clear_above)
        where = places.whereabouts(snapshot, Ref("node", node))
        return Condition(
            name=name,
            level=compared if clock and typical else Level.UNKNOWN,
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.WARNING,
            message=f"accelerator/{name} runs at {clock} MHz, the {peers} others of its job at {typical} MHz",
            code="straggler",
            whereabouts=where.model_copy(update={"gpu_index": int(index)}),
            values=(Quantity(name="clock", value=clock, unit="MHz"), Quantity(name="peers", value=peers, unit="1")),
            thresholds=(
                Quantity(name="typical", value=typical, unit="MHz"),
                Quantity(name="raise-below", value=typical * self.raise_below // 1000, unit="MHz"),
            ),
            window_seconds=self.raise_after_seconds,
        )


def _jobs(workload: Workload) -> frozenset[Ref]:
    """What its replicas run in step with: their gang, or all replicas of a workload that trains."""
    if workload.gangs:
        return frozenset(Ref("gang", g.id) for g in workload.gangs)
    return frozenset({Ref("workload", workload.id)}) if workload.kind in SYNCHRONOUS else frozenset()


def _job_of(snapshot: Snapshot, device: Ref) -> Ref | None:
    """The job that a device works for; None where that is not one, or not known."""
    if device.kind != "accelerator":
        return None
    node, _, index = device.id.rpartition("/")
    holders = [(w, b) for w in snapshot.workloads_on(NodeId(node)) for b in w.on(NodeId(node))]
    if any(w.counted for w, _ in holders) and len({w.id for w, _ in holders}) > 1:
        return None
    for workload, binding in holders:
        if int(index) in binding.accelerators:
            gang = workload.gang_of(binding.replica)
            return Ref("gang", gang) if gang is not None else next(iter(_jobs(workload)), None)
    return None


def _devices(snapshot: Snapshot, job: Ref) -> Iterator[tuple[str, str]]:
    """The devices that work for a job, each with its model."""
    for binding in _members(snapshot, job):
        node = snapshot.node(binding.node)
        for device in node.accelerators if node is not None else ():
            about = neighbours.accelerator(binding.node, device.index)
            if device.index in binding.accelerators and _job_of(snapshot, about) == job:
                yield about.id, device.model


def _members(snapshot: Snapshot, job: Ref) -> Iterator[Binding]:
    if job.kind == "gang":
        gang = GangId(job.id)
        yield from (b for w in snapshot.in_gang(gang) for b in w.bindings if w.gang_of(b.replica) == gang)
    elif (workload := snapshot.workload(WorkloadId(job.id))) is not None and job in _jobs(workload):
        yield from workload.bindings


def _paced(memory: Paces, stimuli: tuple[Stimulus, ...], held: Mapping[str, str]) -> Paces:
    """With what is new, and without devices that the job has left."""
    of = {name: pace for name, pace in memory.of.items() if name in held}
    for reading in stimuli:
        assert isinstance(reading, Measured)
        if reading.about.id in held:
            of[reading.about.id] = _after(of.get(reading.about.id, Pace()), reading)
    return Paces(of=of)


def _after(pace: Pace, reading: Measured) -> Pace:
    at = int(reading.at.timestamp())
    if reading.metric is Metric.GPU_CLOCK and at >= pace.clocked_at:
        return pace.model_copy(update={"megahertz": _bounded(reading.value / 1e6), "clocked_at": at})
    if reading.metric is Metric.GPU_USE and at >= pace.used_at:
        return pace.model_copy(update={"use_permille": _bounded(reading.value * 1000), "used_at": at})
    return pace


def _bounded(value: float) -> int:
    """A sender may say anything; no clock and no use is beyond this."""
    return round(min(max(value, 0.0), 1e6))
