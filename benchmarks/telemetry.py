"""How fast readings go from a source's answer to every process: told by the writer, taken in by a follower.

By processor time, on one core, as the bus's messages but without a bus: 1 600 nodes of eight accelerators with six
gauges each, round after round. The first round resolves every name; the others are what a fleet costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from benchmarks import fleets
from benchmarks.figures import Figure, figure, hushed, main
from estate.frozen import FrozenEstate
from estate.ids import InstallationId
from estate.readings import Telemetry
from estate.snapshots import SnapshotVersion
from estate.subjects import Subjects
from tools.bus.memory import MemoryBroker
from tools.inventory.claiming.names import Names
from tools.inventory.columns.engine import Inventory
from tools.inventory.port import Heard
from tools.inventory.telemetry.holding import Holder
from tools.inventory.telemetry.reporting import Reporter, Round
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Readings, Writing

RACKS, ROUNDS = 200, 10
GAUGES = (
    Metric.GPU_TEMPERATURE,
    Metric.GPU_POWER,
    Metric.GPU_USE,
    Metric.GPU_MEMORY_USED,
    Metric.GPU_THROTTLE_REASONS,
    Metric.GPU_LAST_XID,
)
NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
VERSION = SnapshotVersion(installation=InstallationId("benchmark"), epoch=1, sequence=1)


def measure() -> list[Figure]:
    """The first round, and the mean of those after it."""
    hushed()
    fleet = fleets.fleet(NOW + timedelta(days=365), RACKS)
    estate = FrozenEstate.of(VERSION, fleet.facts, fleet.world.nodes)
    inventory = Inventory(fleet.facts)
    for node in fleet.world.nodes:
        inventory.machines.put(node)
    reporter = Reporter(MemoryBroker().connect(_subjects()), _subjects(), lambda: NOW + timedelta(hours=1), epoch=1)
    holder, first = Holder(VERSION.installation), _first(estate)
    told, taken, frozen, sent = list[float](), list[float](), list[float](), 0
    for number in range(ROUNDS + 1):
        records, seconds = _timed(partial(_told, reporter, estate, first, number))
        told.append(seconds)
        sent = sum(map(len, records))
        taken.append(_timed(partial(_take, holder, inventory, records))[1])
        frozen.append(_timed(lambda: inventory.snapshot(VERSION).measuring(holder.table))[1])
    return [
        figure("readings a round", len(first), "1"),
        figure("bytes on the wire a reading", sent / len(first), "B"),
        figure("readings a second told, first round", len(first) / told[0], "1/s"),
        figure("readings a second told", len(first) * ROUNDS / sum(told[1:]), "1/s"),
        figure("readings a second taken in", len(first) * ROUNDS / sum(taken[1:]), "1/s"),
        figure("a snapshot with new readings", 1000 * sum(frozen[1:]) / ROUNDS, "ms"),
    ]


def _subjects() -> Subjects:
    return Subjects(VERSION.installation)


def _first(estate: FrozenEstate) -> Readings:
    writing = Writing("prometheus/main", NOW)
    for node in estate.nodes():
        for device in node.accelerators:
            for gauge in GAUGES:
                writing.add(Mention(MentionKind.GPU_UUID, device.uuid), gauge, 40.0 + device.index)
    return writing.done()


def _told(reporter: Reporter, estate: FrozenEstate, first: Readings, number: int) -> list[bytes]:
    """The messages of a round, fifteen seconds after the one before."""
    readings = replace(first, at=first.at + 15_000 * number, value=first.value + number)
    heard = Heard("main", NOW + timedelta(seconds=15 * number), readings=(readings,))
    records: list[Telemetry] = list(reporter.told(Round("prometheus", heard, Names(), estate)))
    return [record.canonical() for record in records]


def _take(holder: Holder, inventory: Inventory, records: list[bytes]) -> None:
    for record in records:
        holder.take(record, inventory, 1)


def _timed[T](work: Callable[[], T]) -> tuple[T, float]:
    began = time.process_time()
    done = work()
    return done, time.process_time() - began


if __name__ == "__main__":
    main("telemetry", measure)
