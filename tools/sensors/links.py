"""`link.degraded`: a link that is down or slower than it was, makes errors, or is held up by pauses and marks.

Links between switches and sites are items; a machine's port stands with its node, and is told of the node. Counters are
read as rates over a window, and one that goes back was reset and says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from estate.evidence import Quantity
from estate.fabrics.links import Link
from estate.ids import NodeId
from estate.machines import LinkState, Nic
from estate.observations import EventType, Severity, Whereabouts
from estate.records import Model
from estate.references import Ref, read_ref
from estate.snapshots import Snapshot
from estate.units import PerMille, Seconds
from tools.payloads.facts.metrics import Metric
from tools.sensors import places
from tools.sensors.alarms import Hold, Level
from tools.sensors.levels import falling, rising
from tools.sensors.port import Condition, Judged, Measured, Seen, Sensor, Stimulus

ERRORS = frozenset(
    {
        Metric.PORT_RECEIVE_ERRORS,
        Metric.PORT_SEND_ERRORS,
        Metric.PORT_SYMBOL_ERRORS,
        Metric.PORT_INTEGRITY_ERRORS,
        Metric.PORT_LINK_DOWNED,
        Metric.PORT_LINK_RECOVERED,
        Metric.PORT_RETRANSMITS,
    }
)
CONGESTION = frozenset({Metric.PORT_ECN_MARKED, Metric.PORT_CNP_HANDLED, Metric.PORT_PFC_RECEIVED})


class Counter(Model):
    """A counter at the beginning of its window, and the rate over the last one."""

    since: int
    first: int
    at: int
    last: int
    per_minute: int | None = None


class Wear(Model):
    """What is remembered of a link or port."""

    fastest: int = 0
    """Megabits a second: what it has been seen to carry."""
    counters: dict[str, Counter] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _End:
    """A link or port as it is now."""

    about: Ref
    where: Whereabouts
    state: LinkState
    speed: int


class Links(Sensor[Wear]):
    """Rates count a minute; a link's own thresholds hold for each of its counters."""

    tells: ClassVar[EventType] = EventType.LINK_DEGRADED
    remembers: ClassVar[type[Model]] = Wear
    metrics: ClassVar[frozenset[Metric]] = ERRORS | CONGESTION

    state_after_seconds: Seconds = Seconds(10)
    clear_after_seconds: Seconds = Seconds(120)
    speed_raise_below: PerMille = PerMille(900)
    """Thousandths of the fastest that was seen: a lane that is gone takes more."""
    speed_clear_above: PerMille = PerMille(990)
    errors_raise_above: int = Field(default=10, ge=0)
    errors_clear_below: int = Field(default=1, ge=0)
    congestion_raise_above: int = Field(default=100_000, ge=0)
    congestion_clear_below: int = Field(default=50_000, ge=0)
    rate_window_seconds: Seconds = Seconds(60)
    rates_after_seconds: Seconds = Seconds(120)

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        yield from ((str(ref), None) for ref in seen.change.items if ref.kind == "link")
        for name in map(NodeId, seen.change.nodes):
            ports = (snapshot.node(name) for snapshot in (seen.before, seen.after))
            for nic in sorted({n.name for node in ports if node is not None for n in node.nics}):
                yield f"port/{name}/{nic}/1", None
        for metric in sorted(self.metrics, key=str):
            for reading in seen.measured.get(metric, ()):
                if reading.about.kind in ("port", "link"):
                    yield str(reading.about), reading

    def judge(self, subject: str, memory: Wear | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Wear]:
        end = _end(seen.after, read_ref(subject))
        if end is None:
            return Judged()
        before = memory or Wear()
        wear = Wear(fastest=max(before.fastest, end.speed), counters=self._counted(before, stimuli))
        rates = tuple(self._rates(end, wear))
        return Judged(wear, (self._state(end), self._speed(end, wear), *rates))

    def _state(self, end: _End) -> Condition:
        levels = {LinkState.UP: Level.GOOD, LinkState.UNKNOWN: Level.UNKNOWN}
        hold = Hold.seconds(self.state_after_seconds, self.clear_after_seconds)
        return Condition(
            name="state",
            level=levels.get(end.state, Level.BAD),
            hold=hold,
            severity=Severity.CRITICAL if end.state is LinkState.DOWN else Severity.WARNING,
            message=f"{end.about} is {end.state.value}",
            code="link-state",
            whereabouts=end.where,
            window_seconds=self.state_after_seconds,
        )

    def _speed(self, end: _End, wear: Wear) -> Condition:
        least, clear = (wear.fastest * share for share in (self.speed_raise_below, self.speed_clear_above))
        return Condition(
            name="speed",
            level=falling(end.speed * 1000, least, clear) if end.speed else Level.UNKNOWN,
            hold=Hold.seconds(self.state_after_seconds, self.clear_after_seconds),
            severity=Severity.WARNING,
            message=f"{end.about} carries {end.speed} Mbit/s, it carried {wear.fastest} Mbit/s",
            code="link-speed",
            whereabouts=end.where,
            values=(Quantity(name="speed", value=end.speed, unit="Mbit/s"),),
            thresholds=(Quantity(name="raise-below", value=least // 1000, unit="Mbit/s"),),
            window_seconds=self.state_after_seconds,
        )

    def _rates(self, end: _End, wear: Wear) -> Iterator[Condition]:
        limits: Mapping[bool, tuple[int, int, str]] = {
            True: (self.errors_raise_above, self.errors_clear_below, "link-errors"),
            False: (self.congestion_raise_above, self.congestion_clear_below, "link-congestion"),
        }
        for name, counter in sorted(wear.counters.items()):
            above, below, code = limits[name in {m.label for m in ERRORS}]
            rate = counter.per_minute
            yield Condition(
                name=f"rate/{name}",
                level=rising(rate, above, below) if rate is not None else Level.UNKNOWN,
                hold=Hold.seconds(self.rates_after_seconds, self.clear_after_seconds),
                severity=Severity.WARNING,
                message=f"{end.about} counts {rate} of {name} a minute",
                code=code,
                whereabouts=end.where,
                values=(Quantity(name="rate", value=rate or 0, unit="1/min"),),
                thresholds=(
                    Quantity(name="raise-above", value=above, unit="1/min"),
                    Quantity(name="clear-below", value=below, unit="1/min"),
                ),
                window_seconds=self.rate_window_seconds,
            )

    def _counted(self, before: Wear, stimuli: tuple[Stimulus, ...]) -> dict[str, Counter]:
        counters = dict(before.counters)
        for reading in stimuli:
            assert isinstance(reading, Measured)
            if 0 <= reading.value < 2**53:
                name, at = reading.metric.label, int(reading.at.timestamp())
                counters[name] = self._next(counters.get(name), at, int(reading.value))
        return counters

    def _next(self, counter: Counter | None, at: int, value: int) -> Counter:
        """Late and doubled readings say nothing; a counter that went back began anew."""
        if counter is None or (value < counter.last and at > counter.at):
            return Counter(since=at, first=value, at=at, last=value)
        if at <= counter.at:
            return counter
        if at - counter.since < self.rate_window_seconds:
            return counter.model_copy(update={"at": at, "last": value})
        rate = (value - counter.first) * 60 // (at - counter.since)
        return Counter(since=at, first=value, at=at, last=value, per_minute=rate)


def _end(snapshot: Snapshot, about: Ref) -> _End | None:
    if about.kind == "link":
        link = snapshot.stock.get(about)
        where = places.whereabouts(snapshot, about)
        return _End(about, where, link.state, link.capacity) if isinstance(link, Link) else None
    name, _, port = about.id.partition("/")
    node = snapshot.node(NodeId(name))
    nic: Nic | None = next((n for n in node.nics if port.startswith(f"{n.name}/")), None) if node is not None else None
    if nic is None:
        return None
    return _End(about, places.whereabouts(snapshot, Ref("node", name)), nic.state, nic.speed)
