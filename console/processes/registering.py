"""Warrants registered at the doors of the clusters that they are about, before their executors hear of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import structlog

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
        known = [(self.of[c], places) for c, places in wanted.items() if c in self.of]
        log.info("warrant registered", proposal=warrant.proposal, places={c: sorted(p) for c, p in wanted.items()})
        await asyncio.gather(*(register.put(warrant.proposal, places) for register, places in known))

    async def keep(self, proposals: Callable[[], Collection[Digest]]) -> None:
        """Strike out what is not in flight any more. Raises RetryLater, Denied."""
        await asyncio.gather(*(register.keep(proposals) for register in self.of.values()))
