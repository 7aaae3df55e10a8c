"""The console process: the front door for people and the HTTP door for senders, on a port that is bound at once."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from starlette.applications import Starlette

from agents.incidents import Incidents
from console import profiles, successions
from console.composing.parts import Host, Parts
from console.door.calls import Calls
from console.door.desk import Desk
from console.door.server import DoorServer
from console.door.spooling import Spool
from console.http.app import Door, application
from console.http.channels import Channels
from console.http.server import bound
from console.installations import Installation
from console.processes.console import ConsoleProcess
from console.processes.settings import Standing
from console.rates import Rates
from console.rotating import LedgerSuccession
from policies.signing.files import FileSigner, MldsaFileSigner
from tools.bus import accounts
from tools.bus.port import Bus
from tools.inventory.drifts import Drifts
from tools.inventory.follower import Follower
from tools.placement.engine import MaskEngine


async def compose(parts: Parts) -> Host:
    """Both doors, over one desk and one list of channels."""
    listener = _listener(parts)
    installation, bus = parts.installation, await parts.bus(accounts.CONSOLE)
    standing, inventory = parts.standing(), parts.follower("console", bus, past=True)
    enrolments = standing.enrolments
    desk = await _desk(parts, bus, standing, inventory)
    calls = Calls(
        installation.record.id, enrolments, installation.clock, Rates(time.monotonic), installation.config.people
    )
    host = ConsoleProcess(
        desk,
        DoorServer(desk, calls),
        _application(parts, bus, inventory),
        listener,
        standing,
        inventory,
        timedelta(seconds=installation.config.checkpoint_seconds),
        _succession(installation, standing),
        _second(installation, standing),
    )
    parts.awaited.append(host.open)
    return host


def _succession(installation: Installation, standing: Standing) -> LedgerSuccession | None:
    if "ledger" in installation.config.remote_keys or not installation.signs("ledger"):
        return None
    state, subject = installation.state, successions.process(installation.record.id, "ledger")
    return LedgerSuccession(
        state, "ledger", subject, standing.enrolments, installation.clock, FileSigner.load, installation=installation
    )


def _second(installation: Installation, standing: Standing) -> LedgerSuccession | None:
    if not installation.signs("ledger") or installation.second_signer("ledger") is None:
        return None
    subject, load = successions.process(installation.record.id, "ledger"), MldsaFileSigner.load
    known = standing.enrolments, installation.clock
    return LedgerSuccession(installation.state, "ledger", subject, *known, load, second=True, installation=installation)


async def _desk(parts: Parts, bus: Bus, standing: Standing, inventory: Follower) -> Desk:
    installation = parts.installation
    start, house = installation.entropy(4).hex(), profiles.chosen(installation.config.profile)
    return Desk(
        installation=installation.record.id,
        subjects=installation.subjects,
        bus=bus,
        ledger=parts.system.ledger,
        archive=parts.system.archive,
        incidents=await Incidents.open(bus),
        reader=inventory,
        drifts=await Drifts.open(bus),
        enrolments=standing.enrolments,
        controls=standing.controls,
        spool=Spool(installation.state.run_path, start, installation.clock, installation.entropy),
        clock=installation.clock,
        heartbeat=installation.config.ledger_heartbeat,
        engine=MaskEngine(ceilings=house.ceilings, reserves=house.reserves),
    )


def _application(parts: Parts, bus: Bus, inventory: Follower) -> Starlette:
    installation = parts.installation
    channels = Channels(installation.config.channels)
    return application(
        Door(bus, installation.subjects, channels, Rates(time.monotonic), _readiness(inventory), installation.clock)
    )


def _listener(parts: Parts) -> socket.socket:
    http = parts.installation.config.http
    listener = bound(http.host, http.port)
    parts.stack.callback(listener.close)
    parts.system.http_port = listener.getsockname()[1]
    return listener


def _readiness(inventory: Follower) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        inventory.newest()
        return inventory.stale is None

    return ready
