"""The one inventory writer of an installation: folds sources, numbers every change, publishes deltas.

The lease `inventory-writer` makes it the one; the lease's fencing token is the epoch of every version it gives, so
that followers refuse a writer that was replaced and does not know it yet. Each epoch begins with a whole estate, and
wholes are repeated so that a follower that comes late finds one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from estate.clocks import Clock
from estate.deltas import Delta, split
from estate.errors import BadInput, Denied, NeverRetry, RetryLater
from estate.frozen import FrozenEstate
from estate.ids import InstallationId
from estate.snapshots import SnapshotVersion
from estate.subjects import Subjects
from tools.bus.port import Bus, Conflict, Lease
from tools.inventory.folding import Folded, fold
from tools.inventory.port import Observed, Source, VerifyFacts

LEASE = "inventory-writer"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the writer renews, retries and repeats the whole estate."""

    lease: timedelta = timedelta(seconds=6)
    whole_every: int = 500
    """Deltas after which a whole estate is published."""
    whole_within: timedelta = timedelta(seconds=60)
    """A change is followed by a whole estate within this time."""
    rewatch: timedelta = timedelta(seconds=1)
    """Pause before a source that failed in passing is watched again."""
    refused: timedelta = timedelta(seconds=30)
    """Pause before a source that refuses us, or that we refuse, is tried again: somebody has to set it right."""


@dataclass(frozen=True, slots=True)
class _Seen:
    position: int
    """Which of the writer's sources."""
    observed: Observed


@dataclass(frozen=True, slots=True)
class _NewFacts:
    envelope: bytes


@dataclass(frozen=True, slots=True)
class _Tick:
    """Time to repeat the whole estate if anything changed since."""


type _Work = _Seen | _NewFacts | _Tick


@dataclass(slots=True)
class _Book:
    """What the writer keeps between changes: one task alone reads and writes it."""

    state: Folded
    envelope: bytes
    since_whole: int = 0
    waiting_for: set[int] = field(default_factory=set)
    """Sources that have not shown everything yet; nothing is published before they have."""

    @property
    def estate(self) -> FrozenEstate:
        """The newest estate; sequence 0 before the first was published."""
        return self.state.estate

    def number(self, state: Folded) -> None:
        """Take `state` as the next version."""
        version = self.estate.version
        following = version.model_copy(update={"sequence": version.sequence + 1})
        self.state = replace(state, estate=state.estate.at(following))


