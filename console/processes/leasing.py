"""A process that is the only one of its kind: it works while it holds its lease, and not a moment longer.

The token fences what it writes, so that a process that was replaced and does not know it yet changes nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta

import structlog

from console.processes.watching import keep
from estate.errors import RetryLater
from tools.bus.port import Bus, Conflict, Lease

log = structlog.get_logger(__name__)
TTL = timedelta(seconds=6)

type Fence = Callable[[], int]
"""The token of the lease that is held."""


@dataclass(frozen=True, slots=True)
class Leasing:
    """The lease `name` on one connection. `holder` is unique to this start of this process."""

    bus: Bus
    name: str
    holder: str

    async def hold(self, work: Callable[[Fence], Coroutine[object, object, None]]) -> None:
        """Wait for the lease, then work until cancelled.

        Raises:
            Conflict: another holder took the lease.
        """
        lease = await self.bus.lease(self.name, self.holder, ttl=TTL)
        log.info("lease taken", name=self.name, holder=self.holder, token=lease.token)
        try:
            await keep(self.name, {"lease": _renewing(lease), "work": work(lambda: lease.token)})
        finally:
            await _released(lease)


async def _renewing(lease: Lease) -> None:
    while True:
        await asyncio.sleep(TTL.total_seconds() / 3)
        try:
            await lease.renew()
        except Conflict:
            raise
        except RetryLater as error:
            log.warning("lease not renewed", error=str(error))


async def _released(lease: Lease) -> None:
    try:
        await lease.release()
    except RetryLater as error:
        log.warning("lease not given back", error=str(error))
