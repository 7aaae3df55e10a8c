"""The signed facts of an installation as they lie on disk now: read again when the file is another one.

The inventory and its sources ask it. What does not verify, has expired, or is older than what was in force is
refused with an alarm, and what was in force stays: a broken file takes nobody's law away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from console.installations import Installation
from estate.errors import BadInput, Denied, NewerRecord
from estate.law import Facts
from tools.inventory.port import VerifyFacts

EVERY = timedelta(seconds=2)

log = structlog.get_logger(__name__)


class Lawbase:
    """One law base, and the one that replaces it. One interpreter has one."""

    def __init__(self, installation: Installation, verify: VerifyFacts) -> None:
        """Raises as `verify`, or BadInput where there is no file."""
        self._installation = installation
        self._verify = verify
        self._refused = b""
        self.envelope = installation.facts_envelope()
        self._facts = installation.facts(verify)

    def __call__(self) -> Facts:
        """The newest facts that verified."""
        return self._facts

    async def follow(self, renew: Callable[[bytes], Awaitable[None]]) -> None:
        """Tell of newer facts, until cancelled."""
        while True:
            await asyncio.sleep(EVERY.total_seconds())
            if await asyncio.to_thread(self.reread):
                await renew(self.envelope)

    def reread(self) -> bool:
        """Whether the file holds other facts than before, and they are in force now."""
        try:
            found = self._installation.facts_envelope()
            if found in (self.envelope, self._refused):
                return False
            self._refused = found
            self._facts = self._verify(found)
        except (BadInput, Denied, NewerRecord) as error:
            log.error("signed facts refused", error=str(error))
            return False
        self.envelope = found
        log.info("facts renewed", version=self._facts.version, digest=self._facts.facts_digest)
        return True