class Writer:
    """Runs until cancelled, or until somebody else took the lease (Conflict)."""

    def __init__(
        self,
        bus: Bus,
        installation: InstallationId,
        holder: str,
        sources: Sequence[Source],
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        self._bus = bus
        self._installation = installation
        self._subject = Subjects(installation).delta()
        self._holder = holder
        self._sources = tuple(sources)
        self._clock = clock
        self._pace = pace or Pace()
        self._work: asyncio.Queue[_Work] = asyncio.Queue(maxsize=1024)

    async def renew_facts(self, envelope: bytes) -> None:
        """Put newer signed facts in force; those that do not verify are refused with an alarm, and nothing changes."""
        await self._work.put(_NewFacts(envelope))

    async def run(self, envelope: bytes, verify: VerifyFacts) -> None:
        """Take the lease (waiting for it), publish the whole estate, then every change.

        Raises:
            Denied, BadInput: the signed facts do not verify.
            Conflict: another writer took over.
        """
        facts = verify(envelope)
        lease = await self._bus.lease(LEASE, self._holder, ttl=self._pace.lease)
        log.info("inventory writer started", epoch=lease.token, holder=self._holder)
        version = SnapshotVersion(installation=self._installation, epoch=lease.token, sequence=0)
        book = _Book(Folded(FrozenEstate(version, facts)), envelope, waiting_for=set(range(len(self._sources))))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep(lease), name="inventory-lease")
                group.create_task(self._tick(), name="inventory-whole")
                for position, source in enumerate(self._sources):
                    group.create_task(self._watch(position, source), name=f"inventory-source-{position}")
                group.create_task(self._publish_all(book, verify), name="inventory-publish")
        except* Conflict as lost:
            raise Conflict("another inventory writer took the lease; this one stops") from lost
        finally:
            with suppress(RetryLater):  # it runs out by itself
                await lease.release()

    async def _keep(self, lease: Lease) -> None:
        """Renew the lease three times within its life. A lost connection is waited out: the epoch fences us anyway."""
        while True:
            await asyncio.sleep(self._pace.lease.total_seconds() / 3)
            try:
                await lease.renew()
            except Conflict:
                raise
            except RetryLater as error:
                log.warning("lease not renewed", lease=LEASE, error=str(error))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._pace.whole_within.total_seconds())
            await self._work.put(_Tick())

    async def _watch(self, position: int, source: Source) -> None:
        """Queue what the source sees; watch it again, from everything, whenever it fails.

        One cluster with expired credentials must not blind Placet to all others. What it saw before stays in the
        estate, as it was.
        """
        while True:
            try:
                async for observed in source.watch():
                    await self._work.put(_Seen(position, observed))
                return
            except RetryLater as error:
                log.warning("source lost", source=position, error=str(error))
                await asyncio.sleep(self._pace.rewatch.total_seconds())
            except (Denied, NeverRetry) as error:
                log.error("source refused", source=position, error=str(error))
                await asyncio.sleep(self._pace.refused.total_seconds())

    async def _publish_all(self, book: _Book, verify: VerifyFacts) -> None:
        if not book.waiting_for:
            await self._begin(book)
        while True:
            match await self._work.get():
                case _Seen(position, observed):
                    await self._fold(book, position, observed)
                case _NewFacts(envelope):
                    await self._change_facts(book, envelope, verify)
                case _Tick():
                    if book.waiting_for:
                        log.error("nothing is published yet", waiting_for_sources=sorted(book.waiting_for))
                    if book.since_whole:
                        await self._publish_whole(book)

    async def _begin(self, book: _Book) -> None:
        book.number(book.state)
        await self._publish_whole(book)

    async def _fold(self, book: _Book, position: int, observed: Observed) -> None:
        folding = fold(book.state, observed)
        if folding.conflicts:
            log.warning("inventory conflicted", source=observed.source, things=[str(t) for t in folding.conflicts])
        if book.estate.version.sequence == 0:
            book.state = folding.state
            book.waiting_for -= {position} if observed.whole else set()
            if not book.waiting_for:
                await self._begin(book)
        elif folding.changed:
            book.number(folding.state)
            await self._publish_change(
                book,
                Delta(
                    version=book.estate.version,
                    at=self._clock(),
                    nodes=folding.nodes,
                    workloads=folding.workloads,
                    removed_nodes=folding.removed_nodes,
                    removed_workloads=folding.removed_workloads,
                    items=folding.items,
                    removed_items=folding.removed_items,
                ),
            )

    async def _change_facts(self, book: _Book, envelope: bytes, verify: VerifyFacts) -> None:
        try:
            facts = verify(envelope)
        except (BadInput, Denied) as error:
            log.error("signed facts refused", error=str(error))
            return
        changed = replace(book.state, estate=book.estate.with_facts(facts))
        book.envelope = envelope
        if book.estate.version.sequence == 0:
            book.state = changed
            return
        book.number(changed)
        version = book.estate.version
        await self._publish_change(book, Delta(version=version, at=self._clock(), facts_envelope=envelope.decode()))

    async def _publish_change(self, book: _Book, delta: Delta) -> None:
        await self._publish(delta)
        book.since_whole += 1
        if book.since_whole >= self._pace.whole_every:
            await self._publish_whole(book)

    async def _publish_whole(self, book: _Book) -> None:
        """Repeat the estate as it is, under the version it has."""
        await self._publish(
            Delta(
                version=book.estate.version,
                at=self._clock(),
                whole=True,
                facts_envelope=book.envelope.decode(),
                nodes=tuple(book.estate.nodes()),
                workloads=tuple(book.estate.workloads()),
                items=tuple(book.estate.stock),
            )
        )
        book.since_whole = 0

    async def _publish(self, delta: Delta) -> None:
        """Every part, in order, each tried until the bus has it: the message id makes a repetition harmless."""
        for part in split(delta):
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(RetryLater),
                wait=wait_random_exponential(multiplier=0.1, max=2),
                reraise=True,
            ):
                with attempt:
                    await self._bus.publish(self._subject, part.canonical(), message_id=part.message_id)
