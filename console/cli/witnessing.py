"""`placet witness`: somebody else's process, which remembers what a ledger was and cosigns what continues it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import run

if TYPE_CHECKING:
    from policies.ledger.witnessing import Cosigner


def witness(
    folder: Annotated[Path, typer.Argument(help="The witness's own folder: its key and what it has seen.")],
    log: Annotated[list[Path], typer.Option(help="The .vkey file of a ledger to watch; may be given again.")],
    name: Annotated[str, typer.Option(help="The name that it signs under, a schema-less URL.")] = "witness.local",
    listen: Annotated[str, typer.Option(help="HOST:PORT; port 0 takes any free one.")] = "127.0.0.1:8095",
    post_quantum: Annotated[bool, typer.Option("--ml-dsa", help="Its key is of ML-DSA-44, not Ed25519.")] = False,
) -> None:
    """Cosign the checkpoints of ledgers, each only where it continues the one before (C2SP tlog-witness).

    Run it where nobody who runs the installation can reach its folder. It prints its public key: give that to whoever
    verifies, and to the installation's `placet.yaml` under `witnesses`. The port follows once it answers.

    Example: `placet witness /var/lib/witness --log ledger.vkey --name witness.example/w1 --listen 0.0.0.0:8095`
    """
    from console.composing import witnesses

    cosigner = witnesses.cosigner(folder, name, log, post_quantum=post_quantum)
    (folder / "witness.vkey").write_text(f"{cosigner.key}\n")
    typer.echo(str(cosigner.key))
    run(lambda: _serve(cosigner, listen))


async def _serve(cosigner: Cosigner, listen: str) -> None:
    from console.cli.rendering import note
    from console.http.server import bound, serving
    from console.http.witnesses import application
    from estate.errors import BadInput

    host, _, port = listen.rpartition(":")
    if not port.isdecimal():
        raise BadInput(f"`{listen}` is not HOST:PORT; write for instance `127.0.0.1:8095`")
    listener = bound(host or "127.0.0.1", int(port))
    found = listener.getsockname()[1]
    note(f"{cosigner.key.name} listens on {host}:{found}")
    async with serving(application(cosigner), listener) as task:
        typer.echo(found)
        await task


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(witness)
