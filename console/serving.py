"""`placet run` and each process apart: under the state directory's lock, until a signal or until something fails.

Whatever fails ends the program with a non-zero code: a supervisor restarts it, and everything it was doing goes on
from what is durable.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import structlog

from console import whereabouts
from console.bootstrap import PROCESSES, Installation, running
from console.config import Config
from console.state import StateDirectory, locked
from estate.errors import BadInput

log = structlog.get_logger(__name__)


async def serve(state: StateDirectory, config: Config, processes: frozenset[str]) -> int:
    """Run until SIGTERM or SIGINT (0), or until a process fails (raises what ended it).

    Raises:
        RetryLater: another program holds the state directory.
        BadInput: a process apart, and no NATS server to meet the others at.
    """
    installation = Installation.open(state, config)
    if config.nats_url is None and processes != PROCESSES:
        raise BadInput("a process apart needs a NATS server to meet the others at; name it with `--nats-url`")
    stopping = _stop_on_signals()
    async with AsyncExitStack() as stack:
        if processes == PROCESSES:
            stack.enter_context(locked(state))
            stack.callback(whereabouts.forget, state)
        system = await stack.enter_async_context(running(installation, processes))
        log.info("running", installation=system.installation, nats=system.nats_url, http_port=system.http_port)
        stop = asyncio.create_task(stopping.wait(), name="signals")
        failed = asyncio.create_task(system.wait(), name="processes")
        try:
            await asyncio.wait((stop, failed), return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                failed.result()
        finally:
            stop.cancel()
            failed.cancel()
            await asyncio.gather(stop, failed, return_exceptions=True)
        log.info("stopping", installation=system.installation)
    return 0


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
