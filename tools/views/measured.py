"""What is measured of things, as people and minds are shown it: plain numbers, each with its age and source. Pure.

Called by the door and the catalogue's tools.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from estate.canonical import Json
from estate.ids import NodeId
from estate.readings import Gauge, Reading, throttle_reasons
from estate.references import Ref
from estate.snapshots import Snapshot
from tools.inventory.freshness import READING

FIELDS: Final = ("celsius", "watts", "inlet_celsius", "read_seconds_ago", "read_by")
"""What `brief` adds to a row."""

type Shown = dict[str, Json]

AGE: Final = "read_seconds_ago"
_THOUSANDTHS: Final = {Gauge.POWER: "watts", Gauge.TEMPERATURE: "celsius", Gauge.INLET: "inlet_celsius"}


def newest(snapshot: Snapshot, ref: Ref, gauge: Gauge) -> Reading | None:
    """The newest reading of a gauge of a thing, if it has a value."""
    found = (r for r in snapshot.readings(ref) if r.gauge is gauge and r.value is not None)
    return next(found, None)


def fresh(snapshot: Snapshot, ref: Ref, gauge: Gauge, now: datetime) -> int | None:
    """The value of a gauge while it is new enough to be taken for now."""
    found = newest(snapshot, ref, gauge)
    return found.value if found is not None and now - found.at <= READING else None


def shown(snapshot: Snapshot, ref: Ref, now: datetime) -> list[Json]:
    """Every reading of a thing: what, how much, how old, from whom, and whether that is too old to be now."""
    return [_row(reading, now) for reading in sorted(snapshot.readings(ref), key=lambda r: r.gauge.value)]


def brief(snapshot: Snapshot, ref: Ref, now: datetime) -> Shown:
    """Temperature and power in a row, with the age of the older one; stale ones too, because the age says so."""
    found = {name: newest(snapshot, ref, gauge) for gauge, name in _THOUSANDTHS.items()}
    known = {name: reading for name, reading in found.items() if reading is not None}
    row: Shown = {name: (reading.value or 0) // 1000 for name, reading in known.items()}
    if known:
        row[AGE] = max(reading.age_seconds(now) for reading in known.values())
        row["read_by"] = ", ".join(sorted({reading.source for reading in known.values()}))
    return row


def hottest(snapshot: Snapshot, node: NodeId, now: datetime) -> int | None:
    """The hottest device of a node in whole degrees, while that is known."""
    found = fresh(snapshot, Ref("node", node), Gauge.TEMPERATURE, now)
    return None if found is None else found // 1000


def _row(reading: Reading, now: datetime) -> Json:
    value: Json = reading.value
    if reading.gauge is Gauge.THROTTLE and reading.value is not None:
        value = [reason.value for reason in throttle_reasons(reading.value)]
    return {
        "gauge": reading.gauge.value,
        "value": value,
        "age_seconds": reading.age_seconds(now),
        "source": reading.source,
        "stale": now - reading.at > READING,
    }
