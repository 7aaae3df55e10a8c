"""The agent process: graph, mind and placement engine over a reader of the estate. No key, no ledger, no hands."""

from __future__ import annotations

from agents.checkpoints.savers import PlacetSaver
from agents.process import AgentProcess, Setting
from console import profiles
from console.composing import minds, shelves
from console.composing.parts import Host, Parts
from console.installations import channels_of
from console.processes.agent import AgentHost
from estate.identities import SubjectKind
from tools.bus import accounts
from tools.placement.engine import MaskEngine
from tools.placement.online.publishing import Outlooks


async def compose(parts: Parts) -> Host:
    """The mind and the checkpoints that the configuration names."""
    installation, bus = parts.installation, await parts.bus(accounts.AGENT)
    inventory = parts.follower("agent", bus, past=True)
    house = profiles.chosen(installation.config.profile)
    engine = MaskEngine(ceilings=house.ceilings, reserves=house.reserves)
    setting = Setting(
        bus=bus,
        reader=inventory,
        past=inventory,
        engine=engine,
        mind=parts.adapters.mind(minds.chosen(installation.config.mind, installation.clock)),
        channels=channels_of(installation.config),
        clock=installation.clock,
        subjects=installation.subjects,
        proposer=installation.subject(SubjectKind.AGENT, accounts.AGENT),
        observer=parts.observer,
        worker=parts.holder("agent"),
        way=parts.way,
    )
    saver = PlacetSaver(parts.adapters.shelf(await shelves.opened(installation, bus, parts.stack)))
    return AgentHost(await AgentProcess.open(setting, saver), inventory, engine, await Outlooks.open(bus))
