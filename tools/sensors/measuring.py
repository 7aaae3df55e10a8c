"""Readings in senders' names to readings of things of the estate: called by `watching` for every batch. Pure.

Only what some sensor asks for is looked at, and that by column. Dropped and counted: what is blank, not finite, of a
thing that nobody knows, or from the future. Names are resolved as the inventory's claims are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from estate.snapshots import Snapshot
from tools.inventory.claiming.names import Names, Place
from tools.inventory.port import Heard
from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.metrics import ORDER, Metric
from tools.payloads.facts.readings import NO_TIME, Presence, Readings
from tools.sensors.port import Measured

SKEW = timedelta(seconds=30)
"""How far ahead of ours a sender's clock may be."""
_AGAIN = timedelta(minutes=1)
_MOST_LAYOUTS = 64
"""Of one target."""

type Places = dict[int, Place | None]


@dataclass(frozen=True, slots=True)
class Taken:
    """What was understood, by metric, and how many readings were not."""

    of: dict[Metric, tuple[Measured, ...]]
    dropped: int = 0


@dataclass(slots=True)
class Memory:
    """Whom the mentions of each target's rounds name: looked up once for a layout, and anew each minute."""

    _known: dict[str, deque[tuple[tuple[Mention, ...], datetime, Places]]] = field(default_factory=dict)

    def places(self, target: str, subjects: tuple[Mention, ...], now: datetime) -> Places:
        """By number of the subject; what is not there was not looked up yet."""
        held = self._known.setdefault(target, deque(maxlen=_MOST_LAYOUTS))
        for known, since, places in held:
            if known == subjects and now - since < _AGAIN:
                return places
        made: Places = {}
        held.append((subjects, now, made))
        return made


def taken(
    heard: Collection[Heard],
    wanted: frozenset[Metric],
    snapshot: Snapshot,
    now: datetime,
    names: Names | None = None,
    memory: Memory | None = None,
) -> Taken:
    """Every reading of the metrics that are wanted, of whole things: a part's is not the thing's."""
    found: dict[Metric, list[Measured]] = {}
    dropped, known, remembered = 0, names or Names(), memory or Memory()

    def place(mention: Mention) -> Place | None:
        return known.place(mention, snapshot)

    for one in heard:
        for readings in one.readings:
            places = remembered.places(f"{readings.source}/{one.target}", readings.subjects, now)
            measured, lost = _read(readings, wanted, _Known(place, places), min(one.at, now), now)
            dropped += lost
            for reading in measured:
                found.setdefault(reading.metric, []).append(reading)
    return Taken({metric: tuple(of) for metric, of in found.items()}, dropped)


@dataclass(frozen=True, slots=True)
class _Known:
    """How a layout's mentions are resolved, and those that were."""

    resolve: Callable[[Mention], Place | None]
    places: Places

    def of(self, readings: Readings, number: int) -> Place | None:
        if number not in self.places:
            self.places[number] = self.resolve(readings.subjects[number])
        return self.places[number]


def _read(
    readings: Readings, wanted: frozenset[Metric], known: _Known, heard_at: datetime, now: datetime
) -> tuple[list[Measured], int]:
    asked = np.isin(readings.metric, [m.code for m in wanted])
    sound = (readings.presence == Presence.MEASURED) & np.isfinite(readings.value)
    late = readings.at > int((now + SKEW).timestamp() * 1000)
    rows = np.flatnonzero(asked & sound & ~late).tolist()
    found = list[Measured]()
    for row in rows:
        number = int(readings.subject[row])
        place = known.of(readings, number)
        if place is not None and not place.part:
            written = int(readings.at[row])
            at = heard_at if written == NO_TIME else min(datetime.fromtimestamp(written / 1000, UTC), now)
            mention = readings.subjects[number]
            metric = ORDER[int(readings.metric[row])]
            found.append(Measured(place.ref, metric, float(readings.value[row]), at, str(mention)))
    return found, int(asked.sum()) - len(found)
