"""Taking an installation apart: `issue`, `provision`, `nats config`, and `health` for supervisors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import given, run

if TYPE_CHECKING:
    from datetime import datetime

    from console.cli.invocations import Invocation
    from console.identities import Identity
    from console.installations import Installation
    from console.renewing import Pace
    from console.rotating import Rotated, Rotation

nats_app = typer.Typer(no_args_is_help=True)


def issue(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="The folder in which each role's directory is made.")],
    roles: Annotated[
        list[str] | None,
        typer.Argument(
            help="gate, executor-ID, inventory, agent, console, client, nats, postgres; all if none is named."
        ),
    ] = None,
    renew: Annotated[bool, typer.Option("--renew", help="Draw new passwords for these roles first.")] = False,
) -> None:
    """Write a state directory for each role: what it needs, its own passwords, and nothing else.

    `placet init` makes an installation whole; processes apart run on parts of it. The gate gets the key that warrants
    are signed with, the console the one that ledger exports are signed with, an agent no key at all. `client` is for
    people on other machines, `nats` and `postgres` are for the servers. Keep the whole away from all of them.

    Needs a NATS server (`--nats-url`) and a ledger in PostgreSQL (`ledger:` or PLACET_LEDGER). An address without a
    user, `postgresql://HOST/DATABASE`, lets `placet provision` make a user for each role. Issue again after new facts,
    another executor or another channel; passwords stay what they are. After a directory was stolen, issue that role
    and `nats` with `--renew`, reload the NATS server, and provision.

    Example: `placet --nats-url nats://nats:4222 issue --out roles`, then `placet --state-dir roles/gate gate`
    """
    from console.cli.rendering import note
    from console.issuing import Issuing

    invocation = given(context)
    issuing = Issuing.of(invocation.state(), invocation.settings(), out)
    if renew:
        issuing.renew(tuple(roles or ()))
    for path in issuing.issue(tuple(roles or ())):
        note(f"issued {path}")


def provision(context: typer.Context) -> None:
    """Make what processes apart meet in: streams, buckets, consumers; databases, users, tables; the first entries.

    Only the whole installation can: no role has the administrator's user. Doing it again adds what is new.

    Example: `placet --nats-url nats://nats:4222 provision`
    """
    from console.cli.rendering import note
    from console.composing import meeting
    from console.installations import Installation

    invocation = given(context)
    installation = Installation.open(invocation.state(), invocation.settings())
    run(lambda: meeting.provision(installation))
    note(f"installation {installation.record.id} is provisioned; next: start each process on its own directory")


def rotate(
    context: typer.Context,
    role: Annotated[str, typer.Argument(help="gate, ledger or facts.")],
    second: Annotated[
        bool, typer.Option("--second", help="The second key, of ML-DSA-44, which is made where there is none.")
    ] = False,
    stopped: Annotated[
        bool, typer.Option("--stopped", help="Nothing of the installation runs, here or apart.")
    ] = False,
    overlap: Annotated[int, typer.Option(help="Seconds for which both keys verify, once the new one signs.")] = 10,
    timeout: Annotated[int, typer.Option(help="Seconds in which the process must take the new key.")] = 60,
) -> None:
    """Put a new key in the place of the gate's or the ledger's; you sign as an administrator.

    While everything runs the new key is enrolled, its process takes it, both verify for a while, and the old one is
    ended: what it signed stands, and nothing that it signs later. Where the role runs apart, `placet issue` writes the
    new key's file, to be brought to its directory. `placet rotate facts` signs the facts anew with a new key, on your
    word as their owner, who is the first administrator until `placet hand-over`. Give the new `ledger.vkey` to whoever
    verifies exports.

    A first second key (`--second`), or one in a key service, needs everything stopped; issue the role again then.

    Example: `placet rotate gate`, `placet rotate facts`, `placet rotate ledger --second --stopped`
    """
    from datetime import UTC, datetime

    from console import identities
    from console.cli.rendering import note
    from console.installations import Installation
    from console.renewing import Pace
    from console.rotating import Rotation

    invocation = given(context)
    state = invocation.state()
    installation = Installation.open(state, invocation.settings())
    speaker = identities.load(state, invocation.who())
    if role == "facts":
        note(_facts_rotated(installation, speaker, datetime.now(UTC)))
        return
    rotation = Rotation(installation, speaker, role, second)
    note(_replaced(invocation, rotation, None if stopped else Pace(overlap, timeout)))


def _replaced(invocation: Invocation, rotation: Rotation, pace: Pace | None) -> str:
    """What was done: through the door while it runs; here where nothing does, or is said to."""
    from datetime import UTC, datetime

    from console.state import is_held, locked

    state, config = invocation.state(), rotation.installation.config
    if pace is None or (config.nats_url is None and not is_held(state)):
        with locked(state):
            rotated = run(lambda: _rotated(rotation, datetime.now(UTC)))
        after = f"next: placet issue {rotation.role}, and start everything again"
    else:
        rotated = run(lambda: _renewed(invocation, rotation, pace))
        after = "everything runs on"
    was = f"; {rotated.old} is revoked" if rotated.old else ""
    return f"the {rotation.role} signs with {rotated.new} from now on{was}; {after}"


def hand_over(
    context: typer.Context,
    heir: Annotated[str, typer.Argument(help="Whose key follows yours, of the identities on this machine.")],
) -> None:
    """Have another key speak for the owner of the facts from now on, and yours no more; everything may run meanwhile.

    The facts' file carries the word. Who has seen it takes no more words of yours: `placet rotate facts` is then the
    heir's. It makes nobody an administrator.

    Example: `placet --as admin hand-over bea`
    """
    from datetime import UTC, datetime

    from console import identities
    from console.cli.rendering import note
    from console.installations import Installation
    from console.succeeding import hand_over

    invocation = given(context)
    state = invocation.state()
    installation = Installation.open(state, invocation.settings())
    owner, following = identities.load(state, invocation.who()), identities.load(state, heir)
    new = hand_over(installation, owner, following, datetime.now(UTC))
    note(f"the facts' owner speaks with {new} from now on; next: placet issue, for the directories that hold them")


def _facts_rotated(installation: Installation, speaker: Identity, now: datetime) -> str:
    from console.succeeding import succeed

    new = succeed(installation, speaker, now)
    return f"the facts are signed with {new} from now on; next: placet issue, for the directories that hold them"


async def _renewed(invocation: Invocation, rotation: Rotation, pace: Pace) -> Rotated:
    from console.renewing import renew

    async with invocation.door() as client:
        return await renew(rotation, client, pace)


async def _rotated(rotation: Rotation, now: datetime) -> Rotated:
    from contextlib import AsyncExitStack

    from console import rotating
    from console.composing import ledgers
    from console.provisioning import as_owner

    async with AsyncExitStack() as stack:
        archive = await ledgers.opened(as_owner(rotation.installation), stack)
        return await rotating.rotate(rotation, archive, now)


def health(context: typer.Context) -> None:
    """Say whether the process that runs on this state directory is well. Exits 1 if it is not.

    Example: `placet --state-dir roles/gate health`
    """
    from datetime import UTC, datetime

    from console.cli.rendering import note
    from console.health import check

    beat = check(given(context).state(), datetime.now(UTC))
    note(f"process {beat.pid} was well at {beat.at:%H:%M:%S}")


@nats_app.command("config")
def nats_config(
    context: typer.Context,
    store: Annotated[Path, typer.Option(help="Where the server keeps its streams.")],
    listen: Annotated[str, typer.Option(help="Where it listens.")] = "127.0.0.1:4222",
) -> None:
    """Print the configuration of a nats-server of your own: each user's permissions, passwords as bcrypt hashes.

    Example: `placet nats config --store /var/lib/nats > nats.conf && nats-server -c nats.conf`
    """
    from console.installations import Installation
    from console.provisioning import users
    from tools.bus.configuring import Place, configuration

    invocation = given(context)
    installation = Installation.open(invocation.state(), invocation.settings())
    typer.echo(configuration(users(installation), Place(listen, store)), nl=False)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(issue)
    app.command()(provision)
    app.command()(rotate)
    app.command()(hand_over)
    app.command()(health)
    app.add_typer(nats_app, name="nats", help="A NATS server of your own.")
