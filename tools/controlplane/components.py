"""One process of a control plane: started, awaited, killed, started again with the same flags and data.

Called by `launching` and by `tools.prometheus`. On Linux a component dies with the thread that started it, so start it
on one that lives as long as the server shall. Its output is in one log file; what dies at its start is an error that
shows the tail of it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import structlog

from estate.errors import NeverRetry, RetryLater
from tools.bus import launching, stopping

START_SECONDS = 60.0
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.05
_KEEP_SECONDS = 0.5
_TAIL_LINES = 15
_LAUNCHER = Path(launching.__file__)
_IN_USE = "address already in use"
_GARBAGE_PERCENT = "200"
"""Of the heap, before Go's collector runs: twice the default takes a tenth of the processor time off an API server,
for 90 MB."""

log = structlog.get_logger(__name__)

type Probe = Callable[[Component], Awaitable[bool]]


class Part(StrEnum):
    """The components, by the names of their binaries."""

    ETCD = "etcd"
    API_SERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"
    SCHEDULER = "kube-scheduler"
    KWOK = "kwok"


class ComponentFailed(NeverRetry):
    """A component ended while it started; the message holds the tail of its log."""


class PortTaken(RetryLater):
    """Somebody else took the port between our choice and the component's start."""


@dataclass(frozen=True, slots=True)
class Command:
    """What runs: the binary, its flags, where, and how to see that it serves."""

    part: str
    binary: Path
    flags: tuple[str, ...]
    directory: Path
    serves: Probe


class Component:
    """One running process, under the guard of `tools.bus.launching`."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    @property
    def part(self) -> str:
        """Which one this is."""
        return self._command.part

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def log(self) -> Path:
        """Where its output goes; a restart appends."""
        return self._command.directory / f"{self.part}.log"

    def tail(self) -> str:
        """The last lines of this start's output."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_bytes()[self._log_start :].decode(errors="replace").splitlines()[-_TAIL_LINES:])

    async def start(self) -> None:
        """Start and wait until it serves.

        Raises:
            ComponentFailed: it ended instead.
            PortTaken: it ended because its port was taken.
            RetryLater: it neither ended nor served in a minute.
        """
        if self.pid is not None:
            return
        try:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    if await self._start_once():
                        return
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise RetryLater(f"`{self.part}` did not serve in {START_SECONDS:.0f} s:\n{self.tail()}") from error

    async def stop(self, *, kill: bool = False) -> None:
        """Stop it in order, or with `kill` as a power cut would; returns when it is gone."""
        process, self._process = self._process, None
        await stopping.stop(process, STOP_SECONDS, kill=kill)

    async def keep(self) -> None:
        """Start it again whenever it ends by itself, as a kubelet does; until cancelled. What is stopped stays so."""
        while True:
            process = self._process
            if process is not None:
                status = await process.wait()
                if self._process is process:
                    log.warning("component ended by itself", part=self.part, status=status)
                    await self._again()
            await asyncio.sleep(_KEEP_SECONDS)

    async def _again(self) -> None:
        self._process = None
        try:
            await self.start()
        except (ComponentFailed, PortTaken, RetryLater) as error:
            log.error("component not started again", part=self.part, error=str(error))

    async def _spawn(self) -> asyncio.subprocess.Process:
        command = self._command
        guard = [str(os.getpid()), str(command.directory / f"{self.part}.lock"), str(command.binary), *command.flags]
        with self.log.open("ab") as out:
            self._log_start = out.tell()
            return await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(_LAUNCHER), *guard,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=command.directory,
                env={"HOME": str(command.directory), "PATH": os.defpath, "GOGC": _GARBAGE_PERCENT},
            )  # fmt: skip

    async def _start_once(self) -> bool:
        """Whether it serves; not if the component of an owner that was just killed has not let go of its lock yet."""
        self._process = await self._spawn()
        while not await self._command.serves(self):
            if self._process.returncode == launching.STORE_TAKEN:
                return False
            if self._process.returncode is not None:
                raise self._failure(self._process.returncode)
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def _failure(self, status: int) -> ComponentFailed | PortTaken:
        tail = self.tail()
        if _IN_USE in tail:
            return PortTaken(f"`{self.part}` found its port taken")
        return ComponentFailed(f"`{self.part}` ended with {status} while it started:\n{tail}")
