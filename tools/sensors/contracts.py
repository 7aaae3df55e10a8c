"""`contract.breached`: what was promised against what is observed.

An objective has an error budget, and is breached when the budget burns too fast (`burning`). A promise of replicas that
must run at any time is breached when fewer run. Observations come from contracts' own figures and from model servers'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from estate.evidence import Quantity
from estate.ids import WorkloadId
from estate.observations import EventType, Severity, Whereabouts
from estate.records import Model
from estate.references import Chain, Ref, read_ref
from estate.units import Seconds
from estate.uses.promises import Contract, Measure, Objective
from estate.workloads import Workload
from tools.payloads.facts.metrics import Metric
from tools.sensors import burning, places
from tools.sensors.alarms import Hold, Level
from tools.sensors.burning import Ladder
from tools.sensors.levels import wrong
from tools.sensors.port import Condition, Judged, Measured, Seen, Sensor, Stimulus

MEASURES: Mapping[Metric, tuple[Measure, int]] = {
    Metric.FIRST_TOKEN_P95: (Measure.TTFT, 1000),
    Metric.PER_TOKEN_P95: (Measure.TPOT, 1000),
}
"""Which measure a metric is an observation of, and the factor between their units."""
_SERIES = 256
"""Senders whose newest time is remembered, the newest of them."""


class Service(Model):
    """What is remembered of a contract: a ladder for each measure, and the newest time of each sender."""

    ladders: dict[str, Ladder] = Field(default_factory=dict)
    newest: dict[str, int] = Field(default_factory=dict)
    """Milliseconds since 1970."""


class Rate(Model):
    """A pair of windows, in minutes of a thirty days' period, and the burn rate above which both must be."""

    long_minutes: int = Field(ge=1, le=4320)
    short_minutes: int = Field(ge=1, le=360)
    burn_tenths: int = Field(ge=1)
    severity: Severity

    @property
    def name(self) -> str:
        """As it stands in a condition's name."""
        return f"{self.long_minutes}m"


class Contracts(Sensor[Service]):
    """The rates are those of the SRE workbook for a budget of thirty days: 2 %, 5 % and 10 % of it."""

    tells: ClassVar[EventType] = EventType.CONTRACT_BREACHED
    remembers: ClassVar[type[Model]] = Service
    metrics: ClassVar[frozenset[Metric]] = frozenset(MEASURES)

    rates: tuple[Rate, ...] = (
        Rate(long_minutes=60, short_minutes=5, burn_tenths=144, severity=Severity.CRITICAL),
        Rate(long_minutes=360, short_minutes=30, burn_tenths=60, severity=Severity.CRITICAL),
        Rate(long_minutes=4320, short_minutes=360, burn_tenths=10, severity=Severity.WARNING),
    )
    clear_below_percent: int = Field(default=50, ge=1, le=100)
    """The short window's burn rate at which a breach is over, as a share of the one that raises it."""
    clear_after_seconds: Seconds = Seconds(300)
    least_observations: int = Field(default=10, ge=1)
    """In the long window: fewer prove nothing."""
    unavailable_after_seconds: Seconds = Seconds(60)
    available_after_seconds: Seconds = Seconds(120)

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        yield from ((str(ref), None) for ref in seen.change.items if ref.kind == "contract")
        yield from ((f"workload/{name}", None) for name in seen.change.workloads)
        for metric in MEASURES:
            for reading in seen.measured.get(metric, ()):
                yield from ((str(ref), reading) for ref in _promised_to(seen, reading.about))

    def judge(self, subject: str, memory: Service | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Service]:
        about = read_ref(subject)
        if about.kind == "workload":
            return self._running(seen.after.workload(WorkloadId(about.id)))
        contract = seen.after.stock.get(about)
        if not isinstance(contract, Contract):
            return Judged()
        service = _observed(contract, memory or Service(), stimuli, seen)
        where, now = places.whereabouts(seen.after, about), int(seen.now.timestamp())
        conditions = tuple(
            self._burning(_Looked(contract, objective, where, now), rate, service)
            for objective in contract.objectives
            for rate in self.rates
        )
        return Judged(service, conditions)

    def _running(self, workload: Workload | None) -> Judged[Service]:
        """Whether as many replicas run as must at any time."""
        if workload is None or not workload.contract.min_available:
            return Judged()
        running, least = len(workload.bindings), workload.contract.min_available
        condition = Condition(
            name="available",
            level=wrong(running < least),
            hold=Hold.seconds(self.unavailable_after_seconds, self.available_after_seconds),
            severity=Severity.CRITICAL,
            message=f"workload/{workload.id} runs {running} replicas, {least} were promised at any time",
            code="contract-available",
            whereabouts=places.of_workload(workload),
            values=(Quantity(name="running", value=running, unit="1"),),
            thresholds=(Quantity(name="least", value=least, unit="1"),),
            window_seconds=self.unavailable_after_seconds,
        )
        return Judged(None, (condition,))

    def _burning(self, looked: _Looked, rate: Rate, service: Service) -> Condition:
        objective = looked.objective
        ladder = service.ladders.get(objective.measure.value, Ladder())
        long, short = (
            burning.counted(ladder, looked.now, minutes, objective.window)
            for minutes in (rate.long_minutes, rate.short_minutes)
        )
        burns = long.burn(objective.holds), short.burn(objective.holds)
        return Condition(
            name=f"{objective.measure.value}/{rate.name}",
            level=self._level(burns, long.total, short.total, rate.burn_tenths / 10),
            hold=Hold.seconds(0, self.clear_after_seconds),
            severity=rate.severity,
            message=(
                f"{looked.contract.ref} breaks {objective.measure.value} {objective.bound} in {long.broken} of"
                f" {long.total} observations, {burns[0]:.1f} times what its budget allows"
            ),
            code="contract-burn",
            whereabouts=looked.where,
            values=(
                *_counts("long", long.total, long.broken, burns[0]),
                *_counts("short", short.total, short.broken, burns[1]),
            ),
            thresholds=(
                Quantity(name="bound", value=objective.bound, unit=objective.measure.value.rpartition("-")[2][:16]),
                Quantity(name="holds", value=objective.holds, unit="1/1000"),
                Quantity(name="raise-above", value=rate.burn_tenths * 100, unit="1/1000"),
                Quantity(name="least-observations", value=self.least_observations, unit="1"),
            ),
            window_seconds=rate.long_minutes * burning.minute(objective.window),
        )

    def _level(self, burns: tuple[float, float], long_total: int, short_total: int, limit: float) -> Level:
        if not short_total:
            return Level.UNKNOWN
        if long_total >= self.least_observations and min(burns) > limit:
            return Level.BAD
        return Level.GOOD if burns[1] <= limit * self.clear_below_percent / 100 else Level.BETWEEN


