"""How long the hands wait for a cluster to follow. Clock and sleep can be given, so that no test waits in earnest.

A wait looks again until its deadline; a passing fault on the way (an API server that restarts) is part of the waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from estate.errors import RetryLater
from tools.execution.patience import Sleep


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds in seconds, and what a drain may destroy."""

    evict: float = 600.0
    """For the disruption budgets to let a pod go."""
    end: float = 300.0
    """For an evicted pod to be gone, its grace period and finalizers included."""
    bind: float = 600.0
    """For pods to bind where the plan wants them."""
    between_looks: float = 0.5
    empty_dirs: bool = False
    """Whether a pod may be evicted whose emptyDir volumes die with it."""
    clock: Callable[[], float] = time.monotonic
    sleep: Sleep = asyncio.sleep

    def deadline(self, seconds: float) -> Deadline:
        """A wait that begins now."""
        return Deadline(self, self.clock() + seconds)


@dataclass(frozen=True, slots=True)
class Deadline:
    """One bounded wait."""

    limits: Limits
    at: float

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self.limits.clock() >= self.at

    async def until[T](self, look: Callable[[], Awaitable[T]], settled: Callable[[T], bool]) -> T:
        """What the last look saw: the first settled sight, or the sight when the time was up.

        Raises:
            RetryLater: nothing could be seen when the time was up.
        """
        while True:
            try:
                if settled(seen := await look()) or self.passed:
                    return seen
            except RetryLater as fault:
                if self.passed:
                    raise
                await self.limits.sleep(max(getattr(fault, "after", 0.0), self.limits.between_looks))
                continue
            await self.limits.sleep(self.limits.between_looks)
