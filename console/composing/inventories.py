"""The inventory process: one writer over the sources of the ground, over estate files, and over whoever it asks."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from console.composing.parts import Host, Parts
from console.installations import Installation
from console.lawbases import Lawbase
from console.processes.inventory import InventoryProcess
from estate.law import Facts
from estate.subjects import Subjects
from policies.bundle import Bundle
from tools.bus import accounts
from tools.inventory.asking import registry
from tools.inventory.asking.places import Places
from tools.inventory.declared import DeclaredSource
from tools.inventory.desiring import Desired
from tools.inventory.drifts import Keeper
from tools.inventory.port import Source
from tools.inventory.workers import WorkersSource
from tools.inventory.writer import Pace, Writer
from tools.sensors.watching import Watch


async def compose(parts: Parts) -> Host:
    """Facts and sources under one lease."""
    installation, bus = parts.installation, await parts.bus(accounts.INVENTORY)
    asked = registry.opened(installation.config.sources, installation.clock, Places(installation.state.log_places_path))
    lawbase = Lawbase(installation, parts.latch())
    sources = (
        *await parts.the_ground().sources(lawbase),
        *_declared(installation, lawbase()),
        *asked,
        WorkersSource(bus),
    )
    pace = Pace(all_within=timedelta(seconds=installation.config.clusters_within_seconds))
    law = await asyncio.to_thread(Bundle.load)
    watch = Watch(bus, installation.record.id, installation.config.sensors, installation.clock, law=law)
    writer = Writer(bus, installation.record.id, parts.holder("inventory"), sources, installation.clock, pace)
    keeper = Keeper(bus, Subjects(installation.record.id), installation.clock)
    desired = Desired(keeper, installation.config.desired)
    return InventoryProcess(writer, lawbase, parts.latch(), (watch, desired))


def _declared(installation: Installation, facts: Facts) -> tuple[Source, ...]:
    """The estate files that the configuration names, held against the facts in force."""
    paths = installation.config.estate
    return (DeclaredSource(paths, facts),) if paths else ()
