"""`cooling.degraded`: loops and distribution units that carry more than they may, supply too warm, fail, or leak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from pydantic import Field

from estate.evidence import Quantity
from estate.facilities.cooling import Cdu, CoolingPart
from estate.itemkinds import State
from estate.observations import EventType, Severity, Whereabouts
from estate.records import Model
from estate.references import read_ref
from estate.units import MilliCelsius, Seconds
from tools.sensors import places
from tools.sensors.alarms import Hold, Level
from tools.sensors.levels import rising, wrong
from tools.sensors.port import Condition, Judged, Seen, Sensor, Stimulus

_PARTS = frozenset({"loop", "cdu"})


class Nothing(Model):
    """Cooling is judged by what the estate says now."""


class Cooling(Sensor[Nothing]):
    """Heat in thousandths of the capacity."""

    tells: ClassVar[EventType] = EventType.COOLING_DEGRADED
    remembers: ClassVar[type[Model]] = Nothing

    heat_raise_above: int = Field(default=1000, ge=1, le=5000)
    heat_clear_below: int = Field(default=950, ge=0, le=5000)
    supply_raise_above: MilliCelsius = MilliCelsius(45_000)
    """Class W45 of ASHRAE's liquid cooling guidelines."""
    supply_clear_below: MilliCelsius = MilliCelsius(43_000)
    raise_after_seconds: Seconds = Seconds(60)
    clear_after_seconds: Seconds = Seconds(300)

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        yield from ((str(ref), None) for ref in seen.change.items if ref.kind in _PARTS)

    def judge(self, subject: str, memory: Nothing | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[Nothing]:
        about = read_ref(subject)
        part = seen.after.stock.get(about)
        if not isinstance(part, CoolingPart):
            return Judged()
        return Judged(None, tuple(self._conditions(part, places.whereabouts(seen.after, about))))

    def _conditions(self, part: CoolingPart, where: Whereabouts) -> Iterator[Condition]:
        yield self._heat(part, where)
        yield self._supply(part, where)
        yield self._state(part, where)
        if isinstance(part, Cdu):
            yield self._leak(part, where)

    def _heat(self, part: CoolingPart, where: Whereabouts) -> Condition:
        carried, capacity = part.carried_watts or 0, part.capacity_watts
        level = rising(carried * 1000, capacity * self.heat_raise_above, capacity * self.heat_clear_below)
        return Condition(
            name="heat",
            level=level if part.carried_watts is not None else Level.UNKNOWN,
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.CRITICAL,
            message=f"{part.ref} carries {carried} W of heat, its capacity is {capacity} W",
            code="cooling-heat",
            whereabouts=where,
            values=(Quantity(name="carried", value=carried, unit="W"),),
            thresholds=(Quantity(name="raise-above", value=capacity * self.heat_raise_above // 1000, unit="W"),),
            window_seconds=self.raise_after_seconds,
        )

    def _supply(self, part: CoolingPart, where: Whereabouts) -> Condition:
        supply = part.supply or MilliCelsius(0)
        level = rising(supply, self.supply_raise_above, self.supply_clear_below)
        return Condition(
            name="supply",
            level=level if part.supply is not None else Level.UNKNOWN,
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.WARNING,
            message=f"{part.ref} supplies coolant of {supply / 1000:.1f} °C",
            code="cooling-supply",
            whereabouts=where,
            values=(Quantity(name="supply", value=supply, unit="m°C"),),
            thresholds=(Quantity(name="raise-above", value=self.supply_raise_above, unit="m°C"),),
            window_seconds=self.raise_after_seconds,
        )

    def _state(self, part: CoolingPart, where: Whereabouts) -> Condition:
        levels = {State.OK: Level.GOOD, State.FAILED: Level.BAD, State.DEGRADED: Level.BAD}
        return Condition(
            name="state",
            level=levels.get(part.state, Level.UNKNOWN),
            hold=Hold.seconds(self.raise_after_seconds, self.clear_after_seconds),
            severity=Severity.CRITICAL if part.state is State.FAILED else Severity.WARNING,
            message=f"{part.ref} is {part.state.value}",
            code="cooling-state",
            whereabouts=where,
            window_seconds=self.raise_after_seconds,
        )

    def _leak(self, cdu: Cdu, where: Whereabouts) -> Condition:
        """At once: water does not wait."""
        wet = sorted(s.name for s in cdu.leak_sensors if s.wet)
        dry = any(s.wet is False for s in cdu.leak_sensors)
        return Condition(
            name="leak",
            level=wrong(bool(wet)) if wet or dry else Level.UNKNOWN,
            hold=Hold.seconds(0, self.clear_after_seconds),
            severity=Severity.CRITICAL,
            message=f"{cdu.ref} leaks: {', '.join(wet[:5])}",
            code="cooling-leak",
            whereabouts=where,
            values=(Quantity(name="wet-sensors", value=len(wet), unit="1"),),
        )
