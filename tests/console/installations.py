"""Builders of whole installations in temporary directories, for tests that run the real thing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from console import config, identities
from console.config import Config, Http, Sync
from console.initialising import Founding, found
from console.state import StateDirectory
from console.systems import System
from estate.ids import InstallationId
from estate.law import Facts


@dataclass(frozen=True, slots=True)
class Running:
    """A running system with what its people hold."""

    system: System
    state: StateDirectory

    @property
    def admin(self) -> identities.Identity:
        return identities.load(self.state, "admin")

    def http(self) -> httpx.AsyncClient:
        """A sender with the token of the channel `local`."""
        token = (self.state.root / "keys" / "local.token").read_text().strip()
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.system.http_port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )


def founded(root: Path, name: str = "test", facts: Facts | None = None) -> StateDirectory:
    """A state directory after `placet init`."""
    state = StateDirectory(root)
    found(state, Founding(installation=InstallationId(name), facts=facts), datetime.now(UTC))
    return state


def settings(state: StateDirectory) -> Config:
    """Its configuration, on any free port, with a server that need not outlive a power cut."""
    return config.load(state.config_path, {}).model_copy(update={"http": Http(port=0), "nats_sync": Sync.INTERVAL})


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 15.0) -> None:
    """Wait until something holds, or fail."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)
