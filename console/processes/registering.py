"""Warrants registered at the doors of the clusters that they are about, before their executors hear of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import structlog

from estate.errors import PlacetError
from estate.ids import ClusterId, Digest
from estate.snapshots import Snapshot
from estate.warrants import Warrant
from policies.admission import registering
from tools.kubernetes.registers import Register

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Registers:
    """The registers of the clusters whose registrar the gate is; other clusters take any new mark."""

    of: Mapping[ClusterId, Register] = field(default_factory=dict)

    async def admit(self, warrant: Warrant, snapshot: Snapshot) -> None:
        """Register it wherever it will write. Raises RetryLater, Denied: it may not be sent yet."""
        if not self.of:
            return
        wanted = registering.places(warrant.steps, snapshot)
        known = {c: places for c, places in wanted.items() if c in self.of}
        await asyncio.gather(*(self.of[c].put(warrant.proposal, places) for c, places in known.items()))
        log.info("warrant registered", proposal=warrant.proposal, places={c: sorted(p) for c, p in known.items()})

    async def keep(self, proposals: Callable[[], Collection[Digest]]) -> None:
        """Strike out what is not in flight any more. A cluster out of reach holds nobody up: another outcome will."""

        async def kept(cluster: ClusterId, register: Register) -> None:
            try:
                await register.keep(proposals)
            except PlacetError as error:
                log.warning("register not cleared", cluster=cluster, error=str(error))

        await asyncio.gather(*(kept(cluster, register) for cluster, register in self.of.items()))
