"""What the processes of one interpreter share, and what each is given of it. Made by `console.bootstrap` only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol

from agents.observing import Observer
from console import visiting
from console.adapters import Adapters
from console.composing.grounds import Ground
from console.installations import Installation
from console.processes.settings import Standing
from console.systems import System
from policies.signed_facts import Latch
from tools.bus.nats import NatsBus
from tools.bus.port import Bus
from tools.bus.precedence import RightOfWay
from tools.inventory.columns.histories import NONE
from tools.inventory.follower import Follower
from tools.inventory.resuming import Shelf


class Host(Protocol):
    """A process, composed and not yet running."""

    async def run(self) -> None:
        """Until cancelled, or until a task of it ends."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The system that is being composed, and a way to connect to it."""

    installation: Installation
    system: System
    adapters: Adapters
    stack: AsyncExitStack
    buses: dict[str, Bus]
    ground: Ground | None
    """None where no process that runs here looks at the world."""
    observer: Observer | None
    latch: Callable[[], Latch]
    """Each reader of facts has one of its own, none of which goes below what is known to have been in force."""
    way: RightOfWay = field(default_factory=RightOfWay)
    """Fences before cases, over all processes of this interpreter."""
    awaited: list[asyncio.Event] = field(default_factory=list)
    """What must have happened before the system is ready."""

    async def bus(self, user: str) -> Bus:
        """A connection of a process's own, as its NATS user."""
        made = await connected(self.installation, self.system.nats_url, user, self.stack, self.way)
        self.buses[user] = bus = self.adapters.bus(made)
        return bus

    def follower(self, name: str, bus: Bus, *, past: bool = False, latch: Latch | None = None) -> Follower:
        """A process's own copy of the estate, behind that latch; with `past`, of its recent versions too."""
        shelf = Shelf(self.installation.state.estates_path / f"{name}.columns")
        follower = Follower(bus, self.installation.subjects, latch or self.latch(), shelf, None if past else NONE)
        self.system.inventories[name] = follower
        return follower

    def standing(self) -> Standing:
        """A process's own view of the signed settings, with nothing loaded yet."""
        record, config = self.installation.record, self.installation.config
        return Standing.of(record.id, record.administrator_key, self.installation.clock, config.standing_mode)

    def holder(self, role: str) -> str:
        """Unique to this start of this process."""
        return f"{role}-{os.getpid()}-{self.installation.entropy(4).hex()}"

    def the_ground(self) -> Ground:
        """The world, for who looks at it or writes it."""
        assert self.ground is not None, "the ground is opened whenever the inventory or an executor runs"
        return self.ground


async def connected(
    installation: Installation, url: str, user: str, stack: AsyncExitStack, way: RightOfWay | None = None
) -> NatsBus:
    """A connection that the stack closes."""
    bus = await visiting.connect(installation, url, user, way)
    stack.push_async_callback(bus.close)
    return bus
