"""Readings in senders' names to readings of things of the estate: called by `watching` for every batch. Pure.

Only what some sensor asks for is looked at, and that by column. Dropped and counted: what is blank, not finite, of a
thing that nobody knows, or from the future. Names are resolved as the inventory's claims are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Taken:
    """What was understood, by metric, and how many readings were not."""

    of: dict[Metric, tuple[Measured, ...]]
    dropped: int = 0


def taken(
    heard: Collection[Heard],
    wanted: frozenset[Metric],
    snapshot: Snapshot,
    now: datetime,
    names: Names | None = None,
) -> Taken:
    """Every reading of the metrics that are wanted, of whole things: a part's is not the thing's."""
    found: dict[Metric, list[Measured]] = {}
    dropped, known = 0, names or Names()

    def place(mention: Mention) -> Place | None:
        return known.place(mention, snapshot)

    for one in heard:
        for readings in one.readings:
            measured, lost = _read(readings, wanted, place, min(one.at, now), now)
            dropped += lost
            for reading in measured:
                found.setdefault(reading.metric, []).append(reading)
    return Taken({metric: tuple(of) for metric, of in found.items()}, dropped)


def _read(
    readings: Readings,
    wanted: frozenset[Metric],
    resolve: Callable[[Mention], Place | None],
    heard_at: datetime,
    now: datetime,
) -> tuple[list[Measured], int]:
    asked = np.isin(readings.metric, [m.code for m in wanted])
    sound = (readings.presence == Presence.MEASURED) & np.isfinite(readings.value)
    late = readings.at > int((now + SKEW).timestamp() * 1000)
    rows = np.flatnonzero(asked & sound & ~late).tolist()
    places: dict[int, Place | None] = {}
    found = list[Measured]()
    for row in rows:
        number = int(readings.subject[row])
        if number not in places:
            places[number] = resolve(readings.subjects[number])
        place = places[number]
        if place is not None and not place.part:
            written = int(readings.at[row])
            at = heard_at if written == NO_TIME else min(datetime.fromtimestamp(written / 1000, UTC), now)
            mention = readings.subjects[number]
            metric = ORDER[int(readings.metric[row])]
            found.append(Measured(place.ref, metric, float(readings.value[row]), at, str(mention)))
    return found, int(asked.sum()) - len(found)
