"""The inventory process: the one writer over its sources, with the signed facts it starts from."""

from __future__ import annotations

from dataclasses import dataclass

from console.processes.watching import keep
from tools.inventory.port import Onlooker, VerifyFacts
from tools.inventory.writer import Writer

NAME = "inventory"


@dataclass(frozen=True, slots=True)
class InventoryProcess:
    """One writer on one connection, and the sensors that look on."""

    writer: Writer
    facts: bytes
    verify: VerifyFacts
    onlooker: Onlooker

    async def run(self) -> None:
        """Until cancelled, or until another writer took the lease."""
        await keep(NAME, {"writer": self.writer.run(self.facts, self.verify, self.onlooker)})
