"""`placet run` under the state directory's lock, and each process apart in its own: until a signal or a failure.

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
from console.health import beating
from console.roles import needs
from console.state import StateDirectory, locked
from estate.errors import BadInput

log = structlog.get_logger(__name__)


async def serve(state: StateDirectory, config: Config, processes: frozenset[str]) -> int:
    """Run until SIGTERM or SIGINT (0), or until a process fails (raises what ended it).

    Raises:
        RetryLater: another program holds the state directory.
        BadInput: the directory was issued to another role or to none, or its settings cannot work apart.
    """
    installation = Installation.open(state, config)
    if processes == PROCESSES:
        _refuse_parts(installation)
    else:
        _refuse_strange(installation, *processes)
    stopping = _stop_on_signals()
    async with AsyncExitStack() as stack:
        if processes == PROCESSES:
            stack.enter_context(locked(state))
            stack.callback(whereabouts.forget, state)
        system = await stack.enter_async_context(running(installation, processes))
        log.info("running", installation=system.installation, nats=system.nats_url, http_port=system.http_port)
        stop = asyncio.create_task(stopping.wait(), name="signals")
        failed = asyncio.create_task(system.wait(), name="processes")
        beat = asyncio.create_task(beating(system, state), name="health")
        try:
            await asyncio.wait((stop, failed, beat), return_when=asyncio.FIRST_COMPLETED)
            for ended in (failed, beat):
                if ended.done():
                    ended.result()
        finally:
            for task in (stop, failed, beat):
                task.cancel()
            await asyncio.gather(stop, failed, beat, return_exceptions=True)
        log.info("stopping", installation=system.installation)
    return 0


def _refuse_parts(installation: Installation) -> None:
    if installation.role is not None:
        name, process = installation.role.name, installation.role.process
        start = f"start it with `placet {process}`" if process else "nothing runs on it"
        raise BadInput(f"`{installation.state.root}` was issued to `{name}` alone; {start}")


def _refuse_strange(installation: Installation, process: str) -> None:
    """A process apart holds what its role needs; where more lies than that, it does not start."""
    root, role, config = installation.state.root, installation.role, installation.config
    if role is None:
        raise BadInput(f"`{root}` holds a whole installation; give `{process}` a directory of its own: `placet issue`")
    if role.process != process:
        raise BadInput(f"`{root}` was issued to `{role.name}`; `placet {process}` needs a directory of its own")
    if config.nats_url is None:
        raise BadInput("a process apart needs a NATS server to meet the others at; name it with `--nats-url`")
    if needs(role.name).ledger and config.ledger == "sqlite":
        raise BadInput("a SQLite ledger is one program's own; set `ledger: postgresql://…` (PLACET_LEDGER)")


def _stop_on_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
