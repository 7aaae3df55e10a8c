"""A worker's heartbeat: every few seconds it says that it is there, and what it runs, digest by digest.

Called by `agents.process`. The inventory's writer reads it (`tools.inventory.workers`), so that what nobody registered
is seen before it proposes anything. A worker that lies, or says nothing, is met by the gate when it proposes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from estate.clocks import Clock
from estate.errors import RetryLater
from estate.ids import ComponentId, InstallationId
from estate.uses.running import Maker
from estate.workers import WorkerPresence
from tools.bus.port import Bucket, Bus
from tools.inventory.workers import BUCKET, PERIOD

FORGOTTEN: Final = PERIOD * 240
"""An hour: of whoever is silent for longer, the key is taken out."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Presence:
    """One worker of one agent."""

    bus: Bus
    installation: InstallationId
    agent: ComponentId
    worker: str
    runs: tuple[Maker, ...]
    clock: Clock

    async def keep_telling(self) -> None:
        """Until cancelled; a bus that is out of reach is waited for."""
        bucket = await self.bus.bucket(BUCKET)
        try:
            await self._tidy(bucket)
            while True:
                await self._tell(bucket)
                await asyncio.sleep(PERIOD.total_seconds())
        finally:
            await self._leave(bucket)

    async def _tell(self, bucket: Bucket) -> None:
        said = WorkerPresence(
            installation=self.installation, agent=self.agent, worker=self.worker, at=self.clock(), runs=self.runs
        )
        try:
            await bucket.put(self._key, said.canonical())
        except RetryLater as error:
            log.warning("presence not told", worker=self.worker, reason=str(error))

    async def _tidy(self, bucket: Bucket) -> None:
        """Take out those of this agent's workers who ended without a word."""
        try:
            for stored in await bucket.values(f"{self.agent}.*"):
                if self.clock() - WorkerPresence.read(stored.value).at > FORGOTTEN:
                    await bucket.delete(stored.key)
        except RetryLater as error:
            log.warning("workers' bucket not tidied", reason=str(error))

    async def _leave(self, bucket: Bucket) -> None:
        try:
            async with asyncio.timeout(1):
                await bucket.delete(self._key)
        except (RetryLater, TimeoutError) as error:
            log.debug("presence not taken out", reason=str(error))

    @property
    def _key(self) -> str:
        return f"{self.agent}.{self.worker}"
