"""The writer's side: what targets measure becomes records for every process, in a task of its own.

Called by `tools.inventory.writer`. It waits for nobody and nobody waits for it: where rounds come faster than they can
be told, the oldest are left out and counted. A record that the bus does not take is lost; the next round tells more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import structlog

from estate.clocks import Clock
from estate.errors import NeverRetry, RetryLater
from estate.readings import MOST_THINGS, Telemetry
from estate.snapshots import Snapshot, SnapshotVersion
from estate.subjects import Subjects
from tools.bus.port import Bus
from tools.inventory.claiming.claims import LOOKED_AT, Unknown
from tools.inventory.claiming.names import Names
from tools.inventory.port import Heard
from tools.inventory.telemetry.alike import alike
from tools.inventory.telemetry.layouts import Layout, Plan, Told, gathered, planned
from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.readings import NO_TIME, Ints, Longs, Readings
from tools.payloads.facts.statements import Attribute, Statement

log = structlog.get_logger(__name__)

SKEW = timedelta(seconds=30)
"""How far ahead of ours a sender's clock may be; later readings are nobody's."""
MOST_WAITING = 256
"""Rounds that wait to be told."""
_AGAIN = timedelta(minutes=1)
"""How long a plan holds while the estate changes: something may have become known."""
_MOST_LAYOUTS = 64
"""Of one target."""
_LARGEST, _LEAST = 2**31 - 1, -(2**31) + 3


@dataclass(frozen=True, slots=True)
class Round:
    """What a target of a source said, and what was known then."""

    source: str
    heard: Heard
    names: Names
    estate: Snapshot


@dataclass(slots=True)
class _Kept:
    """A layout, and under which estate and when it was worked out."""

    layout: Layout
    version: SnapshotVersion
    at: datetime


@dataclass(slots=True)
class Reporter:
    """Tells what was measured, as one writer's epoch."""

    bus: Bus
    subjects: Subjects
    clock: Clock
    epoch: int
    dropped: int = 0
    """Rounds and records that were lost."""
    _layouts: dict[str, deque[_Kept]] = field(default_factory=dict)
    """By target."""
    _waiting: deque[Round] = field(default_factory=deque)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _number: int = 0

    def add(self, round: Round) -> None:
        """Tell this as soon as may be."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._lose(1, "rounds come faster than they are told")
        self._waiting.append(round)
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._waiting:
                records = await asyncio.to_thread(self._records, self._waiting.popleft())
                for record in records:
                    await self._send(record)

    def _records(self, round: Round) -> tuple[Telemetry, ...]:
        """In a thread: the first round of a fleet's layout takes seconds, and deltas must not wait for it."""
        try:
            return tuple(self.told(round))
        except Exception as error:  # whatever a sender says must not end the one writer
            log.error("readings not told", source=round.source, target=round.heard.target, error=repr(error))
            return ()

    async def _send(self, record: Telemetry) -> None:
        self._number += 1
        name = f"{self.subjects.installation}/{self.epoch}/readings#{self._number}"
        try:
            await self.bus.publish(self.subjects.telemetry(), record.canonical(), message_id=name)
        except (RetryLater, NeverRetry) as error:
            self._lose(1, str(error))

    def _lose(self, count: int, why: str) -> None:
        """Said at the first and at each thousandth."""
        if self.dropped // 1000 != (self.dropped + count) // 1000 or not self.dropped:
            log.warning("readings lost", lost=self.dropped + count, reason=why)
        self.dropped += count

    def unknown(self, source: str, heard: Heard) -> Unknown:
        """Whom nobody knows of those that a target measures, of the layouts that only we look at."""
        held = self._layouts.get(f"{source}/{heard.target}", ())
        plans = [k.layout.plan for k in tuple(held) if len(k.layout.plan.of.subjects) > LOOKED_AT]
        names = [name for plan in plans for name in plan.unknown]
        return Unknown(len(names), tuple(f"{name}: nobody knows it" for name in names[:5]))

    def told(self, round: Round) -> Iterator[Telemetry]:
        """The records of a round."""
        labels = _labels(round.heard)
        for readings in gathered(round.heard.readings):
            layout = self._layout(round, readings, labels)
            columns = tuple(layout.read(readings, self._times(readings, round.heard.at)))
            yield from self._written(readings.source, layout.plan, columns)

    def _times(self, readings: Readings, heard_at: datetime) -> Longs:
        """When each was measured; what is from the future counts as never measured anew."""
        now = self.clock()
        at = np.where(readings.at == NO_TIME, int(min(heard_at, now).timestamp() * 1000), readings.at)
        late = at > int((now + SKEW).timestamp() * 1000)
        return np.where(late, 0, np.minimum(at, int(now.timestamp() * 1000)))

    def _layout(self, round: Round, readings: Readings, labels: dict[Mention, str]) -> Layout:
        """The layout of these readings, planned anew where it is new, or where the estate may know more of it."""
        held = self._layouts.setdefault(f"{round.source}/{round.heard.target}", deque(maxlen=_MOST_LAYOUTS))
        kept, now = next((k for k in held if k.layout.fits(readings)), None), self.clock()
        version = round.estate.version
        if kept is not None and (kept.version == version or now - kept.at < _AGAIN):
            return kept.layout
        plan = planned(readings, labels, round.names, round.estate)
        if kept is None:
            held.append(_Kept(Layout(plan), version, now))
            return held[-1].layout
        kept.version, kept.at = version, now
        if not plan.means(kept.layout.plan):
            kept.layout = Layout(plan)
        return kept.layout

    def _written(self, source: str, plan: Plan, columns: tuple[Told, ...]) -> Iterator[Telemetry]:
        """Records of devices and of things, none too large; each thing's gauges in one were measured at one time."""
        for devices in (True, False):
            of = [column for column in columns if bool(plan.uuids[int(column.things[0])]) is devices]
            for rows, at, chosen in alike(of):
                for start in range(0, len(rows), MOST_THINGS):
                    part = slice(start, start + MOST_THINGS)
                    yield self._record(source, plan, chosen, rows[part], at[part], devices=devices)

    def _record(
        self, source: str, plan: Plan, columns: list[Told], rows: Ints, at: Longs, *, devices: bool
    ) -> Telemetry:
        names = tuple(plan.uuids[row] if devices else str(plan.things[row]) for row in rows.tolist())
        first = int(at.min())
        return Telemetry(
            installation=self.subjects.installation,
            epoch=self.epoch,
            source=source,
            at=datetime.fromtimestamp(first / 1000, UTC),
            after=tuple((at - first).tolist()) if at.max() > first else (),
            devices=names if devices else (),
            things=() if devices else names,
            columns={column.gauge.value: _column(column, rows) for column in columns},
        )


def _column(told: Told, rows: Ints) -> tuple[int | None, ...]:
    """In the order of the rows; None where there is no value, or none that is kept."""
    values = told.values[np.searchsorted(told.things, rows)]
    rounded = np.rint(values)
    fits = np.isfinite(rounded) & (rounded >= _LEAST) & (rounded <= _LARGEST)
    return tuple(int(v) if fit else None for v, fit in zip(rounded.tolist(), fits.tolist(), strict=True))


def _labels(heard: Heard) -> dict[Mention, str]:
    """What a target calls its sensors."""
    return {
        fact.subject: str(fact.value)
        for fact in heard.facts
        if isinstance(fact, Statement) and fact.attribute is Attribute.NAME
    }
