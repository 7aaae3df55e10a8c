"""Signed settings in one process: enrolments, freezes and modes, from the ledger first and then as they are signalled.

Gate, executor and console hold one each. The ledger is the truth; the stream only says at once that it has grown. A
setting takes effect in every process well within a second of its entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from estate.clocks import Clock
from estate.errors import Denied, NeverRetry
from estate.ids import InstallationId, KeyId
from estate.modes import Mode
from estate.subjects import Subjects
from policies.controls import Controls
from policies.enrolments import Enrolments
from policies.ledger.port import Ledger
from tools.bus import streams
from tools.bus.port import Bus, Delivery

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force, and how it is followed."""

    enrolments: Enrolments
    controls: Controls
    loaded: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, installation: InstallationId, first_administrator: KeyId, clock: Clock, mode: Mode) -> Standing:
        """Nothing but the pinned administrator and the default mode."""
        enrolments = Enrolments(installation, first_administrator, clock)
        return cls(enrolments, Controls(installation, enrolments, clock, mode))

    async def load(self, ledger: Ledger) -> None:
        """Everything that the ledger holds."""
        await self.enrolments.load(ledger)
        await self.controls.load(ledger)
        self.loaded.set()

    async def follow(self, bus: Bus, subjects: Subjects) -> None:
        """Every setting from the stream's oldest on, until cancelled. One that does not hold is an alarm.

        Only once the ledger is loaded: whoever signed a setting may be known from there alone, and a freeze that was
        refused for it would be in force in every process but this one.
        """
        await self.loaded.wait()
        async for delivery in bus.follow(streams.CONTROLS):
            self.take(delivery, subjects)

    def take(self, delivery: Delivery, subjects: Subjects) -> None:
        """Let one setting take effect."""
        apply: Callable[[bytes], object] = (
            self.enrolments.apply if delivery.subject == subjects.control("enrolment") else self.controls.apply
        )
        try:
            apply(delivery.data)
        except (Denied, NeverRetry) as error:
            log.error("setting refused", subject=delivery.subject, sequence=delivery.sequence, reason=str(error))
