"""Cells in a bucket: what a sensor remembers outlives the process. Called by `watching`, which alone writes.

Each cell is a key of its own, so that a write costs what changed. Writes name the revision that they replace: a writer
that was replaced and does not know it yet gets Conflict, and stops.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog
from immutables import Map
from pydantic import ValidationError

from estate.errors import BadInput, NewerRecord
from estate.observations import EventType, Severity, Whereabouts
from estate.records import Model, Record, Time, later
from tools.bus.port import Bucket, Bus, Conflict
from tools.sensors.alarms import Alarm
from tools.sensors.sensing import Cell, Key, Sensors, State, Told, scheduled

BUCKET = "sensors"
log = structlog.get_logger(__name__)


class KeptTold(Model):
    """How an alarm was told."""

    whereabouts: Whereabouts
    code: str
    severity: Severity
    type: EventType | None = later()


class Kept(Record):
    """One cell as it is stored."""

    kind: Literal["placet.sensor-cell"] = "placet.sensor-cell"
    v: Literal[1] = 1
    sensor: str
    subject: str
    memory: dict[str, Any] | None = None
    alarms: dict[str, Alarm]
    told: dict[str, KeptTold]
    due: Time | None = None


@dataclass(slots=True)
class Shelf:
    """The cells of an installation. One task writes."""

    bucket: Bucket
    revisions: dict[str, int] = field(default_factory=dict)

    @classmethod
    async def open(cls, bus: Bus) -> Shelf:
        """On a bus whose administrator made the bucket."""
        return cls(await bus.bucket(BUCKET))

    async def load(self, sensors: Sensors) -> State:
        """Everything that was kept. What cannot be read is reported and begun anew; nothing else is lost."""
        found = list[tuple[Key, Cell]]()
        for stored in await self.bucket.values():
            self.revisions[stored.key] = stored.revision
            try:
                kept = Kept.read(stored.value)
                if kept.sensor in sensors:
                    found.append((Key(kept.sensor, kept.subject), _cell(kept, sensors)))
            except NewerRecord:
                raise
            except (BadInput, ValidationError) as error:
                log.error("a sensor's memory cannot be read; it begins anew", key=stored.key, error=str(error))
        return scheduled(found)

    async def save(self, state: State, keys: Iterable[Key]) -> None:
        """Store these cells as they are now.

        Raises:
            Conflict: somebody else writes them; this process was replaced.
        """
        for key in keys:
            name, cell = _name(key), state.cells.get(key)
            if cell is not None:
                self.revisions[name] = await self._put(name, _kept(key, cell))
            elif self.revisions.pop(name, None) is not None:
                await self.bucket.delete(name)

    async def _put(self, name: str, value: bytes) -> int:
        try:
            if name in self.revisions:
                return await self.bucket.update(name, value, self.revisions[name])
            return await self.bucket.create(name, value)
        except Conflict:
            stored = await self.bucket.get(name)
            if stored is not None and stored.value == value:  # our own write, whose answer was lost
                return stored.revision
            raise


def _name(key: Key) -> str:
    return f"{key.sensor}.{hashlib.sha256(key.subject.encode()).hexdigest()}"


def _kept(key: Key, cell: Cell) -> bytes:
    told = {
        n: KeptTold(whereabouts=t.whereabouts, code=t.code, severity=t.severity, type=t.type)
        for n, t in cell.told.items()
    }
    kept = Kept(
        sensor=key.sensor,
        subject=key.subject,
        memory=cell.memory.json_form() if cell.memory is not None else None,
        alarms=dict(cell.alarms),
        told=told,
        due=cell.due,
    )
    return kept.canonical()


def _cell(kept: Kept, sensors: Sensors) -> Cell:
    told = {n: Told(t.whereabouts, t.code, t.severity, t.type) for n, t in kept.told.items()}
    model = sensors[kept.sensor].remembers
    memory = model.model_validate(kept.memory) if kept.memory is not None else None
    return Cell(memory, Map(kept.alarms), Map(told), kept.due)
