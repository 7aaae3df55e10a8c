"""What a worker of the agents says of itself while it runs: that it is there, and what it is made of."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from estate.ids import ComponentId, InstallationId
from estate.records import Record, Time
from estate.uses.running import Maker


class WorkerPresence(Record):
    """One worker's word. Its key in the bucket begins with the NATS user that wrote it: that fixes whose word it is."""

    kind: Literal["placet.worker"] = "placet.worker"
    v: Literal[1] = 1
    installation: InstallationId
    agent: ComponentId
    worker: str = Field(min_length=1, max_length=200)
    at: Time
    runs: tuple[Maker, ...] = Field(default=(), max_length=1_000)
    """The agent, its duties, its minds, and every tool that it could ask."""
