"""How long the hands wait for a cluster to follow, and how: one look, then a watch until there is reason for another.

Every wait of the hands is a `Deadline.until`. A look counts, an event only wakes (`watching`); a passing fault on the
way (an API server that restarts) is part of the waiting. Clock and sleep can be given.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from estate.errors import RetryLater
from tools.execution.kubernetes.watching import Since, Vigil
from tools.execution.patience import Sleep
from tools.kubernetes.pausing import pauses


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds in seconds, and what a drain may destroy."""

    evict: float = 600.0
    """For the disruption budgets to let a pod go."""
    end: float = 300.0
    """For an evicted pod to be gone, its grace period and finalizers included."""
    bind: float = 600.0
    """For pods to bind where the plan wants them."""
    cut: float = 1_800.0
    """For a partition manager to cut the accelerators of a node, a restart of the machine included."""
    machines: float = 86_400.0
    """For machines that were ordered to work, where the change allows as long."""
    between_looks: float = 0.5
    """The least between two looks, however much happens."""
    resync: float = 30.0
    """The most between two looks, however little happens: what no watch tells is seen then."""
    longest_pause: float = 5.0
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
    def left(self) -> float:
        """Seconds until the time is up."""
        return max(0.0, self.at - self.limits.clock())

    async def until[T](
        self, look: Callable[[], Awaitable[T]], settled: Callable[[T], bool], since: Callable[[T], Iterable[Since]]
    ) -> T:
        """What the last look saw: the first settled sight, or the sight when the time was up.

        `since` says what to watch after a sight that is not settled, and from which versions.

        Raises:
            RetryLater: nothing could be seen when the time was up.
        """
        limits = self.limits
        vigil = Vigil(limits.between_looks, limits.longest_pause)
        try:
            while True:
                began = limits.clock()
                if settled(seen := await self._look(look)) or not self.left:
                    return seen
                vigil.keep(since(seen))
                await vigil.woken(min(self.left, limits.resync))
                await limits.sleep(max(0.0, began + limits.between_looks - limits.clock()))
        finally:
            await vigil.close()

    async def _look[T](self, look: Callable[[], Awaitable[T]]) -> T:
        def late(state: RetryCallState) -> bool:
            return not self.left

        async def attempt() -> T:
            return await look()

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(RetryLater),
            wait=pauses(self.limits.between_looks, self.limits.longest_pause),
            stop=late,
            sleep=self.limits.sleep,
            reraise=True,
        )
        return await retrying(attempt)
