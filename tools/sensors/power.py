"""`power.exceeded`, and its forecast: what draws more than it may, and what will do so soon.

Racks are held to the budget of the signed facts, parts of the power chain to their own. A rack draws what its nodes are
measured to draw, and what the estate reckons for those whose readings are missing or old. The forecast looks at the
robust trend and says when the limit is reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pydantic import Field

from estate.evidence import Quantity
from estate.facilities.power import Pdu, PowerPart
from estate.ids import NodeId, RackId, WorkloadId
from estate.observations import EventType, Severity, Whereabouts
from estate.records import Model
from estate.references import Ref, read_ref
from estate.snapshots import Snapshot
from estate.units import PerMille, Seconds
from tools.payloads.facts.metrics import Metric
from tools.sensors import places, trends
from tools.sensors.alarms import Hold, Level
from tools.sensors.levels import rising
from tools.sensors.port import Condition, Judged, Measured, Seen, Sensor, Stimulus

_MOST_WATTS = 2**33
"""More than any site draws: a reading beyond it is none, and no sum of them may pass what JSON can hold."""
_PARTS = frozenset({"pdu", "feed", "ups", "transformer", "substation"})


class Draw(Model):
    """What is remembered of a rack or a part."""

    measured: dict[str, tuple[int, int]] = Field(default_factory=dict)
    """The newest reading of each thing: watts, and when (seconds since 1970)."""
    points: trends.Points = ()


@dataclass(frozen=True, slots=True)
class _Load:
    about: Ref
    where: Whereabouts
    drawn: int
    limit: int


class Power(Sensor[Draw]):
    """Thresholds in thousandths of the limit."""

    tells: ClassVar[EventType] = EventType.POWER_EXCEEDED
    remembers: ClassVar[type[Model]] = Draw
    metrics: ClassVar[frozenset[Metric]] = frozenset({Metric.POWER_DRAWN})

    raise_above: int = Field(default=1000, ge=1, le=5000)
    clear_below: int = Field(default=950, ge=0, le=5000)
    raise_after_seconds: Seconds = Seconds(30)
    clear_after_seconds: Seconds = Seconds(300)
    reading_seconds: Seconds = Seconds(300)
    """An older reading counts no more."""
    forecast_within_seconds: Seconds = Seconds(1800)
    """The limit is reached within this time, if it goes on like that."""
    forecast_clear_beyond_seconds: Seconds = Seconds(3600)
    forecast_window_seconds: Seconds = Seconds(1800)
    """Over which the trend is worked out."""
    forecast_from: PerMille = PerMille(700)
    """Below this share of the limit nothing is forecast."""
    forecast_points: int = Field(default=8, ge=4, le=trends.MOST)
    forecast_raise_after_seconds: Seconds = Seconds(60)
    forecast_clear_after_seconds: Seconds = Seconds(600)

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        for subject in dict.fromkeys(_changed(seen)):
            yield subject, None
        for reading in seen.measured.get(Metric.POWER_DRAWN, ()):
            about = reading.about
            if about.kind == "node" and (rack := seen.after.rack_of(NodeId(about.id))) is not None:
                yield f"rack/{rack}", reading
            elif about.kind in _PARTS:
                yield str(about), reading

    def judge(self, subject: str, memory: Draw | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Draw]:
        now, memory = int(seen.now.timestamp()), memory or Draw()
        measured = self._newest(memory, stimuli, now)
        load = _load(seen.after, read_ref(subject), measured)
        if load is None:
            return Judged()
        points = trends.added(memory.points, now, load.drawn, self.forecast_window_seconds)
        conditions = (self._exceeded(load), self._forecast(load, points, seen.now))
        due = self._due(load, measured, points, seen.now)
        return Judged(Draw(measured=measured, points=points), conditions, due)

    def _newest(self, memory: Draw, stimuli: tuple[Stimulus, ...], now: int) -> dict[str, tuple[int, int]]:
        """The readings that still count: late ones change nothing."""
        known = dict(memory.measured)
        for reading in stimuli:
            assert isinstance(reading, Measured)
            at, key = int(reading.at.timestamp()), str(reading.about)
            if reading.value >= 0 and (key not in known or known[key][1] < at):
                known[key] = (min(round(reading.value), _MOST_WATTS), at)
        return {key: found for key, found in known.items() if found[1] > now - self.reading_seconds}

    def _exceeded(self, load: _Load) -> Condition:
        limit = load.limit
        return Condition(
            name="exceeded",
            level=rising(load.drawn * 1000, limit * self.raise_above, limit * self.clear_below),
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.CRITICAL,
            message=f"{load.about} draws {load.drawn} W, its limit is {limit} W",
            code="power-exceeded",
            whereabouts=load.where,
            values=(_watts("drawn", load.drawn), _watts("limit", limit)),
            thresholds=(
                _watts("raise-above", limit * self.raise_above // 1000),
                _watts("clear-below", limit * self.clear_below // 1000),
            ),
            window_seconds=self.raise_after_seconds,
        )

    def _forecast(self, load: _Load, points: trends.Points, now: datetime) -> Condition:
        found = trends.trend(points, self.forecast_points)
        left = found.seconds_to(load.limit) if found is not None else None
        values = [_watts("drawn", load.drawn), _watts("limit", load.limit)]
        message = f"{load.about} draws {load.drawn} W of {load.limit} W and is not about to reach it"
        if found is not None and left is not None:
            when = (now + timedelta(seconds=left)).astimezone(UTC)
            values += [
                Quantity(name="slope", value=round(found.per_second * 3600), unit="W/h"),
                Quantity(name="time-to-limit", value=left, unit="s"),
                Quantity(name="limit-reached-at", value=int(when.timestamp()), unit="s"),
            ]
            message = f"{load.about} draws {load.drawn} W and reaches its limit of {load.limit} W at {when:%FT%H:%MZ}"
        return Condition(
            name="forecast",
            level=self._outlook(load, left),
            hold=Hold.seconds(self.forecast_raise_after_seconds, self.forecast_clear_after_seconds),
            severity=Severity.WARNING,
            message=message,
            code="power-forecast",
            whereabouts=load.where,
            values=tuple(values),
            thresholds=(
                Quantity(name="within", value=self.forecast_within_seconds, unit="s"),
                Quantity(name="clear-beyond", value=self.forecast_clear_beyond_seconds, unit="s"),
                _watts("from", load.limit * self.forecast_from // 1000),
            ),
            window_seconds=found.span_seconds if found is not None else 0,
        )

    def _outlook(self, load: _Load, left: int | None) -> Level:
        """Beyond the limit there is nothing to forecast, and nothing is over either."""
        if load.drawn >= load.limit:
            return Level.BETWEEN
        if left is None or left > self.forecast_clear_beyond_seconds:
            return Level.GOOD
        near = load.drawn * 1000 >= load.limit * self.forecast_from
        return Level.BAD if near and left <= self.forecast_within_seconds else Level.BETWEEN

    def _due(
        self, load: _Load, measured: dict[str, tuple[int, int]], points: trends.Points, now: datetime
    ) -> datetime | None:
        """When a reading grows too old, or a moving trend wants its next point. Where nothing moves nobody looks."""
        ages = [at + self.reading_seconds for _, at in measured.values()]
        moving = len({watts for _, watts in points}) > 1
        if moving and load.drawn * 1000 >= load.limit * self.forecast_from:
            ages.append(int(now.timestamp()) + max(self.forecast_window_seconds // trends.MOST, 1))
        return datetime.fromtimestamp(min(ages), UTC) if ages else None


def _changed(seen: Seen) -> Iterator[str]:
    for name in seen.change.nodes:
        yield from _racks(seen, NodeId(name))
    for workload in seen.change.workloads:
        for snapshot in (seen.before, seen.after):
            found = snapshot.workload(WorkloadId(workload))
            for binding in found.bindings if found is not None else ():
                yield from _racks(seen, binding.node)
    yield from (str(ref) for ref in seen.change.items if ref.kind in _PARTS)


def _racks(seen: Seen, node: NodeId) -> Iterator[str]:
    yield from (f"rack/{r}" for r in (seen.before.rack_of(node), seen.after.rack_of(node)) if r is not None)


def _load(snapshot: Snapshot, about: Ref, measured: dict[str, tuple[int, int]]) -> _Load | None:
    """What it draws and may draw; None where nobody says."""
    if about.kind == "rack":
        rack = snapshot.facts.rack.get(RackId(about.id))
        if rack is None or not rack.power_budget_watts:
            return None
        found = _rack_watts(snapshot, rack.id, measured)
        return _Load(about, places.whereabouts(snapshot, about), found, rack.power_budget_watts)
    part = snapshot.stock.get(about)
    if not isinstance(part, PowerPart):
        return None
    drawn = measured[str(about)][0] if str(about) in measured else part.drawn_watts
    limit = (part.budget_watts if isinstance(part, Pdu) else None) or part.capacity_watts
    return _Load(about, places.whereabouts(snapshot, about), drawn, limit) if drawn is not None and limit else None


def _rack_watts(snapshot: Snapshot, rack: RackId, measured: dict[str, tuple[int, int]]) -> int:
    """The sum that is kept current, with what was measured in the place of what was reckoned."""
    total = int(snapshot.rack_watts(rack))
    for key, (watts, _) in measured.items():
        node = NodeId(read_ref(key).id)
        if snapshot.rack_of(node) == rack and snapshot.node(node) is not None:
            total += watts - snapshot.node_watts(node)
    return max(total, 0)


def _watts(name: str, value: int) -> Quantity:
    return Quantity(name=name, value=value, unit="W")
