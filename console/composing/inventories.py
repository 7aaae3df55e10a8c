"""The inventory process: one writer over the sources of the ground, and over estate files."""

from __future__ import annotations

from datetime import timedelta

from console.composing.parts import Host, Parts
from console.installations import Installation
from console.processes.inventory import InventoryProcess
from tools.bus import accounts
from tools.inventory.declared import DeclaredSource
from tools.inventory.port import Source
from tools.inventory.writer import Pace, Writer


async def compose(parts: Parts) -> Host:
    """Facts and sources under one lease."""
    installation, bus = parts.installation, await parts.bus(accounts.INVENTORY)
    sources = (*await parts.the_ground().sources(), *_declared(installation))
    pace = Pace(all_within=timedelta(seconds=installation.config.clusters_within_seconds))
    writer = Writer(bus, installation.record.id, parts.holder("inventory"), sources, installation.clock, pace)
    return InventoryProcess(writer, installation.facts_envelope(), parts.latch())


def _declared(installation: Installation) -> tuple[Source, ...]:
    """The estate files that the configuration names, held against the facts in force."""
    paths = installation.config.estate
    return (DeclaredSource(paths, installation.facts()),) if paths else ()
