"""Keeps reservations as an executor and the inventory do: `python -m tests.crash.reserving_program URL FOLDER [FATAL]`.

It writes those of `THREE`, all with the same steps whenever it runs, tells the inventory, and looks on with its sensor.
With `FATAL` it dies by its own hand once the last is written, before anybody hears of it. `FOLDER/now` is its clock.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

from console import logs
from estate import canonical
from estate.changes import ReserveCapacity
from estate.subjects import Subjects
from tests import builders
from tests.reserved import reserve, seat
from tools.bus.nats import NatsBus
from tools.bus.streams import streams
from tools.bus.wire import Credentials
from tools.inventory.port import Observed
from tools.inventory.writer import Pace, Writer
from tools.reservations.book import BUCKET, Book
from tools.reservations.pages import Key
from tools.reservations.source import ReservationSource
from tools.sensors import watching
from tools.sensors.registry import Settings
from tools.sensors.reservations import Reservations
from tools.sensors.watching import Watch

HOUR = timedelta(hours=1)


def _lasting(name: str, first: int, last: int, *devices: int) -> ReserveCapacity:
    start, end = builders.START + first * HOUR, builders.START + last * HOUR
    return reserve(name, "tenant-b", seat("eu-b2", *devices), start=start, end=end)


THREE = (_lasting("over", 0, 1, 0, 1), _lasting("begins", 2, 6, 2, 3), _lasting("ahead", 8, 9, 0, 1))
GUEST = builders.workload(
    "a-guest",
    replicas=1,
    contract=builders.contract(2, preemptible=True),
    bindings=(builders.binding(0, "eu-b2", 2, 3),),
)
"""Whom the second one lets in until it starts."""
SENSORS = Settings(reservations=Reservations(raise_after_seconds=0, gone_before_seconds=0, round_seconds=0))  # type: ignore[arg-type]
PACE = Pace(lease=timedelta(milliseconds=600), whole_within=timedelta(seconds=30))


class Small:
    """The small estate, with the guest."""

    cluster = None

    async def watch(self) -> AsyncIterator[Observed]:
        yield Observed("s", nodes=builders.default_nodes(), workloads=(GUEST,), whole=True)
        await asyncio.Event().wait()


async def main(url: str, folder: Path, *, fatal: bool) -> None:
    """Until it is killed."""

    def clock() -> datetime:
        return datetime.fromisoformat((folder / "now").read_text())

    bus = await NatsBus.connect(Credentials(url), Subjects(builders.INSTALLATION), name="keeper")
    await bus.declare(*streams(Subjects(builders.INSTALLATION)))
    book = Book(await bus.bucket(BUCKET), clock)
    source = ReservationSource(book, clock, interval=timedelta(milliseconds=50))
    writer = Writer(bus, builders.INSTALLATION, f"w-{os.getpid()}", (Small(), source), clock, PACE)
    watch = Watch(bus, builders.INSTALLATION, SENSORS, clock, watching.Pace(tick=timedelta(milliseconds=50)))
    async with asyncio.TaskGroup() as group:
        group.create_task(writer.run(b"{}", lambda _: builders.facts(), watch))
        for change in THREE:
            key = Key(proposal=canonical.digest(change.reservation.encode()), step=f"{change.reservation}:1:do")
            assert await book.write(key, change, ()) is None
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    logs.configure()
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), fatal=len(sys.argv) > 3))
