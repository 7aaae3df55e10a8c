"""The gate process: the law over the ledger and the newest estate, and the key that warrants are signed with."""

from __future__ import annotations

from console import clusters, profiles
from console.composing import laws
from console.composing.parts import Host, Parts
from console.processes.gate import GateProcess
from console.processes.leasing import Leasing
from console.processes.registering import Registers
from policies.gate import Gate
from policies.keyrings import StaticRing
from tools.bus import accounts


async def compose(parts: Parts) -> Host:
    """One gate under a lease."""
    installation, bus = parts.installation, await parts.bus(accounts.GATE)
    standing, inventory = parts.standing(), parts.follower("gate", bus)
    gate = Gate(
        installation=installation.record.id,
        ledger=parts.system.ledger,
        signer=installation.signer("gate"),
        bundle=await laws.served(lambda: profiles.bundle(installation.config.profile)),
        newest=inventory.newest,
        controls=standing.controls,
        enrolments=standing.enrolments,
        clock=installation.clock,
        entropy=installation.entropy,
        audience=installation.audience,
        second=installation.second_signer("gate"),
    )
    lease = Leasing(bus, "gate", parts.holder("gate"))
    return GateProcess(
        gate,
        bus,
        installation.subjects,
        standing,
        inventory,
        StaticRing.of(*(s.public_key for s in (gate.signer, gate.second) if s is not None)),
        lease,
        installation.config.clusters_of,
        installation.config.ledger_heartbeat,
        Registers(await clusters.registers(installation.config, parts.stack)),
    )
