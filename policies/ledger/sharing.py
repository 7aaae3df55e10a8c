"""Stretches of an export shared among processes, because one process hashes on one core.

Called by `policies.ledger.verifying`. Answers come in the order of what was given. So many stretches are under way as
keep every process busy, whatever the size of the export: nothing else of it is in memory.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Protocol

from estate.errors import RetryLater
from policies.ledger import stretches
from policies.ledger.stretches import Checked, Stretch


class Share(Protocol):
    """Takes stretches and gives back what was found in them, in order."""

    def give(self, stretch: Stretch) -> Iterator[Checked]:
        """Have that checked; what is done by now."""

    def rest(self) -> Iterator[Checked]:
        """Everything that was given and has not come back."""


class Here:
    """Checks in this process."""

    def give(self, stretch: Stretch) -> Iterator[Checked]:
        """See `Share`."""
        yield stretches.check(stretch)

    def rest(self) -> Iterator[Checked]:
        """See `Share`."""
        yield from ()


class Among:
    """Checks in a pool of that many, which are all kept busy."""

    def __init__(self, pool: Executor, processes: int) -> None:
        self._pool = pool
        self._most = processes + 2
        self._given: deque[Future[Checked]] = deque()

    def give(self, stretch: Stretch) -> Iterator[Checked]:
        self._given.append(self._pool.submit(stretches.check, stretch))
        while len(self._given) > self._most:
            yield self._next()

    def rest(self) -> Iterator[Checked]:
        while self._given:
            yield self._next()

    def _next(self) -> Checked:
        try:
            return self._given.popleft().result()
        except BrokenProcessPool as error:
            raise RetryLater("a process that helped to verify was ended; try again, with more memory free") from error


@contextmanager
def shared(processes: int) -> Iterator[Share]:
    """Among that many processes, which end with the block; in this one where it is one.

    They are started from nothing: nothing of the caller's threads, files and locks comes along.
    """
    if processes < 2:
        yield Here()
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield Among(pool, processes)
        finally:
            pool.shutdown(cancel_futures=True)
