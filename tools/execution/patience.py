"""How long the executor waits and how often it tries again. Only `RetryLater` is ever tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from estate.errors import RetryLater

type Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds, in seconds and attempts."""

    attempts: int = 5
    first_wait: float = 0.05
    longest_wait: float = 2.0
    looks: int = 40
    """Live reads before a postcondition counts as missed."""
    between_looks: float = 0.25
    catch_up: float = 5.0
    """Seconds for the inventory to reach the snapshot that a warrant names."""
    sleep: Sleep = asyncio.sleep

    @property
    def seconds(self) -> float:
        """How long a postcondition may be missed."""
        return self.looks * self.between_looks

    async def insist[T](self, call: Callable[[], Awaitable[T]], only: type[RetryLater] = RetryLater) -> T:
        """The result of `call`, tried again after passing faults (or `only` those of one kind).

        Raises:
            RetryLater: the last attempt met a passing fault too.
        """
        try:
            return await call()
        except only as error:  # most calls meet none, and tenacity costs as much as a request's own work
            return await self._tried_again(call, only, error)

    async def _tried_again[T](
        self, call: Callable[[], Awaitable[T]], only: type[RetryLater], first: RetryLater | None
    ) -> T:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(only),
            stop=stop_after_attempt(self.attempts),
            wait=wait_exponential_jitter(multiplier=self.first_wait, max=self.longest_wait, jitter=self.first_wait),
            sleep=self.sleep,
            reraise=True,
        )

        async def attempt() -> T:
            nonlocal first
            if (fault := first) is not None:
                first = None
                raise fault
            return await call()

        return await retrying(attempt)

    async def until[T](self, look: Callable[[], Awaitable[T]], settled: Callable[[T], bool]) -> T:
        """What the last look saw: the first settled sight, or the sight when patience ended."""
        for _ in range(self.looks - 1):
            if settled(seen := await self.insist(look)):
                return seen
            await self.sleep(self.between_looks)
        return await self.insist(look)
