"""`sense`: (state, what is seen) → (state, signals). Pure, and at the cost of what changed or fell due.

Called by `watching`. Every subject of a sensor has a cell: the sensor's memory and an alarm for each condition. Cells
that wait for time to pass stand in a timetable by the second, so that a tick looks at those that are due and at no
others. A sensor that fails on one subject is reported, and nothing else is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from immutables import Map

from estate.evidence import Evidence
from estate.observations import EventType, Severity, Whereabouts
from estate.records import Model
from tools.sensors import alarms
from tools.sensors.alarms import Alarm, Edge, Hold, Level
from tools.sensors.port import Condition, Judged, Seen, Sensor, Stimulus

type Sensors = Mapping[str, Sensor[Any]]
_AT_ONCE = Hold.seconds(0, 0)


class Key(NamedTuple):
    """A subject of a sensor."""

    sensor: str
    subject: str


@dataclass(frozen=True, slots=True)
class Told:
    """Where and how an alarm was raised: its end is told in the same way."""

    whereabouts: Whereabouts
    code: str
    severity: Severity
    type: EventType | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """What is known of one subject."""

    memory: Model | None = None
    alarms: Map[str, Alarm] = field(default_factory=Map)
    told: Map[str, Told] = field(default_factory=Map)
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """Something to tell: a condition was raised, or it cleared."""

    type: EventType
    key: Key
    condition: str
    occurrence: int
    resolved: bool
    severity: Severity
    code: str
    message: str
    whereabouts: Whereabouts
    evidence: Evidence
    at: datetime


@dataclass(frozen=True, slots=True)
class State:
    """All cells, and which are due when."""

    cells: Map[Key, Cell] = field(default_factory=Map)
    timetable: Map[int, frozenset[Key]] = field(default_factory=Map)
    ticked: int = 0
    """The last second whose cells were looked at."""

    def with_cell(self, key: Key, cell: Cell | None) -> State:
        """With that cell in the place of what was there, in the timetable too."""
        before = self.cells.get(key)
        times = _struck(self.timetable, key, before.due if before else None)
        if cell is None:
            return replace(self, cells=self.cells.delete(key) if before else self.cells, timetable=times)
        if cell.due is not None:
            second = max(_second(cell.due), self.ticked + 1)
            cell = replace(cell, due=datetime.fromtimestamp(second, cell.due.tzinfo))
            times = times.set(second, times.get(second, frozenset()) | {key})
        return replace(self, cells=self.cells.set(key, cell), timetable=times)

    def due(self, now: datetime) -> Iterator[Key]:
        """Those whose time has come."""
        last = int(now.timestamp())
        seconds = range(self.ticked + 1, last + 1)
        # After a long pause there are fewer entries than seconds.
        come = seconds if len(seconds) < len(self.timetable) else [s for s in self.timetable if s <= last]
        for second in come:
            yield from self.timetable.get(second, ())


@dataclass(frozen=True, slots=True)
class Fault:
    """A sensor that could not judge a subject: a mistake of ours."""

    key: Key
    error: Exception


@dataclass(frozen=True, slots=True)
class Sensed:
    """The state afterwards, what is to be told, and which cells were written."""

    state: State
    signals: tuple[Signal, ...] = ()
    written: tuple[Key, ...] = ()
    faults: tuple[Fault, ...] = ()


def sense(state: State, sensors: Sensors, seen: Seen) -> Sensed:
    """Look at every subject that this moved, and at those whose time has come."""
    found, faults = _touched(state, sensors, seen)
    state = replace(state, ticked=max(state.ticked, int(seen.now.timestamp())))
    signals, written = list[Signal](), list[Key]()
    for key, stimuli in found.items():
        sensor, cell = sensors[key.sensor], state.cells.get(key, Cell())
        try:
            judged = sensor.judge(key.subject, cell.memory, tuple(stimuli), seen)
        except Exception as error:  # one subject's trouble must not blind us to all others
            faults.append(Fault(key, error))
            continue
        after, told = _stepped(sensor, key, cell, judged, seen)
        signals += told
        if after is not None or key in state.cells:
            state = state.with_cell(key, after)
            written.append(key)
    return Sensed(state, tuple(signals), tuple(written), tuple(faults))


def _touched(state: State, sensors: Sensors, seen: Seen) -> tuple[dict[Key, list[Stimulus]], list[Fault]]:
    found: dict[Key, list[Stimulus]] = {key: [] for key in state.due(seen.now) if key.sensor in sensors}
    faults = list[Fault]()
    for name, sensor in sensors.items():
        try:
            for subject, stimulus in sensor.touched(seen):
                found.setdefault(Key(name, subject), []).extend([stimulus] if stimulus is not None else [])
        except Exception as error:  # as in `sense`
            faults.append(Fault(Key(name, ""), error))
    return found, faults


def _stepped(
    sensor: Sensor[Any], key: Key, cell: Cell, judged: Judged[Any], seen: Seen
) -> tuple[Cell | None, list[Signal]]:
    signals, dues = list[Signal](), [judged.due]
    alarms_now, told_now = cell.alarms, cell.told
    ended = set(cell.alarms).difference(c.name for c in judged.conditions)
    for condition in (*judged.conditions, *(_ended(name, cell) for name in ended)):
        before = alarms_now.get(condition.name, Alarm())
        after, edge = alarms.step(before, condition.level, seen.now, condition.hold)
        if edge is not None:
            signals.append(_signal(sensor, key, condition, before if edge is Edge.CLEARED else after, edge, seen))
            told_now = _tell(told_now, condition, edge)
        alarms_now = alarms_now.set(condition.name, after)
        dues.append(alarms.due(after, condition.hold))
    for name in ended:  # what is gone leaves its count behind only while its subject is there
        alarms_now = alarms_now.set(name, Alarm(occurrence=alarms_now[name].occurrence, at=alarms_now[name].at))
    for name in [name for name, alarm in alarms_now.items() if alarm.blank]:
        alarms_now = alarms_now.delete(name)
    due = min((d for d in dues if d), default=None)
    if judged.memory is None and not alarms_now and due is None:
        return None, signals
    return Cell(judged.memory, alarms_now, told_now, due), signals


def _ended(name: str, cell: Cell) -> Condition:
    """A condition that is watched no more: good at once."""
    told = cell.told.get(name) or Told(Whereabouts(), "", Severity.INFO)
    ended = Condition(name, Level.GOOD, _AT_ONCE, told.severity, "no longer watched", told.code, told.whereabouts)
    return replace(ended, type=told.type)


def _tell(told: Map[str, Told], condition: Condition, edge: Edge) -> Map[str, Told]:
    if edge is Edge.CLEARED:
        return told.delete(condition.name) if condition.name in told else told
    return told.set(condition.name, Told(condition.whereabouts, condition.code, condition.severity, condition.type))


def _signal(sensor: Sensor[Any], key: Key, condition: Condition, alarm: Alarm, edge: Edge, seen: Seen) -> Signal:
    since = alarm.good_since if edge is Edge.CLEARED else alarm.bad_since
    evidence = Evidence(
        sensor=key.sensor,
        about=key.subject,
        condition=condition.name,
        values=condition.values,
        thresholds=condition.thresholds,
        window_seconds=condition.window_seconds,
        since=since or seen.now,
        snapshot=str(seen.after.version),
        failures=condition.failures,
        by=condition.by,
    )
    return Signal(
        type=condition.type or sensor.tells,
        key=key,
        condition=condition.name,
        occurrence=alarm.occurrence,
        resolved=edge is Edge.CLEARED,
        severity=condition.severity,
        code=condition.code,
        message=condition.message,
        whereabouts=condition.whereabouts,
        evidence=evidence,
        at=seen.now,
    )


def _struck(times: Map[int, frozenset[Key]], key: Key, due: datetime | None) -> Map[int, frozenset[Key]]:
    if due is None or key not in times.get(_second(due), frozenset()):
        return times
    left = times[_second(due)] - {key}
    return times.set(_second(due), left) if left else times.delete(_second(due))


def _second(at: datetime) -> int:
    """The first whole second that is not before."""
    return -int(-at.timestamp() // 1)


def scheduled(cells: Iterable[tuple[Key, Cell]]) -> State:
    """The state of these cells, as they were read back."""
    state = State()
    for key, cell in cells:
        state = state.with_cell(key, cell)
    return state
