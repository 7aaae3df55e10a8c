"""compose.yaml as real processes: its commands, environments and health checks, without containers.

What a container would change is substituted and nothing else: `/placet` is a temporary folder, a service's name is
loopback with a port of its own, an image of ours is its entry point here, and the two servers are real ones started as
their images start them. The first service is started by the entry point itself, which loads its modules for seconds;
the others are forked from a program that has them (`tests.spawning`).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import yaml

from console.state import StateDirectory
from tests import surroundings
from tests.crash.supervision import PATIENCE, SELDOM, Outside, until
from tests.parting import free_port, listens
from tests.postgres import postgres
from tests.spawning import Program, Spawned, run, spawn
from tools.bus import launching
from tools.bus.server import find_binary

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY / "compose.yaml"


def services() -> dict[str, dict[str, Any]]:
    """Every service, anchors and merges resolved."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
    return found


def entry_point() -> tuple[str, ...]:
    """What the image runs before a service's command."""
    (line,) = re.findall(r"^ENTRYPOINT (.+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    return tuple(json.loads(line))


def _module() -> str:
    """What the entry point runs, by the distribution's own word."""
    (found,) = entry_points(group="console_scripts", name=entry_point()[0])
    return found.module


@dataclass(slots=True)
class Composition:
    """A running composition. `folder` stands for `/placet`."""

    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: {n: free_port() for n in ("4222", "5432", "8090", "8222")})
    running: dict[str, Spawned | asyncio.subprocess.Process] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """The same, outside of a container."""
        places = {"/placet": str(self.folder), "0.0.0.0": "127.0.0.1", "nats:4222": f"127.0.0.1:{self.ports['4222']}"}
        places |= {"postgres:5432": f"127.0.0.1:{self.ports['5432']}"}
        for inside, outside in (*places.items(), *((p, str(n)) for p, n in self.ports.items() if text == p)):
            text = text.replace(inside, outside)
        return text

    def environment(self, service: Mapping[str, Any]) -> dict[str, str]:
        """What the service is told, and nothing of what this process was."""
        told = {k: self.here(v) for k, v in service.get("environment", {}).items()}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return surroundings.plain() | {"PATH": path, "NO_COLOR": "1"} | told

    async def start(self, name: str) -> Spawned | asyncio.subprocess.Process:
        """The service's own command."""
        service, log = services()[name], self.folder / f"{name}.log"
        words, told = [self.here(word) for word in service["command"]], self.environment(service)
        if self.running:
            log.touch()
            self.running[name] = await spawn(Program(_module(), tuple(words), told, log))
            return self.running[name]
        with log.open("a") as out:
            self.running[name] = await asyncio.create_subprocess_exec(
                *entry_point(), *words, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env=told
            )
        return self.running[name]

    async def once(self, name: str) -> None:
        """A service that others wait for until it has completed."""
        ended = await asyncio.wait_for((await self.start(name)).wait(), PATIENCE)
        assert ended == 0, f"{name}: {self.log(name)}"

    def log(self, name: str) -> str:
        """The end of what a service said."""
        return (self.folder / f"{name}.log").read_text()[-3000:]

    async def healthy(self, name: str) -> None:
        """Until the service's own health check says so."""
        service = services()[name]
        kind, program, *words = service["healthcheck"]["test"]
        assert (kind, program) == ("CMD", *entry_point())

        async def asked() -> bool | None:
            assert self.running[name].returncode is None, f"{name} ended: {self.log(name)}"
            asking = await run(_module(), *words, environment=self.environment(service))
            return True if asking.returncode == 0 else None

        await until(asked, f"{name} to be healthy", 120, every=SELDOM)

    async def kill(self, name: str) -> None:
        """kill -9, and what `restart: always` does then."""
        assert services()[name]["restart"] == "always"
        (StateDirectory(self.folder / "roles" / name).run_path / "beat.json").unlink()
        self.running[name].send_signal(signal.SIGKILL)
        assert await self.running[name].wait() == -signal.SIGKILL
        await self.start(name)

    async def stop(self) -> None:
        """End whatever runs."""
        for process in self.running.values():
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
        await asyncio.gather(*(p.wait() for p in self.running.values()))

    async def people(self, *arguments: str) -> tuple[int, str]:
        """What a command of the administrator's ended with and said, given as by `docker compose run admin …`."""
        told = self.environment(services()["admin"])
        asked = await asyncio.wait_for(run(_module(), *arguments, environment=told), 300)
        return asked.returncode, asked.stdout + asked.stderr

    @property
    def outside(self) -> Outside:
        """The installation as its senders and its people see it."""
        told = self.environment(services()["admin"])
        return Outside(StateDirectory(self.folder / "whole"), self.folder / "roles", told)


@asynccontextmanager
async def composed(folder: Path) -> AsyncIterator[Composition]:
    """Everything that compose.yaml starts, in the order of its conditions, healthy."""
    composition = Composition(folder)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(composition.stop)
        for name in ("init", "issue"):
            await composition.once(name)
        secret = Path(composition.environment(services()["postgres"])["POSTGRES_PASSWORD_FILE"])
        password = await asyncio.to_thread(secret.read_text)
        stack.enter_context(postgres(composition.ports["5432"], password))
        await stack.enter_async_context(_nats(composition))
        await composition.once("provision")
        processes = [n for n, s in services().items() if "provision" in s.get("depends_on", {})]
        for name in processes:
            await composition.start(name)
        for name in processes:
            await composition.healthy(name)
        yield composition


@asynccontextmanager
async def _nats(composition: Composition) -> AsyncIterator[None]:
    """The image's entry point is the server itself."""
    command = (str(find_binary()), *(composition.here(word) for word in services()["nats"]["command"]))
    guard = (str(os.getpid()), str(composition.folder / "nats.lock"))
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", launching.__file__, *guard, *command)
    try:
        await until(lambda: listens(composition.ports["8222"]), "the nats-server to listen")
        yield
    finally:
        process.kill()
        await process.wait()
