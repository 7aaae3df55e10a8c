"""Follow the delta stream: how every process but the writer knows the newest estate. Satisfies `port.Reader`.

Refused: deltas of another installation or of a writer whose epoch is over, and anything under facts that do not
verify. A gap in the sequence, an unreadable delta or a newer record is an alarm; the estate then stays as it was,
marked `stale`, until the next whole estate of the stream heals it. Nothing is ever guessed across a gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched

import structlog

from estate.deltas import Delta, Heading, join
from estate.errors import Denied, NeverRetry, PlacetError, RetryLater
from estate.frozen import FrozenEstate
from estate.law import Facts
from estate.references import Ref
from estate.snapshots import SnapshotVersion
from estate.subjects import Subjects
from tools.bus.port import Bus
from tools.bus.streams import DELTAS, TELEMETRY
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.histories import History, Reach, Told
from tools.inventory.port import VerifyFacts
from tools.inventory.resuming import Shelf
from tools.inventory.telemetry.holding import Holder

_STREAM = "deltas"
"""Whose word everything is here; what single fields are of, their things' own `origins` say."""

_AT_ONCE = 64
"""Things taken before others may run: some milliseconds."""
_REFRESH = 1.0
_LISTEN_AGAIN = 30.0
"""Seconds."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Parts:
    """The parts of one delta that have arrived."""

    arrived: list[Delta] = field(default_factory=list)

    def add(self, part: Delta) -> Delta | None:
        """The joined delta once its last part is here; None while some are missing, or after a part was missed."""
        if part.part == 1:
            self.arrived = []
        elif not self._continues(part):
            self.arrived = []
            return None
        self.arrived.append(part)
        if part.part < part.parts:
            return None
        joined = join(self.arrived)
        self.arrived = []
        return joined

    def _continues(self, part: Delta) -> bool:
        last = self.arrived[-1] if self.arrived else None
        return last is not None and (last.version, last.whole, last.part + 1) == (part.version, part.whole, part.part)


class Follower:
    """One process's copy of the estate. `run` in a task of its own; the rest answers at once."""

    def __init__(
        self,
        bus: Bus,
        subjects: Subjects,
        verify: VerifyFacts,
        shelf: Shelf | None = None,
        reach: Reach | None = None,
    ) -> None:
        """`shelf` is where the estate lies while this process does not run (None: nowhere), `reach` how far back it
        knows what was.
        """
        self._shelf = shelf
        self._saving = False
        """Whether a thread reads the inventory, which nobody may write meanwhile."""
        self._resumed = False
        """Whether the estate is that of a file, and the stream has not come to its version yet."""
        self._bus = bus
        self._installation = subjects.installation
        self._subject = subjects.delta()
        self._verify = verify
        self._inventory: Inventory | None = None
        self._history = History(reach)
        self._estate: FrozenEstate | None = None
        self._parts = _Parts()
        self._envelope: str | None = None
        self._stale: str | None = None
        self._ended: set[int] = set()
        self._holder = Holder(subjects.installation)
        self._measured = False
        """Whether there are readings that the newest snapshot does not have."""
        self._subjects = subjects
        self._moved = asyncio.Condition()  # announces each new estate to those that wait for a version

    @property
    def stale(self) -> str | None:
        """Why the newest estate may be old, or None while every delta was followed."""
        return self._stale

    def newest(self) -> FrozenEstate:
        """The newest snapshot. Raises RetryLater before the first one has arrived."""
        if self._estate is None:
            raise RetryLater("no estate has arrived yet; is an inventory writer running?")
        return self._estate

    def as_of(self, version: SnapshotVersion) -> FrozenEstate | None:
        """The estate under exactly that recent version: what a decision knew. None when it is too long ago."""
        return self._history.as_of(version)

    def at(self, time: datetime) -> FrozenEstate | None:
        """The newest estate that was told by that time. None when it is too long ago."""
        return self._history.at(time)

    def told(self, ref: Ref) -> Iterator[Told]:
        """What the deltas that are still held said of a thing, oldest first."""
        return self._history.told(ref)

    async def reached(self, version: SnapshotVersion) -> FrozenEstate:
        """Wait until the newest snapshot is at least `version`, by epoch and sequence."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._estate is not None and _at(self._estate.version) >= _at(version))
        return self.newest()

    async def ready(self) -> FrozenEstate:
        """Wait for the first snapshot."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._estate is not None)
        return self.newest()

    async def run(self) -> None:
        """Follow until cancelled."""
        if self._shelf is not None:
            await self._resume(self._shelf)
        try:
            async with asyncio.TaskGroup() as group:
                beside = (
                    group.create_task(self._listen(), name="follow-telemetry"),
                    group.create_task(self._refresh(), name="follow-refresh"),
                )
                try:
                    await self._follow()
                finally:
                    for task in beside:
                        task.cancel()
        except* Exception as failed:
            raise failed.exceptions[0] from failed
        finally:
            self._save()

    async def _resume(self, shelf: Shelf) -> None:
        """Begin with what was saved. It counts as stale until the stream comes to it."""
        loaded = await asyncio.to_thread(shelf.load, lambda envelope: self._verify(envelope.encode()))
        if loaded is None or loaded.version.installation != self._installation:
            return
        self._inventory, self._envelope = loaded.inventory, loaded.envelope
        self._estate = self._frozen(loaded.version)
        self._stale, self._resumed = f"as of {loaded.version}, read from a file; the stream has not come to it", True
        log.info("inventory resumed", version=str(loaded.version))
        async with self._moved:
            self._moved.notify_all()

    def _save(self) -> None:
        if self._shelf is not None and self._inventory is not None and self._envelope is not None and not self._stale:
            self._shelf.save(self._inventory, self.newest().version, self._envelope)

    async def _listen(self) -> None:
        """Take readings in as they come. Whatever is wrong with them never ends the following of deltas."""
        while True:
            try:
                async for delivery in self._bus.follow(TELEMETRY, subjects=(self._subjects.telemetry(),)):
                    if self._inventory is not None and self._estate is not None and not self._saving:
                        epoch = self._estate.version.epoch
                        self._measured |= self._holder.take(delivery.data, self._inventory, epoch)
            except PlacetError as error:
                log.warning("telemetry not followed", error=str(error))
            await asyncio.sleep(_LISTEN_AGAIN)

    async def _refresh(self) -> None:
        """Let the newest snapshot have the newest readings, at most once a second, under the version that it has."""
        while True:
            await asyncio.sleep(_REFRESH)
            if self._measured and not self._saving and self._inventory is not None and self._estate is not None:
                self._estate = self._frozen(self._estate.version)
                self._reap()

    def _frozen(self, version: SnapshotVersion) -> FrozenEstate:
        assert self._inventory is not None
        self._measured = False
        return self._inventory.snapshot(version).measuring(self._holder.table)

    async def _follow(self) -> None:
        async for delivery in self._bus.follow(DELTAS, subjects=(self._subject,)):
            before = self._estate
            heading = Heading.of(delivery.message_id)
            if heading is not None and self._resumed:
                self._catch_up(heading)
            if heading is not None and self._is_old(heading):
                continue  # a whole estate is megabytes, and repeated for those who come late
            try:
                await self._take(Delta.read(delivery.data))
            except (NeverRetry, Denied) as error:
                self._alarm(f"delta {delivery.sequence} refused: {error}")
            if self._estate is not before:
                async with self._moved:
                    self._moved.notify_all()
            self._reap()
            if self._shelf is not None and self._shelf.due:
                self._saving = True  # deltas wait, readings are lost, and nobody else is held up
                try:
                    await asyncio.to_thread(self._save)
                finally:
                    self._saving = False

    async def _take(self, part: Delta) -> None:
        if part.version.installation != self._installation:
            raise Denied(f"it is of installation `{part.version.installation}`, this is `{self._installation}`")
        if self._is_old(part):
            return
        delta = self._parts.add(part)
        if delta is None:
            return
        if delta.whole:
            await self._begin(delta)
        elif self._estate is None or self._inventory is None:
            return  # the stream begins before the first whole estate that it still has, or only such a one heals it
        elif self._follows(delta):
            self._adopt(delta)
        else:
            self._alarm(f"gap: {delta.version} arrived after {self._estate.version}; waiting for a whole estate")

    def _catch_up(self, heading: Heading) -> None:
        """The stream has come to the version that a file gave us: the two are the same."""
        if self._estate is not None and heading.version == self._estate.version:
            self._stale, self._resumed = None, False
            log.info("inventory healed", version=str(heading.version))

    def _is_old(self, part: Delta | Heading) -> bool:
        if self._estate is None:
            return False
        mine, theirs = self._estate.version, part.version
        if theirs.epoch < mine.epoch:
            self._refuse_epoch(theirs, mine)
            return True
        healing = part.whole and self._stale is not None and theirs.sequence == mine.sequence
        return theirs.epoch == mine.epoch and theirs.sequence <= mine.sequence and not healing

    def _refuse_epoch(self, found: SnapshotVersion, newest: SnapshotVersion) -> None:
        """Say so once for each epoch: after a reconnect the stream is read again from its oldest."""
        if found.epoch not in self._ended:
            self._ended.add(found.epoch)
            log.warning("deltas of an ended epoch refused", found=str(found), newest=str(newest))

    def _follows(self, delta: Delta) -> bool:
        assert self._estate is not None
        mine, theirs = self._estate.version, delta.version
        return theirs.epoch == mine.epoch and theirs.sequence == mine.sequence + 1

    async def _begin(self, delta: Delta) -> None:
        """Take a whole estate, a little at a time: a large one takes seconds, and heartbeats must not wait for it."""
        facts = self._facts(delta)
        inventory = Inventory(facts)
        for slice_ in _slices(delta):
            inventory.follow(slice_, facts, _STREAM)
            await asyncio.sleep(0)
        self._inventory = inventory
        self._show(delta)

    def _adopt(self, delta: Delta) -> None:
        assert self._inventory is not None
        try:
            self._inventory.follow(delta, self._facts(delta), _STREAM)
        except NeverRetry:
            self._inventory = None  # it took half of the delta
            raise
        self._show(delta)

    def _show(self, delta: Delta) -> None:
        self._estate = self._frozen(delta.version)
        self._history.note(self._estate, delta)
        self._resumed = False
        if self._stale is not None:
            log.info("inventory healed", version=str(delta.version))
            self._stale = None

    def _reap(self) -> None:
        """Let go of a little of the snapshots that have ended: here nobody waits for a decision."""
        if self._inventory is not None:
            self._inventory.reap()

    def _facts(self, delta: Delta) -> Facts:
        """The facts in force with this delta; verified anew whenever the envelope is another one."""
        if delta.facts_envelope is None or delta.facts_envelope == self._envelope:
            return self.newest().facts
        facts = self._verify(delta.facts_envelope.encode())
        self._envelope = delta.facts_envelope
        return facts

    def _alarm(self, reason: str) -> None:
        self._parts = _Parts()
        if self._stale is None:
            self._stale = reason
        log.error("inventory stale", reason=reason)


def _slices(delta: Delta) -> Iterator[Delta]:
    """A whole estate in slices, in its order."""
    bare = delta.model_copy(update={"nodes": (), "workloads": (), "items": ()})
    for nodes in batched(delta.nodes, _AT_ONCE):
        yield bare.model_copy(update={"nodes": nodes})
    for workloads in batched(delta.workloads, _AT_ONCE):
        yield bare.model_copy(update={"workloads": workloads})
    for items in batched(delta.items, _AT_ONCE):
        yield bare.model_copy(update={"items": items})


def _at(version: SnapshotVersion) -> tuple[int, int]:
    return version.epoch, version.sequence
