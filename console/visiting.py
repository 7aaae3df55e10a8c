"""The composition root of a visitor: a person's connection to a system that runs elsewhere, and nothing more.

Apart from `console.bootstrap`, which loads every engine and takes seconds: a command at the prompt must not. It pairs
one port (`tools.bus.port.Bus`) with one adapter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from console import authorities, whereabouts
from console.config import Config
from console.door.calls import Caller
from console.door.client import DoorClient
from console.identities import Identity
from console.installations import Installation
from console.state import StateDirectory
from tools.bus import accounts
from tools.bus.nats import NatsBus
from tools.bus.port import Bus
from tools.bus.precedence import RightOfWay
from tools.bus.wire import Credentials


@asynccontextmanager
async def visiting(state: StateDirectory, config: Config, identity: Identity) -> AsyncIterator[DoorClient]:
    """A client of a system that runs elsewhere: under this state directory, or at `nats_url`.

    Raises:
        RetryLater: nothing runs there.
    """
    installation = Installation.open(state, config)
    url = config.nats_url or whereabouts.read(state).nats_url
    bus = await connect(installation, url, accounts.CLIENT)
    try:
        yield client_of(installation, bus, identity)
    finally:
        await bus.close()


async def connect(installation: Installation, url: str, user: str, way: RightOfWay | None = None) -> NatsBus:
    """A connection as one of the installation's NATS users; `way` is shared by those of one interpreter."""
    credentials = credentials_of(installation, url, user)
    return await NatsBus.connect(credentials, installation.subjects, name=f"placet-{user}", way=way)


def credentials_of(installation: Installation, url: str, user: str) -> Credentials:
    """How one of its NATS users connects there. Raises BadInput: what it takes is not in this directory."""
    password = installation.state.nats_password(user)
    return Credentials(url, user, password, authorities.trusted(installation, url))


def client_of(installation: Installation, bus: Bus, identity: Identity) -> DoorClient:
    """The front door for one person over a connection that is open already."""
    caller = Caller(installation.record.id, identity.subject, identity.signer, installation.clock, installation.entropy)
    return DoorClient(bus, caller)