@dataclass(frozen=True, slots=True)
class _Looked:
    contract: Contract
    objective: Objective
    where: Whereabouts
    now: int


def _promised_to(seen: Seen, about: Ref) -> Iterator[Ref]:
    """The contracts of what a reading is about."""
    if about.kind == "workload":
        bonds = seen.after.stock.below(about)
        yield from (b.ref for b in bonds if b.chain is Chain.USE and b.ref.kind == "contract")


def _observed(contract: Contract, memory: Service, stimuli: tuple[Stimulus, ...], seen: Seen) -> Service:
    """With what is new: an observation that is not newer than its sender's last was counted already, or is late."""
    ladders, newest = dict(memory.ladders), dict(memory.newest)
    bounds = {o.measure: o for o in contract.objectives}
    latest = int(seen.now.timestamp() * 1000)
    for sender, measure, value, at in sorted(_said(contract, stimuli), key=lambda said: said[3]):
        objective = bounds.get(measure)
        if objective is None or at > latest or at <= newest.get(sender, -1):
            continue
        newest[sender] = at
        ladder, broken = ladders.get(measure.value, Ladder()), not objective.kept_by(value)
        ladders[measure.value] = burning.added(ladder, at // 1000, broken, objective.window)
    ladders = {name: ladder for name, ladder in ladders.items() if name in {m.value for m in bounds}}
    kept = sorted(newest, key=newest.__getitem__)[-_SERIES:]
    return Service(ladders=ladders, newest={name: newest[name] for name in kept})


def _said(contract: Contract, stimuli: tuple[Stimulus, ...]) -> Iterator[tuple[str, Measure, int, int]]:
    """Sender, measure, value and time of everything that was observed."""
    for service in contract.observed:
        at = int(service.at.timestamp() * 1000)
        yield f"contract/{service.measure.value}", service.measure, service.value, at
    for reading in stimuli:
        assert isinstance(reading, Measured)
        measure, factor = MEASURES[reading.metric]
        sender = f"{reading.part}/{measure.value}"
        yield sender, measure, max(round(reading.value * factor), 0), int(reading.at.timestamp() * 1000)


def _counts(window: str, total: int, broken: int, burn: float) -> tuple[Quantity, ...]:
    return (
        Quantity(name=f"{window}-observations", value=total, unit="1"),
        Quantity(name=f"{window}-broken", value=broken, unit="1"),
        Quantity(name=f"{window}-burn", value=int(burn * 1000), unit="1/1000"),
    )
