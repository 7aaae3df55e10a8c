"""The gate process: the law over the ledger and the newest estate, and the key that warrants are signed with."""

from __future__ import annotations

from console import clusters, profiles, successions
from console.composing import laws
from console.composing.parts import Host, Parts
from console.installations import Installation
from console.processes.gate import GateProcess
from console.processes.leasing import Leasing
from console.processes.registering import Registers
from console.processes.settings import Standing
from console.successions import Succession
from policies.gate import Gate
from policies.signing.files import FileSigner, MldsaFileSigner
from tools.bus import accounts


async def compose(parts: Parts) -> Host:
    """One gate under a lease."""
    installation, bus = parts.installation, await parts.bus(accounts.GATE)
    standing, latch = parts.standing(), parts.latch()
    inventory = parts.follower("gate", bus, latch=latch)
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
        lease,
        installation.config.clusters_of,
        installation.config.ledger_heartbeat,
        latch,
        _succession(installation, standing),
        _second(installation, standing),
        Registers(await clusters.registers(installation.config, parts.stack)),
    )


def _succession(installation: Installation, standing: Standing) -> Succession | None:
    if "gate" in installation.config.remote_keys:
        return None
    subject = successions.process(installation.record.id, "gate")
    return Succession(installation.state, "gate", subject, standing.enrolments, installation.clock, FileSigner.load)


def _second(installation: Installation, standing: Standing) -> Succession | None:
    if installation.second_signer("gate") is None:
        return None
    subject, load = successions.process(installation.record.id, "gate"), MldsaFileSigner.load
    known = standing.enrolments, installation.clock
    return Succession(installation.state, "gate", subject, *known, load, second=True)
