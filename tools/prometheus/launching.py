"""Starts a Prometheus: `async with prometheus(targets) as server`. It scrapes files' targets and answers on loopback.

Called by tests and benchmarks. Samples are kept in a folder that goes with it.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx
import yaml

from tools.controlplane.components import Command, Component
from tools.prometheus import building

_PORTS = (20_000, 32_000)
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Target:
    """What is scraped: `host:port`, and labels that its samples get."""

    address: str
    labels: Mapping[str, str]


class Prometheus:
    """A running server."""

    def __init__(self, folder: Path, port: int, binary: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        flags = (
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        )
        self._component = Component(Command("prometheus", binary, flags, folder, self._serves))

    def scrape(self, *targets: Target) -> None:
        """Take these targets from now on; Prometheus reads the file again by itself."""
        groups = [{"targets": [t.address], "labels": dict(t.labels)} for t in targets]
        beside = self._folder / "targets.json.new"
        beside.write_text(json.dumps(groups))
        beside.rename(self._folder / "targets.json")

    async def start(self) -> None:
        """Start, or start again on the same data; returns when it answers."""
        await self._component.start()

    async def stop(self, *, kill: bool = False) -> None:
        """Stop it, in order or as a power cut would."""
        await self._component.stop(kill=kill)

    async def until(self, query: str, seconds: float = 30.0) -> None:
        """Wait until the query has a result."""
        async with asyncio.timeout(seconds), httpx.AsyncClient(trust_env=False) as http:
            while True:
                answer = await http.get(f"{self.url}/api/v1/query", params={"query": query})
                if answer.status_code == HTTPStatus.OK and answer.json()["data"]["result"]:
                    return
                await asyncio.sleep(_POLL_SECONDS)

    async def _serves(self, component: Component) -> bool:
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False) as http:
                return (await http.get(f"{self.url}/-/ready")).status_code == HTTPStatus.OK
        return False


@asynccontextmanager
async def prometheus(targets: Sequence[Target] = (), *, every_seconds: float = 0.5) -> AsyncIterator[Prometheus]:
    """A server for the length of an `async with`.

    Raises:
        BinariesMissing: it is not built; run `make prometheus`.
        ComponentFailed: it ended while it started.
    """
    binary = building.find()
    with tempfile.TemporaryDirectory(prefix="placet-prometheus-") as name:
        folder = Path(name)
        await asyncio.to_thread(_configure, folder, every_seconds)
        server = Prometheus(folder, _free_port(), binary)
        server.scrape(*targets)
        await server.start()
        try:
            yield server
        finally:
            await server.stop(kill=True)


def _configure(folder: Path, every_seconds: float) -> None:
    interval = f"{round(every_seconds * 1000)}ms"
    files = {"files": [str(folder / "targets.json")], "refresh_interval": interval}
    job = {"job_name": "targets", "file_sd_configs": [files], "honor_labels": True}
    form = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "scrape_configs": [job],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(form))


def _free_port() -> int:
    while True:
        port = random.randrange(*_PORTS)  # noqa: S311 - a port is no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
