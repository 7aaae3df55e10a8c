"""Tasks of a process, owned and watched: the end of any one, by an error or by itself, is reported and ends all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping

import structlog

from estate.errors import NeverRetry

log = structlog.get_logger(__name__)


class TaskEnded(NeverRetry):
    """A task that should run for as long as its process lives has ended by itself."""


async def keep(process: str, tasks: Mapping[str, Coroutine[object, object, object]]) -> None:
    """Run the tasks until cancelled.

    Raises:
        TaskEnded, or whatever a task raised first: the others are cancelled before it is raised.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for name, work in tasks.items():
                group.create_task(_watched(process, name, work), name=f"{process}-{name}")
    except BaseExceptionGroup as group_error:
        raise first_of(group_error) from group_error


async def _watched(process: str, name: str, work: Coroutine[object, object, object]) -> None:
    try:
        await work
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        log.error("task failed", process=process, task=name, error=f"{type(error).__name__}: {error}")
        raise
    log.error("task ended", process=process, task=name)
    raise TaskEnded(f"task `{name}` of `{process}` ended by itself; its process stops")


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group that is not itself a group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
