"""What the processes of an installation meet in: server, streams, buckets, consumers, databases, the first entries.

Only a whole installation can make it: `console.bootstrap` does before it runs one, `placet provision` for processes
apart, because no role has the administrator's user.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from itertools import chain

from agents.checkpoints.jetstream import BUCKET as CHECKPOINTS
from console import databases, provisioning
from console.composing import ledgers
from console.composing.parts import connected
from console.config import Sync
from console.installations import Installation
from estate.errors import BadInput
from policies.ledger.port import Ledger
from tools.bus import accounts
from tools.bus.nats import NatsBus
from tools.bus.provisioning import provision as make_streams
from tools.bus.server import EmbeddedServer


async def provision(installation: Installation) -> None:
    """Make what processes apart meet in: databases and their users, streams, buckets, consumers, the first entries.

    Raises:
        BadInput: no NATS server is named, or this is the directory of one role.
        RetryLater: a server does not answer.
    """
    url, role = installation.config.nats_url, installation.role
    if role is not None:
        raise BadInput(f"`{installation.state.root}` was issued to `{role.name}`; provision from what `init` made")
    if url is None:
        raise BadInput("processes apart meet at a NATS server; name it with `--nats-url`")
    for store in provisioning.stores(installation):
        await databases.provision(store, installation.state.postgres_password(databases.SUPERUSER))
    async with AsyncExitStack() as stack:
        await declared(installation, await connected(installation, url, accounts.ADMINISTRATOR, stack), fresh=False)
        await begun(installation, await ledgers.opened(provisioning.as_owner(installation), stack))


async def served(installation: Installation, stack: AsyncExitStack) -> str:
    """The address at which the processes meet: a server of somebody's, or one of our own that ends with the stack."""
    url = installation.config.nats_url or await _embedded(installation, stack)
    admin = await connected(installation, url, accounts.ADMINISTRATOR, stack)
    await declared(installation, admin, fresh=installation.config.nats_url is None)
    return url


async def declared(installation: Installation, admin: NatsBus, *, fresh: bool) -> None:
    """Streams, buckets and consumers. On a server of our own, whoever held a lease or a message has died with it."""
    consumers = tuple(chain.from_iterable(provisioning.consumers(installation).values()))
    await make_streams(admin, installation.subjects, consumers)
    await admin.bucket(CHECKPOINTS)
    if fresh:
        await admin.recall(*consumers)
        leases = await admin.bucket("leases")
        for name in await leases.keys():
            await leases.delete(name)


async def begun(installation: Installation, ledger: Ledger) -> int:
    """The first entries of the ledger, and the version of the law base that they put in force."""
    await provisioning.founded(installation, ledger)
    return await provisioning.established(installation, ledger)


async def _embedded(installation: Installation, stack: AsyncExitStack) -> str:
    users = provisioning.users(installation)
    sync_always = installation.config.nats_sync is Sync.ALWAYS
    server = EmbeddedServer(installation.state.nats_path, users=users, sync_always=sync_always)
    return (await stack.enter_async_context(server)).url
