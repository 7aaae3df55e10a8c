"""The inventory process: one writer over the sources of the ground."""

from __future__ import annotations

from datetime import timedelta

from console.composing.parts import Host, Parts
from console.processes.inventory import InventoryProcess
from tools.bus import accounts
from tools.inventory.writer import Pace, Writer


async def compose(parts: Parts) -> Host:
    """Facts and sources under one lease."""
    installation, bus = parts.installation, await parts.bus(accounts.INVENTORY)
    sources = await parts.the_ground().sources()
    pace = Pace(all_within=timedelta(seconds=installation.config.clusters_within_seconds))
    writer = Writer(bus, installation.record.id, parts.holder("inventory"), sources, installation.clock, pace)
    return InventoryProcess(writer, installation.facts_envelope(), parts.latch())
