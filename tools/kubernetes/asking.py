"""How an account asks an API server about itself: side by side, never too many at once. Changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from estate.errors import NeverRetry

AT_ONCE: Final = 8
"""Questions in flight: a review is cheap, a flood of them is not polite."""

type Told = Callable[[int, int], None]
"""Progress: how many of how many were asked."""


class Asks(Protocol):
    """One request to an API server, as `tools.kubernetes.connecting.Connection` makes it."""

    async def request(
        self, method: str, path: str, query: Mapping[str, str | int | bool] | None = None, body: Any = None
    ) -> Mapping[str, Any]:
        """The parsed answer of a success; raises for everything else."""


async def each[A, B](ask: Callable[[A], Awaitable[B]], asked: Iterable[A], told: Told = lambda *_: None) -> list[B]:
    """The answers in order. The first failure ends all, as itself."""
    listed = list(asked)
    turn = asyncio.Semaphore(AT_ONCE)  # bounds the questions in flight, protects nothing
    done = 0

    async def one(item: A) -> B:
        nonlocal done
        async with turn:
            answer = await ask(item)
        done += 1
        told(done, len(listed))
        return answer

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(i), name=f"review {i}") for i in listed]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [t.result() for t in tasks]


def within(answer: Mapping[str, Any], *path: str) -> object:
    """What stands at that path. Raises NeverRetry where nothing does."""
    found: object = answer
    for step in path:
        if not isinstance(found, Mapping) or step not in found:
            raise NeverRetry(f"the API server's answer has no `{'.'.join(path)}`; is it a Kubernetes of 1.28 or later")
        found = found[step]
    return found
