"""What is measured of things of the estate: the gauges that every process holds, and the record by which they travel.

Called by the inventory (which publishes and holds them), and by whoever asks a snapshot. A reading is evidence with a
time and a source: it is no part of a snapshot's version, and may be missing at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from estate.devices import ThrottleReason
from estate.ids import InstallationId
from estate.origins import SourceName
from estate.records import Record, Time, later
from estate.references import Ref

MOST_THINGS = 1_000
"""Of one record, so that none is near the bus's limit."""
MOST_AFTER = 3_600_000
"""Milliseconds between the first and the last time of one record."""
YIELDS = timedelta(minutes=1)
"""How much older the word of a source may be before that of another one, whose name comes later, is taken instead."""


class Gauge(StrEnum):
    """What is measured; the unit is the name's last word. Whole numbers only."""

    POWER = "power_milliwatts"
    """Of a device, a node or a part of the power chain."""
    TEMPERATURE = "temperature_millicelsius"
    """Of a device; of a node the hottest of its devices."""
    UTILISATION = "utilisation_permille"
    MEMORY_USED = "memory_used_mebibytes"
    THROTTLE = "throttle_reasons"
    """DCGM's bit mask of clock event reasons."""
    XID = "xid"
    """The newest; 0: none."""
    INLET = "inlet_millicelsius"
    """The air or coolant that a machine takes in."""
    LINK_UP = "link_up"
    """1: it carries traffic."""
    SENT = "sent_megabits_per_second"
    """Of a port, or of a link from its first end."""
    RECEIVED = "received_megabits_per_second"
    FIRST_TOKEN = "first_token_p95_microseconds"  # noqa: S105 - of a model's answer
    PER_TOKEN = "per_token_p95_microseconds"  # noqa: S105
    RUNNING = "requests_running"
    WAITING = "requests_waiting"
    CACHE_USED = "cache_used_permille"


_REASONS = (
    ThrottleReason.IDLE,
    ThrottleReason.APPLICATION_CLOCKS,
    ThrottleReason.SOFTWARE_POWER_CAP,
    ThrottleReason.HARDWARE_SLOWDOWN,
    ThrottleReason.SYNC_BOOST,
    ThrottleReason.SOFTWARE_THERMAL,
    ThrottleReason.HARDWARE_THERMAL,
    ThrottleReason.POWER_BRAKE,
    ThrottleReason.DISPLAY_CLOCKS,
)
"""By bit, as `nvmlClocksEventReasons` has them."""


def throttle_reasons(mask: int) -> tuple[ThrottleReason, ...]:
    """What the bits of `Gauge.THROTTLE` say; a bit that nobody knows is `OTHER`."""
    known = tuple(reason for bit, reason in enumerate(_REASONS) if mask >> bit & 1)
    return (*known, ThrottleReason.OTHER) if mask >> len(_REASONS) else known


@dataclass(frozen=True, slots=True)
class Reading:
    """One gauge of one thing as it was last told."""

    gauge: Gauge
    value: int | None
    """None: whoever measures it answered and had no value."""
    at: datetime
    source: str

    def age_seconds(self, now: datetime) -> int:
        """How old it is."""
        return max(0, int((now - self.at).total_seconds()))

    def goes_before(self, other: Reading) -> bool:
        """Whether it is taken where the other one of the same gauge is held.

        Of two sources that measure one thing the one whose name comes first speaks for as long as it does speak: so a
        gauge does not jump between them, and every process holds the same, whenever it began.
        """
        if self.source == other.source:
            return True
        later = self.at - other.at
        return later > YIELDS if other.source < self.source else later >= timedelta()


type Table = Mapping[Ref, tuple[Reading, ...]]
"""The newest readings of things, without those of devices."""

Named = Annotated[str, StringConstraints(min_length=1, max_length=576)]
Column = tuple[Annotated[int, Field(ge=-(2**31) + 3, le=2**31 - 1)] | None, ...]


class Telemetry(Record):
    """What one source measured of some things: a column of values for each gauge, in the things' order.

    All gauges of one thing have one time: what was measured at another is in another record. It may be lost, and
    nothing is ever sent again for that: the next one comes with the next round.
    """

    kind: Literal["placet.telemetry"] = "placet.telemetry"
    v: Literal[1] = 1
    installation: InstallationId
    epoch: int = Field(ge=0)
    """Of the inventory writer: nobody takes what an earlier one says."""
    source: SourceName
    at: Time
    """When the first of the things was measured."""
    after: tuple[Annotated[int, Field(ge=0, le=MOST_AFTER)], ...] = later((), max_length=MOST_THINGS)
    """How many milliseconds later each was; empty: all of them then."""
    devices: tuple[Named, ...] = Field(default=(), max_length=MOST_THINGS)
    """GPU UUIDs."""
    things: tuple[Named, ...] = Field(default=(), max_length=MOST_THINGS)
    """`kind/id`; a record has either devices or things."""
    columns: dict[str, Column] = Field(max_length=64)
    """By gauge; one that this Placet does not know is passed over."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if bool(self.devices) == bool(self.things):
            raise ValueError("devices, things: give one of them")
        size = len(self.devices or self.things)
        if odd := next((n for n, column in self.columns.items() if len(column) != size), None):
            raise ValueError(f"columns.{odd}: {len(self.columns[odd])} values of {size} things")
        if self.after and len(self.after) != size:
            raise ValueError(f"after: {len(self.after)} times of {size} things")
        return self

    @property
    def known(self) -> Mapping[Gauge, Column]:
        """The columns of gauges that this Placet knows."""
        return {Gauge(name): column for name, column in self.columns.items() if name in _GAUGES}


_GAUGES = frozenset(gauge.value for gauge in Gauge)
