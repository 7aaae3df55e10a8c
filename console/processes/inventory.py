"""The inventory process: the one writer over its sources, with the signed facts as they lie on disk."""

from __future__ import annotations

from dataclasses import dataclass

from console.lawbases import Lawbase
from console.processes.watching import keep
from tools.inventory.port import Onlooker, VerifyFacts
from tools.inventory.writer import Writer

NAME = "inventory"


@dataclass(frozen=True, slots=True)
class InventoryProcess:
    """One writer on one connection, and who looks on: sensors, and what holds the estate to how it should be."""

    writer: Writer
    lawbase: Lawbase
    verify: VerifyFacts
    onlookers: tuple[Onlooker, ...]

    async def run(self) -> None:
        """Until cancelled, or until another writer took the lease."""
        writing = self.writer.run(self.lawbase.envelope, self.verify, *self.onlookers)
        await keep(NAME, {"writer": writing, "facts": self.lawbase.follow(self.writer.renew_facts)})
