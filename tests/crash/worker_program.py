"""Runs processes of an installation with a mine laid: `python -m tests.crash.worker_program STATE [--kill POINT] …`.

It says `ready` on stdout once everything answers, and then runs until it is killed or told to stop.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from contextlib import ExitStack, suppress
from pathlib import Path

from console import config, logs
from console.adapters import Adapters
from console.bootstrap import PROCESSES, Installation, running
from console.state import StateDirectory, locked
from tests.crash.mines import Mine, laid
from tests.crash.races import RacingShelf


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("state", type=Path)
    parser.add_argument("--processes", default=",".join(sorted(PROCESSES)))
    parser.add_argument("--kill", default="", help="the point at which to die")
    parser.add_argument("--at", type=int, default=1, help="at which occurrence of it")
    parser.add_argument("--slow", type=float, default=0.0, help="seconds that each move of a workload takes")
    parser.add_argument("--race", default="", help="this racer's name: it waits for the others before it goes on")
    return parser.parse_args()


def adapters(given: argparse.Namespace) -> Adapters:
    if given.race:
        return Adapters(shelf=lambda inner: RacingShelf(inner, given.state / "race", given.race))
    return laid(Mine(given.kill, given.at), given.slow)


async def main(given: argparse.Namespace) -> None:
    state = StateDirectory(given.state)
    flags = {"http.port": 0, "nats_sync": "interval"}
    installation = Installation.open(state, config.load(state.config_path, {}, flags))
    processes = frozenset(given.processes.split(","))
    with ExitStack() as stack:
        if installation.role is None:
            stack.enter_context(locked(state))
        async with running(installation, processes, adapters=adapters(given)) as system:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)  # type: ignore[union-attr]
            print("ready", flush=True)  # noqa: T201
            await system.wait()


if __name__ == "__main__":
    logs.configure()
    with suppress(asyncio.CancelledError):
        asyncio.run(main(arguments()))
