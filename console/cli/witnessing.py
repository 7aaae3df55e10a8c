"""`placet witness`: somebody else's process, which remembers what a ledger was and cosigns what continues it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import run

if TYPE_CHECKING:
    from policies.ledger.verifier_keys import VerifierKey
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
    cosigner = _cosigner(folder, name, log, post_quantum)
    (folder / "witness.vkey").write_text(f"{cosigner.key}\n")
    typer.echo(str(cosigner.key))
    run(lambda: _serve(cosigner, listen))


def _cosigner(folder: Path, name: str, log: list[Path], post_quantum: bool) -> Cosigner:
    from console.installations import utc_now
    from estate.errors import BadInput
    from policies.ledger.verifier_keys import fit_name
    from policies.ledger.witnessing import Book, Cosigner, witness_key
    from policies.signing.files import FileSigner, MldsaFileSigner

    if not fit_name(name):
        raise BadInput(f"`{name}` is no name of a key; write it without spaces and `+`")
    logs = tuple(key for path in log for key in _logs(path))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kind = MldsaFileSigner if post_quantum else FileSigner
    path = folder / "witness.key"
    signer = kind.load(path) if path.exists() else kind.create(path)
    return Cosigner(witness_key(name, signer), signer, logs, Book(folder / "book.sqlite"), utc_now)


def _logs(path: Path) -> tuple[VerifierKey, ...]:
    from estate.errors import BadInput
    from policies.ledger.verifier_keys import VerifierKey

    try:
        return VerifierKey.parse_all(path.read_text())
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); give the ledger's `.vkey`") from error


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
