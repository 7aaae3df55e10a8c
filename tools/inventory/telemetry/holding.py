"""A follower's side: the newest readings beside the estate, those of devices in the engine's columns.

Called by `tools.inventory.follower`. Refused: a record of another installation or of a writer whose epoch is over. What
cannot be read is counted and said once; nothing waits for it and nothing ends by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import structlog
from immutables import Map

from estate.errors import BadInput, NewerRecord
from estate.ids import InstallationId
from estate.readings import Column, Gauge, Reading, Telemetry
from estate.references import Ref, read_ref
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.origins import Told
from tools.inventory.columns.readings import Batch, Metric, Roster
from tools.payloads.facts.readings import Longs

log = structlog.get_logger(__name__)

FORGET = timedelta(hours=1)
"""A reading of a thing that nobody has measured since then is forgotten."""
_MOST_ROSTERS = 4_096
_DEVICES = {Gauge(metric.value): metric for metric in Metric}


@dataclass(slots=True)
class Holder:
    """What one process holds. One task writes; the table may be read by any."""

    installation: InstallationId
    table: Map[Ref, tuple[Reading, ...]] = field(default_factory=Map)
    refused: int = 0
    _inventory: Inventory | None = None
    _rosters: dict[tuple[str, ...], Roster] = field(default_factory=dict)
    _swept: datetime | None = None

    def take(self, data: bytes, inventory: Inventory, epoch: int) -> bool:
        """Take a record in; whether anything is otherwise now. `epoch` is that of the estate."""
        try:
            told = Telemetry.read(data)
        except (BadInput, NewerRecord) as error:
            self._refuse(str(error))
            return False
        if told.installation != self.installation or told.epoch < epoch:
            self._refuse(f"it is of `{told.installation}`, epoch {told.epoch}")
            return False
        if inventory is not self._inventory:
            self._inventory, self._rosters = inventory, {}
        if told.devices:
            self._measure(told, inventory)
        else:
            self._note(told)
        return True

    def _refuse(self, why: str) -> None:
        if not self.refused:
            log.warning("telemetry refused", reason=why)
        self.refused += 1

    def _measure(self, told: Telemetry, inventory: Inventory) -> None:
        """Into the columns, by a roster that is looked up once for all rounds of a layout."""
        roster = self._roster(told.devices, inventory)
        word = Told(told.source, int(told.at.timestamp() * 1000))
        after = np.array(told.after, np.int64) if told.after else None
        for gauge, column in told.known.items():
            if gauge in _DEVICES:
                inventory.read(roster, _batch(_DEVICES[gauge], column, word, after))

    def _roster(self, devices: tuple[str, ...], inventory: Inventory) -> Roster:
        known = self._rosters.get(devices)
        if known is not None and known.moved == inventory.machines.moved:
            return known
        if len(self._rosters) >= _MOST_ROSTERS:
            self._rosters.clear()
        made = self._rosters[devices] = inventory.roster(devices)
        return made

    def _note(self, told: Telemetry) -> None:
        """Into the table; what is not said of a thing this time stays as it was, and so does a better source's word."""
        held = self.table.mutate()
        columns = told.known
        times = [told.at + timedelta(milliseconds=after) for after in told.after] or [told.at] * len(told.things)
        for number, name in enumerate(told.things):
            ref = _ref(name)
            if ref is None:
                continue
            before = {r.gauge: r for r in held.get(ref, ())}
            now = (Reading(g, column[number], times[number], told.source) for g, column in columns.items())
            taken = {r.gauge: r for r in now if r.gauge not in before or r.goes_before(before[r.gauge])}
            held[ref] = tuple((before | taken).values())
        self.table = held.finish()
        self._sweep(told.at)

    def _sweep(self, now: datetime) -> None:
        """Things come and go: every tenth of an hour those are forgotten that nobody measures any more."""
        if self._swept is not None and now - self._swept < FORGET / 10:
            return
        self._swept = now
        old = [ref for ref, of in self.table.items() if all(r.at < now - FORGET for r in of)]
        held = self.table.mutate()
        for ref in old:
            del held[ref]
        self.table = held.finish()


def _batch(metric: Metric, column: Column, told: Told, after: Longs | None) -> Batch:
    blank = np.array([value is None for value in column], np.bool_)
    values = np.array([0 if value is None else value for value in column], np.float64)
    return Batch(metric, values, told, blank, after)


def _ref(name: str) -> Ref | None:
    try:
        return read_ref(name)
    except ValueError:
        return None
