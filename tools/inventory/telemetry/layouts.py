"""What the readings of one layout mean: worked out once, then every round of it is arithmetic over columns. Pure.

A layout is the subjects and metrics that a sender's rounds share. Its plan says which rows are of which device or
thing, and may be another one once the estate knows more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from estate.ids import NodeId
from estate.readings import Gauge
from estate.references import Ref
from estate.snapshots import Snapshot
from tools.inventory.claiming.names import Names, Place
from tools.inventory.telemetry.gauges import HOTTEST, INLET, KEPT, Joined, Kept, grows
from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.metrics import ORDER, Metric
from tools.payloads.facts.readings import Floats, Ints, Longs, Presence, Readings

_TAKEN_IN = ("inlet", "intake", "ambient")
_LONGEST_STEP = 600_000
"""Milliseconds between two readings of a counter: over a longer time its rate says nothing of now."""

_SMALL = 256
"""Rows."""

type Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of a layout that make one gauge of some things, and which thing each is of."""

    kept: Kept
    rows: Ints
    things: Ints
    """Places among the plan's things."""
    growing: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a layout means under one estate."""

    of: Readings
    """The readings that it was worked out for: later ones of the layout have the same rows."""
    things: tuple[Ref, ...]
    uuids: tuple[str, ...]
    """Of each thing that is a device; empty for others."""
    groups: tuple[Group, ...]
    unknown: tuple[str, ...]
    """Subjects that nobody knows."""

    def means(self, other: Plan) -> bool:
        """Whether two plans of one layout say the same."""
        return (self.things, self.uuids) == (other.things, other.uuids)


@dataclass(slots=True)
class Seen:
    """The last round of a layout."""

    at: Longs
    value: Floats


@dataclass(frozen=True, slots=True)
class Told:
    """One gauge of some things: a value, or None where there was none, and when it was measured."""

    gauge: Gauge
    things: Ints
    values: Floats
    """NaN: whoever measures it had no value."""
    at: Longs


@dataclass(slots=True)
class Layout:
    """The memory of one layout."""

    plan: Plan
    last: Seen | None = None
    _rates: dict[int, Floats] = field(default_factory=dict)

    def fits(self, readings: Readings) -> bool:
        """Whether the readings have the rows of this layout. Senders' memories share mentions, so it is cheap."""
        own = self.plan.of
        return (
            readings.subjects == own.subjects
            and np.array_equal(readings.subject, own.subject)
            and np.array_equal(readings.metric, own.metric)
        )

    def read(self, readings: Readings, at: Longs) -> Iterator[Told]:
        """What is new in a round; `at` has a time for every row."""
        last, self.last = self.last, Seen(at, readings.value)
        measured = readings.presence == Presence.MEASURED
        for number, group in enumerate(self.plan.groups):
            rows = group.rows
            fresh = at[rows] > last.at[rows] if last is not None else np.ones(len(rows), np.bool_)
            values = np.where(measured[rows], readings.value[rows], np.nan)
            if group.growing:
                values = self._grown(number, values, at[rows], fresh, last, rows)
            present = readings.presence[rows] != Presence.ABSENT
            if (fresh & present).any():
                yield _joined(group, values, at[rows], fresh, present)

    def _grown(self, number: int, values: Floats, at: Longs, fresh: Flags, last: Seen | None, rows: Ints) -> Floats:
        """What counters grow by in a second; a counter that was reset, or seen once, says nothing yet."""
        rates = self._rates.setdefault(number, np.full(len(rows), np.nan))
        if last is not None:
            step, grown = at - last.at[rows], values - last.value[rows]
            sound = fresh & (step > 0) & (step <= _LONGEST_STEP) & (grown >= 0)
            with np.errstate(divide="ignore", invalid="ignore"):
                rates[fresh] = np.where(sound, grown * 1000.0 / np.maximum(step, 1), np.nan)[fresh]
        return rates.copy()


