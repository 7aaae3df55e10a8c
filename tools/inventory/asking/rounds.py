"""Ask each target of a source again and again: what it says, or why it says nothing, until closed.

Called by the sources beside it. Every target has its own pace: one that fails is asked again after growing, jittered
pauses and costs no other anything. A fault that stays is told once. Nothing is made up in a silence: what was heard
before stays as it was, and `Heard.failure` says since when it is old.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

import structlog

from estate.clocks import Clock
from estate.errors import Denied, NeverRetry, RetryLater
from tools.inventory.port import About, Heard, Observed

log = structlog.get_logger(__name__)


class Asking(Protocol):
    """A source that asks: a `tools.inventory.port.Source` whose watching may be closed."""

    @property
    def cluster(self) -> None:
        """None: what it hears is of things that others show."""

    def watch(self) -> AsyncGenerator[Observed]:
        """Every answer, until closed."""


type Ask = Callable[[], Awaitable[Heard]]
"""One question to one target. Raises RetryLater for a passing fault, Denied or NeverRetry for one that stays."""

_WAITING = 64
"""Answers that wait to be taken in; then targets wait too."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited for what, in seconds."""

    every: float = 15.0
    """Between two answers of one target."""
    first_wait: float = 1.0
    longest_wait: float = 120.0
    """Before a target that keeps failing, or refuses us, is asked again."""

    def pause(self, failures: int) -> float:
        """After so many failures in a row; without any, until the next round."""
        if failures == 0:
            return self.every * random.uniform(0.9, 1.1)  # noqa: S311 - so that targets do not all come at once
        grown = self.first_wait * 2.0 ** min(failures - 1, 16)
        return min(grown, self.longest_wait) * random.uniform(0.5, 1.0)  # noqa: S311


@dataclass(frozen=True, slots=True)
class Target:
    """How one target is asked, how often, and what its administrator wrote of it."""

    ask: Ask
    pace: Pace = field(default_factory=Pace)
    about: About = field(default_factory=About)


class Aimed(Protocol):
    """What is set of each target of every kind of source."""

    @property
    def id(self) -> str:
        """What it is called."""

    @property
    def every_seconds(self) -> int:
        """How often it is asked."""


class AskingSource[T: Aimed]:
    """What the sources beside this module have in common."""

    kind: ClassVar[str]
    """What it is called in origins, and in the settings."""

    def __init__(self, targets: Sequence[T], clock: Clock, pace: Pace | None = None) -> None:
        """`pace` stands in the place of the targets' own."""
        self.targets = tuple(targets)
        self.clock = clock
        self._pace = pace

    @property
    def cluster(self) -> None:
        """It shows no cluster: what it hears is of things that others show."""

    def paced(self, target: T) -> Pace:
        """How often that target is asked."""
        return self._pace or Pace(every=float(target.every_seconds))

    def rounds(self, targets: Mapping[str, Target]) -> AsyncGenerator[Observed]:
        """Every answer of these, until closed."""
        return Rounds(self.kind, targets, self.clock).watch()


@dataclass(slots=True)
class Rounds:
    """The targets of one source."""

    source: str
    targets: Mapping[str, Target]
    clock: Clock

    async def watch(self) -> AsyncGenerator[Observed]:
        """First that it owns no node and no workload, so that nobody waits for it; then every answer."""
        yield Observed(self.source, whole=True)
        answers: asyncio.Queue[Heard] = asyncio.Queue(_WAITING)
        # A task of its own: a task group that a generator holds open would cancel whoever iterates, not the generator.
        running = asyncio.create_task(self._all(answers), name=f"{self.source}-asking")
        try:
            while True:
                taken = asyncio.create_task(answers.get(), name=f"{self.source}-answer")
                await asyncio.wait({taken, running}, return_when=asyncio.FIRST_COMPLETED)
                if not taken.done():
                    taken.cancel()
                    running.result()
                    return
                yield Observed(self.source, heard=(taken.result(),))
        finally:
            running.cancel()
            await asyncio.wait([running])

    async def _all(self, answers: asyncio.Queue[Heard]) -> None:
        async with asyncio.TaskGroup() as group:
            for name, target in self.targets.items():
                group.create_task(self._again(name, target, answers), name=f"{self.source}-{name}")

    async def _again(self, name: str, target: Target, answers: asyncio.Queue[Heard]) -> None:
        failures = 0
        told: frozenset[str] = frozenset()
        while True:
            heard = await self._once(name, target.ask)
            faults = {str(f): f for f in heard.faults}
            fresh = tuple(f for text, f in faults.items() if text not in told)
            if not heard.failure:
                told = frozenset(faults)
            self._report(replace(heard, faults=fresh), failures)
            failures = failures + 1 if heard.failure else 0
            await answers.put(replace(heard, faults=fresh, about=target.about))
            await asyncio.sleep(target.pace.pause(failures))

    async def _once(self, name: str, ask: Ask) -> Heard:
        try:
            return await ask()
        except RetryLater as error:
            return Heard(name, self.clock(), failure=str(error))
        except (Denied, NeverRetry) as error:
            return Heard(name, self.clock(), failure=f"refused: {error}")

    def _report(self, heard: Heard, failures: int) -> None:
        """A target is lost once and back once, however often it is asked in between."""
        for fault in heard.faults:
            log.warning("payload faulty", source=self.source, target=heard.target, fault=str(fault))
        if heard.failure and failures == 0:
            log.warning("target lost", source=self.source, target=heard.target, error=heard.failure)
        elif failures and not heard.failure:
            log.info("target back", source=self.source, target=heard.target, failures=failures)
