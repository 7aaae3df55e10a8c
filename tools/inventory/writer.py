"""The one inventory writer of an installation: folds sources, numbers every change, publishes deltas.

The lease `inventory-writer` makes it the one; the lease's fencing token is the epoch of every version it gives, so
that followers refuse a writer that was replaced and does not know it yet. Each epoch begins with a whole estate, and
wholes are repeated so that a follower that comes late finds one.

Nothing is published before every source has shown all: racks of a cluster that nobody sees would look free. A cluster
that is out of reach keeps nobody waiting for ever: after a while its racks are held as unknown (`silences`).
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
from estate.errors import BadInput, Denied, NeverRetry, PlacetError, RetryLater
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, InstallationId
from estate.snapshots import SnapshotVersion
from estate.subjects import Subjects
from tools.bus.port import Bus, Conflict, Lease
from tools.inventory import silences, telling
from tools.inventory.claiming.claims import Claims
from tools.inventory.drifts import Keeper
from tools.inventory.folding import Folded, Folding, fold
from tools.inventory.noticing import everything, noticed
from tools.inventory.port import Heard, Noticed, Observed, Onlooker, Source, VerifyFacts
from tools.inventory.telemetry.reporting import Reporter, Round

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
    all_within: timedelta = timedelta(minutes=2)
    """How long the first estate waits for clusters that show nothing; then their racks are held as unknown."""


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


@dataclass(frozen=True, slots=True)
class _Late:
    """Nobody is waited for any longer."""


type _Work = _Seen | _NewFacts | _Tick | _Late


@dataclass(slots=True)
class _Book:
    """What the writer keeps between changes: one task alone reads and writes it."""

    state: Folded
    envelope: bytes
    since_whole: int = 0
    late: bool = False
    """Whether nobody is waited for any longer."""
    waiting_for: set[int] = field(default_factory=set)
    """Sources that have not shown everything yet; nothing is published before they have, or are late."""
    early: list[tuple[Observed, Folding]] = field(default_factory=list)
    """What contradicted or failed before anything was published."""

    @property
    def estate(self) -> FrozenEstate:
        """The newest estate; sequence 0 before the first was published."""
        return self.state.estate

    @property
    def published(self) -> bool:
        """Whether a first estate went out."""
        return self.estate.version.sequence > 0

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
        self._onlookers: tuple[Onlooker, ...] = ()
        self._names: dict[int, str] = {}
        """What each source calls itself, once it has spoken."""
        self._claims = Claims()
        self._reporter: Reporter | None = None
        self._keeper = Keeper(bus, Subjects(installation), clock)
        self._drifted: asyncio.Queue[Observed] = asyncio.Queue(maxsize=1024)
        self._work: asyncio.Queue[_Work] = asyncio.Queue(maxsize=1024)

    async def renew_facts(self, envelope: bytes) -> None:
        """Put newer signed facts in force; those that do not verify are refused with an alarm, and nothing changes."""
        await self._work.put(_NewFacts(envelope))

    async def run(self, envelope: bytes, verify: VerifyFacts, *onlookers: Onlooker) -> None:
        """Take the lease (waiting for it), publish the whole estate, then every change; let the onlookers see them.

        Raises:
            Denied, BadInput: the signed facts do not verify.
            Conflict: another writer took over.
        """
        facts, self._onlookers = verify(envelope), onlookers
        lease = await self._bus.lease(LEASE, self._holder, ttl=self._pace.lease)
        log.info("inventory writer started", epoch=lease.token, holder=self._holder)
        version = SnapshotVersion(installation=self._installation, epoch=lease.token, sequence=0)
        book = _Book(Folded(FrozenEstate(version, facts)), envelope, waiting_for=set(range(len(self._sources))))
        self._reporter = Reporter(self._bus, Subjects(self._installation), self._clock, lease.token)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep(lease), name="inventory-lease")
                group.create_task(self._reporter.run(), name="inventory-telemetry")
                group.create_task(self._tick(), name="inventory-whole")
                for onlooker in onlookers:
                    group.create_task(onlooker.run(), name=f"inventory-{type(onlooker).__name__.lower()}")
                group.create_task(self._late(), name="inventory-late")
                for position, source in enumerate(self._sources):
                    group.create_task(self._watch(position, source), name=f"inventory-source-{position}")
                group.create_task(self._publish_all(book, verify), name="inventory-publish")
                group.create_task(self._tell_drifts(), name="inventory-drifts")
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

    async def _late(self) -> None:
        await asyncio.sleep(self._pace.all_within.total_seconds())
        await self._work.put(_Late())

    async def _watch(self, position: int, source: Source) -> None:
        """Queue what the source sees; watch it again, from everything, whenever it fails.

        One cluster with expired credentials must not blind Placet to all others. What it saw before stays in the
        estate, as it was.
        """
        while True:
            try:
                async for observed in source.watch():
                    self._names[position] = observed.source
                    await self._work.put(_Seen(position, observed))
                return
            except RetryLater as error:
                log.warning("source lost", source=position, error=str(error))
                await self._lost(position, error)
                await asyncio.sleep(self._pace.rewatch.total_seconds())
            except (Denied, NeverRetry) as error:
                log.error("source refused", source=position, error=str(error))
                await self._lost(position, error)
                await asyncio.sleep(self._pace.refused.total_seconds())

    async def _lost(self, position: int, error: Exception) -> None:
        """Let it be seen that a source is silent. One that never spoke keeps everything waiting, which is said."""
        name = self._names.get(position)
        if name is not None:
            heard = Heard(target="", at=self._clock(), failure=str(error) or type(error).__name__)
            await self._work.put(_Seen(position, Observed(source=name, heard=(heard,))))

    async def _show(self, shown: Noticed) -> None:
        for onlooker in self._onlookers:
            await onlooker.notice(shown)

    async def _tell_drifts(self) -> None:
        """Beside the deltas, which never wait for it. What cannot be told is reported and does not end the writer."""
        while True:
            seen = await self._drifted.get()
            try:
                await self._keeper.take(str(seen.cluster), seen.drifts, whole=seen.whole)
            except PlacetError as error:
                log.error("drift not told", source=seen.source, error=str(error))

    async def _publish_all(self, book: _Book, verify: VerifyFacts) -> None:
        if not book.waiting_for:
            await self._begin(book)
        while True:
            match await self._work.get():
                case _Seen(position, observed):
                    await self._fold(book, position, observed)
                    if observed.cluster is not None and (observed.drifts or observed.whole):
                        await self._drifted.put(observed)
                case _NewFacts(envelope):
                    await self._change_facts(book, envelope, verify)
                case _Late():
                    book.late = True
                    await self._assume(book)
                case _Tick():
                    self._tell(book)
                    if book.since_whole:
                        await self._publish_whole(book)

    def _tell(self, book: _Book) -> None:
        """Whoever is not seen is told of each minute."""
        late = [str(self._sources[p].cluster or p) for p in sorted(book.waiting_for)]
        if late and book.published:
            log.error("clusters are not seen, their racks are held as unknown", clusters=late)
        elif late:
            log.error("nothing is published yet", waiting_for_sources=late)

    async def _assume(self, book: _Book) -> None:
        """Publish what is known; of each cluster that shows nothing, what must be assumed. Where nobody has shown
        anything, or who is late shows no single cluster, all wait on.
        """
        clusters, every = self._unseen(book), [s for s in self._sources if s.cluster is not None]
        if book.published or len(clusters) < len(book.waiting_for) or len(clusters) == len(every):
            return
        for cluster in clusters:
            book.state = fold(book.state, silences.assumed(book.estate.facts, cluster)).state
        self._tell(book)
        await self._begin(book)

    def _unseen(self, book: _Book) -> list[ClusterId]:
        return [c for p in sorted(book.waiting_for) if (c := self._sources[p].cluster) is not None]

    async def _begin(self, book: _Book) -> None:
        book.number(book.state)
        self._claims.seen(book.estate.nodes())
        await self._publish_whole(book)
        await self._show(everything(book.estate))
        for observed, folding in book.early:
            self._claims.learn(observed, book.estate)
            await self._show(noticed(book.estate, book.estate, observed, folding, self._claims.names))
            await self._claim(book, observed)
        book.early.clear()

    async def _fold(self, book: _Book, position: int, observed: Observed) -> None:
        if observed.cluster is not None and observed.at is None:  # what a cluster shows is seen as it comes
            observed = replace(observed, at=self._clock())
        folding = fold(book.state, observed)
        came = {position} & book.waiting_for if _has_shown(observed) else set()
        book.waiting_for -= came
        if not book.published:
            book.state = folding.state
            if folding.conflicts or observed.heard or observed.observations:
                book.early.append((observed, folding))
            if not book.waiting_for:
                await self._begin(book)
            elif book.late:
                await self._assume(book)
            return
        await self._publish_folded(book, observed, folding)
        await self._claim(book, observed)
        for cluster in (c for p in came if (c := self._sources[p].cluster) is not None):
            log.info("cluster is seen now", cluster=cluster)
            await self._publish_silence(book, silences.seen(cluster))

    async def _claim(self, book: _Book, observed: Observed) -> None:
        """What was heard in senders' own names: claims are folded, readings told beside the deltas."""
        for renewed in self._claims.renewed(observed.nodes, book.estate):
            await self._publish_folded(book, renewed, fold(book.state, renewed))
        back = not observed.heard and self._claims.is_silent(observed.source)
        for heard in (Heard("", self._clock()),) if back else observed.heard:
            assert self._reporter is not None
            unknown = self._reporter.unknown(observed.source, heard)
            for claimed in self._claims.heard(observed.source, heard, book.estate, unknown):
                await self._publish_folded(book, claimed, fold(book.state, claimed))
            if heard.readings:
                self._reporter.add(Round(observed.source, heard, self._claims.names, book.estate))

    async def _publish_silence(self, book: _Book, observed: Observed) -> None:
        await self._publish_folded(book, observed, fold(book.state, observed))

    async def _publish_folded(self, book: _Book, observed: Observed, folding: Folding) -> None:
        before = book.estate
        if folding.conflicts:
            log.warning("inventory conflicted", source=observed.source, things=[str(t) for t in folding.conflicts])
        if folding.changed:
            book.number(folding.state)
            await self._publish_change(book, self._delta(before, book, folding))
        else:  # what a source claims counts later, though it changes nothing now
            book.state = folding.state
        self._claims.seen(folding.nodes, folding.removed_nodes)
        self._claims.learn(observed, book.estate)
        await self._show(noticed(before, book.estate, observed, folding, self._claims.names))

    def _delta(self, before: FrozenEstate, book: _Book, folding: Folding) -> Delta:
        told = telling.told(before, folding.nodes, folding.workloads)
        return Delta(
            version=book.estate.version,
            at=self._clock(),
            nodes=told.nodes,
            workloads=told.workloads,
            alterations=told.alterations,
            removed_nodes=folding.removed_nodes,
            removed_workloads=folding.removed_workloads,
            items=folding.items,
            removed_items=folding.removed_items,
        )

    async def _change_facts(self, book: _Book, envelope: bytes, verify: VerifyFacts) -> None:
        try:
            facts = verify(envelope)
        except (BadInput, Denied) as error:
            log.error("signed facts refused", error=str(error))
            return
        changed = replace(book.state, estate=book.estate.with_facts(facts))
        book.envelope = envelope
        if not book.published:
            book.state = changed
            return
        book.number(changed)
        version = book.estate.version
        await self._publish_change(book, Delta(version=version, at=self._clock(), facts_envelope=envelope.decode()))
        await self._show(everything(book.estate))
        for cluster in self._unseen(book):
            await self._publish_silence(book, silences.assumed(facts, cluster))

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


def _has_shown(observed: Observed) -> bool:
    """Whether its source has shown everything: one that is asked in rounds shows readings, and nothing whole."""
    return observed.whole or any(heard.target for heard in observed.heard)
