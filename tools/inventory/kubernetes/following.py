"""Follow one kind of objects: list, then watch from that version on, again and again, until cancelled.

Called by `source`. A watch that ends is resumed at its last version; one whose version is gone is listed anew; passing
faults are waited out with growing, jittered pauses, for as long as it takes. A first list that is refused for good ends
it, later refusals do not: an API server that restarts denies for a moment what it allows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from estate.errors import RetryLater
from tools.inventory.kubernetes.modelling import ClusterModel, said
from tools.kubernetes import faults
from tools.kubernetes.connecting import Connection, Event
from tools.kubernetes.pausing import pauses
from tools.kubernetes.resources import Resource

log = structlog.get_logger(__name__)

_TOLD_EVERY = 12
_HASTY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How long one cluster's source waits for what, in seconds."""

    batch: float = 0.02
    """What arrives within this time is one batch."""
    facts: float = 1.0
    """How often it looks for other facts."""
    discovery: float = 30.0
    """How often it looks for kinds that were not served, or not to be read, before."""
    watch: int = 75
    """Seconds that one watch lasts before it is resumed: less than `connecting.QUIET_SECONDS`, so that a kind of which
    nothing happens ends in order and is not taken for a dead connection."""
    first_wait: float = 0.1
    longest_wait: float = 5.0
    slice: int = 500
    """Workloads worked out at once, before others may run."""


@dataclass(slots=True)
class Following:
    """One kind of one cluster. `recognise` raises unless the cluster is still the one it shall be."""

    resource: Resource
    connection: Connection
    model: ClusterModel
    pace: Pace
    recognise: Callable[[], Awaitable[None]]
    changed: Callable[[], None]
    """Called after each change of the model, and once everything is listed."""
    version: str = ""
    listed: bool = False
    recognised: bool = False
    """Whether it is known to be the right cluster since the last fault."""

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            Denied: it is another cluster, or (before the first list) these credentials may not read it.
            NeverRetry: the first list can never succeed.
        """
        while True:
            retrying = AsyncRetrying(
                retry=retry_if_exception(self._passes),
                wait=pauses(self.pace.first_wait, self.pace.longest_wait),
                before_sleep=self._tell,
                reraise=True,
            )
            async for attempt in retrying:
                with attempt:
                    await self._turn()

    async def _turn(self) -> None:
        if not (self.recognised and self.version):
            await self.recognise()
            if self.version and await self._went_back():
                log.warning("versions went back", kind=self.resource.plural, version=self.version)
                self.version = ""
        self.recognised = False
        self.recognised = await (self._watch() if self.version else self._list())

    async def _list(self) -> bool:
        self.model.relist(self.resource)
        seen: set[str] = set()
        version = ""
        async for page in self.connection.pages(self._path, self._narrowed):
            seen.update(self.model.see(self.resource, written).uid for written in page.written)
            version = page.version
            self.changed()
        self.model.keep_only(self.resource, seen)
        self.version, self.listed = version, True
        self.changed()
        return True

    async def _went_back(self) -> bool:
        """Whether the cluster is older now than what was seen of it: restored from a backup. A watch from a version
        that is to come would pass over everything until then. (API servers' versions are numbers that can be compared.)
        """
        async for page in self.connection.pages(self._path, self._narrowed, size=1):
            return page.version.isdecimal() and self.version.isdecimal() and int(page.version) < int(self.version)
        return False

    async def _watch(self) -> bool:
        """One watch; whether it ended in order. What it brought counts: only a break that brought nothing is raised."""
        began, clock = self.version, asyncio.get_running_loop().time
        until = clock() + _HASTY_SECONDS
        asked = {"resourceVersion": began, **self._narrowed}
        try:
            async for event in self.connection.watch(self._path, asked, seconds=self.pace.watch):
                self._take(event)
        except faults.Gone as error:
            log.info("watch expired", kind=self.resource.plural, reason=str(error))
            self.version = ""
        except RetryLater:
            if self.version == began:
                raise
            return False
        else:
            if self.version == began and clock() < until:
                raise faults.Unreachable(f"the watch of `{self.resource.plural}` ended at once")
        return True

    @property
    def _path(self) -> str:
        return self.resource.path(self.resource.within)

    @property
    def _narrowed(self) -> dict[str, str]:
        return {"fieldSelector": self.resource.where} if self.resource.where else {}

    def _take(self, event: Event) -> None:
        if event.type in ("DELETED", "BOOKMARK"):
            raw = event.object
            if event.type == "DELETED":
                self.model.drop(self.resource, raw)
            version = said(raw, "resourceVersion")
        else:
            version = self.model.see(self.resource, event.written).version
        self.version = version or self.version
        self.changed()

    def _passes(self, error: BaseException) -> bool:
        if isinstance(error, RetryLater | faults.Gone):
            return True
        refused = (faults.Forbidden, faults.Unauthenticated, faults.NotFound, faults.Rejected)
        return self.listed and isinstance(error, refused)

    def _tell(self, state: RetryCallState) -> None:
        if state.attempt_number % _TOLD_EVERY == 1:
            error = state.outcome.exception() if state.outcome else None
            log.warning(
                "cluster not readable", kind=self.resource.plural, attempt=state.attempt_number, error=str(error)
            )
