"""Programs of ours as real operating-system processes, without the seconds in which each would load the same modules.

A server of the standard library's own, one for each worker of the test run, loads them once and forks a process for
each program, which is then run as `python -m` would. It has a pid, exit codes and signals of its own and dies by
`kill -9` like any other. For the commands of a script there is `tests.prompts`.
"""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Program:
    """What is run: a module and its arguments, with nothing but this environment."""

    module: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    errors: Path
    """Where stderr is appended."""
    cwd: Path = REPOSITORY


class Spawned:
    """A running program, or one that has ended; as `asyncio.subprocess.Process`."""

    def __init__(self, process: ForkServerProcess, stdout: asyncio.StreamReader) -> None:
        assert process.pid is not None
        self._process = process
        self.pid: int = process.pid
        self.stdout = stdout

    @property
    def returncode(self) -> int | None:
        """What it ended with, the signal's number below zero; None while it runs."""
        return self._process.exitcode

    async def wait(self) -> int:
        """What it ended with."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        watched = os.dup(self._process.sentinel)  # several may wait, and the loop knows each descriptor once
        loop.add_reader(watched, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(watched)
            os.close(watched)
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    async def communicate(self) -> tuple[bytes, None]:
        """All that it said on stdout, once it has ended."""
        said = await self.stdout.read()
        await self.wait()
        return said, None

    def send_signal(self, number: signal.Signals) -> None:
        """Raises ProcessLookupError: it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)


async def spawn(program: Program) -> Spawned:
    """Start it."""
    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = server().Process(target=_run, args=(program, sending), name=program.module, daemon=True)
    await asyncio.to_thread(process.start)
    sending.close()
    stdout = asyncio.StreamReader()
    pipe = os.fdopen(os.dup(receiving.fileno()), "rb", buffering=0)
    receiving.close()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdout), pipe)
    return Spawned(process, stdout)


async def run(
    module: str, *arguments: str, environment: Mapping[str, str], cwd: Path = REPOSITORY
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, without a terminal."""
    with tempfile.NamedTemporaryFile(prefix="placet-stderr-") as errors:
        spawned = await spawn(Program(module, arguments, environment, Path(errors.name), cwd))
        said, _ = await spawned.communicate()
        code = await spawned.wait()
        return subprocess.CompletedProcess((module, *arguments), code, said.decode(), errors.read().decode())


@functools.cache
def server() -> ForkServerContext:
    """What forks the processes; it has loaded `tests.warm`."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["tests.warm"])
    return made


def _run(program: Program, stdout: Connection) -> None:
    """In the new process: become the program."""
    os.environ.clear()
    os.environ.update(program.environment)
    os.chdir(program.cwd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout.fileno(), 1)
    os.dup2(os.open(program.errors, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), 2)
    stdout.close()
    sys.argv = [program.module, *program.arguments]
    runpy.run_module(program.module, run_name="__main__", alter_sys=True)