def _joined(group: Group, values: Floats, at: Longs, fresh: Flags, present: Flags) -> Told:
    """Each thing of which something is new, with all that is there of it."""
    wanted = np.unique(group.things[fresh & present])
    chosen = present & np.isin(group.things, wanted)
    place = np.searchsorted(wanted, group.things[chosen])
    scaled = values[chosen] * group.kept.scale
    sound = ~np.isnan(scaled)
    if group.kept.joined is Joined.SUM:
        found = np.bincount(place, np.where(sound, scaled, 0.0), len(wanted))
        found[np.bincount(place, sound, len(wanted)) == 0] = np.nan
    else:
        found = np.full(len(wanted), np.nan)
        np.fmax.at(found, place, scaled)
    times = np.zeros(len(wanted), np.int64)
    np.maximum.at(times, place, at[chosen])
    return Told(group.kept.gauge, wanted.astype(np.int32), found, times)


def gathered(every: tuple[Readings, ...]) -> Iterator[Readings]:
    """The same with small ones put together: a BMC gives some for each of its resources."""
    small: dict[str, list[Readings]] = {}
    for readings in every:
        if len(readings) > _SMALL:
            yield readings
        elif len(readings):
            small.setdefault(readings.source, []).append(readings)
    yield from (_together(source, parts) for source, parts in small.items())


def _together(source: str, parts: list[Readings]) -> Readings:
    starts = np.cumsum([0, *(len(part.subjects) for part in parts[:-1])])
    return Readings(
        source,
        tuple(subject for part in parts for subject in part.subjects),
        np.concatenate([part.subject + start for part, start in zip(parts, starts, strict=True)]).astype(np.int32),
        np.concatenate([part.metric for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.presence for part in parts]),
        np.concatenate([part.at for part in parts]),
    )


def planned(readings: Readings, labels: dict[Mention, str], names: Names, snapshot: Snapshot) -> Plan:
    """What a layout means. `labels` are what its sender calls single sensors."""
    places = [names.place(subject, snapshot) for subject in readings.subjects]
    things: dict[Ref, int] = {}
    groups: dict[tuple[Kept, Metric], list[tuple[int, int]]] = {}
    for row, (subject, code) in enumerate(zip(readings.subject.tolist(), readings.metric.tolist(), strict=True)):
        place, metric = places[subject], ORDER[code]
        for kept, ref in _uses(metric, place, labels.get(readings.subjects[subject], "")):
            number = things.setdefault(ref, len(things))
            groups.setdefault((kept, metric), []).append((row, number))
    return Plan(
        readings,
        tuple(things),
        tuple(_uuid(ref, snapshot) for ref in things),
        tuple(_group(kept, metric, rows) for (kept, metric), rows in groups.items()),
        tuple(str(s) for s, place in zip(readings.subjects, places, strict=True) if place is None),
    )


def _uses(metric: Metric, place: Place | None, label: str) -> Iterator[tuple[Kept, Ref]]:
    """What a reading says of which things."""
    if place is None:
        return
    kept, ref = KEPT.get(metric), place.ref
    if kept is not None and ref.kind in kept.kinds and place.part in kept.parts:
        yield kept, ref
    if metric is Metric.GPU_TEMPERATURE and ref.kind == "accelerator" and not place.part:
        yield HOTTEST, Ref("node", ref.id.rpartition("/")[0])
    if metric is Metric.TEMPERATURE and ref.kind in INLET.kinds and any(w in label.lower() for w in _TAKEN_IN):
        yield INLET, ref


def _group(kept: Kept, metric: Metric, rows: list[tuple[int, int]]) -> Group:
    found = np.array(rows, np.int32)
    return Group(kept, found[:, 0], found[:, 1], grows(metric))


def _uuid(ref: Ref, snapshot: Snapshot) -> str:
    if ref.kind != "accelerator":
        return ""
    name, _, index = ref.id.rpartition("/")
    node = snapshot.node(NodeId(name))
    return next((a.uuid for a in node.accelerators if str(a.index) == index), "") if node is not None else ""
