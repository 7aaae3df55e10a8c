"""The sensors at work: what the inventory's writer notices, and the passing of time, become events on its channel.

Run by the writer for as long as it holds its lease, so that there is one in an installation. A signal is published, and
stored by the bus, before the cells that remember it are kept: a crash between the two tells the same event again, under
the same identity, and never loses one. What is no signal is kept every few seconds. Lines of logs that tell events go
to intake from here too: the inventory has one channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from estate.clocks import Clock
from estate.errors import RetryLater
from estate.frozen import FrozenEstate
from estate.ids import InstallationId
from estate.subjects import Subjects
from policies.bundle import Bundle
from policies.watching import Look, Watched
from tools.bus.port import Bus, Conflict
from tools.inventory.port import Noticed
from tools.payloads.facts.metrics import Metric
from tools.sensors.keeping import Shelf
from tools.sensors.measuring import Memory, taken
from tools.sensors.port import Change, Seen
from tools.sensors.registry import Settings
from tools.sensors.sensing import Key, Sensed, Sensors, State, sense
from tools.sensors.telling import CHANNEL, CONTENT, FORMAT, passed_on, telling

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often time is looked at, and what is no signal kept."""

    tick: timedelta = timedelta(seconds=1)
    keep: timedelta = timedelta(seconds=10)


@dataclass(slots=True)
class _Work:
    """What the one task of it holds."""

    shelf: Shelf
    state: State
    since: datetime
    kept_at: datetime
    unkept: set[Key] = field(default_factory=set)
    newest: FrozenEstate | None = None
    """The estate that was noticed last; nothing is judged before there is one."""


class Watch:
    """Satisfies `tools.inventory.port.Onlooker`."""

    def __init__(
        self,
        bus: Bus,
        installation: InstallationId,
        settings: Settings,
        clock: Clock,
        pace: Pace | None = None,
        law: Bundle | None = None,
    ) -> None:
        """`law` is what is asked about whatever changes; None where only machines are watched."""
        self._bus, self._installation, self._clock = bus, installation, clock
        self._sensors: Sensors = settings.sensors()
        self._wanted: frozenset[Metric] = frozenset().union(*(s.metrics for s in self._sensors.values()))
        self._subjects = Subjects(installation)
        self._pace = pace or Pace()
        self._memory = Memory()
        self._law = Watched(law) if law is not None else None
        self._queue: asyncio.Queue[Noticed] = asyncio.Queue(maxsize=1024)

    async def notice(self, noticed: Noticed) -> None:
        """Take in what the writer saw; waits where the sensors are far behind."""
        await self._queue.put(noticed)

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            Conflict: another process keeps the sensors' memory.
        """
        shelf, now = await Shelf.open(self._bus), self._clock()
        work = _Work(shelf, await shelf.load(self._sensors), now, now)
        try:
            while True:
                await self._look(work, await self._next())
        finally:
            for sensor in self._sensors.values():
                sensor.stop()

    async def _next(self) -> Noticed | None:
        """What was noticed, or that time has passed."""
        try:
            async with asyncio.timeout(self._pace.tick.total_seconds()):
                return await self._queue.get()
        except TimeoutError:
            return None

    async def _look(self, work: _Work, noticed: Noticed | None) -> None:
        for observation in noticed.observations if noticed is not None else ():
            told = passed_on(observation, self._installation, self._clock())
            await self._publish(self._subjects.intake(CHANNEL, FORMAT), told.body, told.id, CONTENT)
        for heard in noticed.heard if noticed is not None else ():
            for raw in heard.raw:
                await self._publish(self._subjects.intake(CHANNEL, raw.format), raw.body, raw.id, raw.headers)
            if heard.taken is not None:
                heard.taken()
        seen = self._shown(work, noticed)
        if seen is None:
            return
        sensed = sense(work.state, self._sensors, seen)
        for fault in sensed.faults:
            log.error("sensor failed", sensor=fault.key.sensor, about=fault.key.subject, error=repr(fault.error))
        await self._tell(sensed)
        work.state = sensed.state
        work.unkept.update(sensed.written)
        if sensed.signals or self._clock() - work.kept_at >= self._pace.keep:
            await self._keep(work)

    def _shown(self, work: _Work, noticed: Noticed | None) -> Seen | None:
        """What the sensors see of it, or of the passing of time."""
        now = self._clock()
        if noticed is None:
            if work.newest is None:
                return None
            law = self._asked(Noticed(work.newest, work.newest), now)
            return Seen(now, work.newest, work.newest, watched_from=work.since, law=law)
        work.newest = noticed.after
        measured = taken(noticed.heard, self._wanted, noticed.after, now, noticed.names, self._memory)
        if measured.dropped:
            log.debug("readings dropped", count=measured.dropped)
        return Seen(
            now=now,
            before=noticed.before,
            after=noticed.after,
            change=Change(noticed.nodes, noticed.workloads, noticed.items),
            measured=measured.of,
            source=noticed.source,
            heard=noticed.heard,
            said=noticed.said,
            watched_from=work.since,
            conflicts=noticed.conflicts,
            claimed=noticed.claimed,
            law=self._asked(noticed, now),
            hands=noticed.hands,
        )

    def _asked(self, noticed: Noticed, now: datetime) -> Look | None:
        if self._law is None:
            return None
        return self._law.look(noticed.before, noticed.after, noticed.workloads, noticed.nodes, now)

    async def _tell(self, sensed: Sensed) -> None:
        for signal in sensed.signals:
            told = telling(signal, self._installation)
            log.info("sensor", type=signal.type.value, about=signal.key.subject, resolved=signal.resolved)
            await self._publish(self._subjects.intake(CHANNEL, FORMAT), told.body, told.id, CONTENT)

    async def _publish(self, subject: str, body: bytes, name: str, headers: Mapping[str, str]) -> None:
        """On the inventory's own channel, until the bus has it."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(RetryLater),
            wait=wait_random_exponential(multiplier=0.1, max=2),
            reraise=True,
        ):
            with attempt:
                await self._bus.publish(subject, body, message_id=name, headers=headers)

    async def _keep(self, work: _Work) -> None:
        """Store what is new; a bus out of reach is waited for, because what was told is told again at worst."""
        try:
            await work.shelf.save(work.state, tuple(work.unkept))
        except Conflict:
            raise
        except RetryLater as error:
            log.warning("the sensors' memory is not kept yet", error=str(error))
            return
        work.unkept.clear()
        work.kept_at = self._clock()
