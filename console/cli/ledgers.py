"""`placet ledger`: what was recorded, exported, proven, reported, forgotten.

Verifying and reporting need no running system, no state directory and no network.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import Output, OutputOption, as_written, ask_door, given, run

if TYPE_CHECKING:
    from console.door.commands import LedgerExport, LedgerProve, Reply

app = typer.Typer(no_args_is_help=True)

KeyOption = Annotated[
    list[Path] | None, typer.Option(help="A .vkey file, a witness's too; without it those beside the file.")
]
SeenOption = Annotated[
    list[Path] | None,
    typer.Option(help="A checkpoint that somebody kept, or a folder of them (a clone of the repository of witnesses)."),
]


class Format(StrEnum):
    """How a ledger is exported."""

    LINES = "lines"
    TILES = "tiles"


class Told(StrEnum):
    """What is told of an exported ledger."""

    DORA = "dora"
    REGISTER = "register"


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to write it; the public keys are written beside it.")],
    format: Annotated[
        Format, typer.Option(help="`tiles`: a folder of C2SP tlog-tiles, without bodies.")
    ] = Format.LINES,
) -> None:
    """Write the whole ledger to a file that anyone can verify offline.

    Example: `placet ledger export ledger.export`, `placet ledger export --format tiles public/`
    """
    from console.cli.rendering import note
    from console.door.commands import LedgerExport

    keys = given(context).state().ledger_key_path.read_bytes()
    if format is Format.LINES:
        size = run(lambda: _fetched(context, LedgerExport(), file))
        key = file.with_suffix(".vkey")
        key.write_bytes(keys)
        note(f"{size} bytes in {file}, the public key in {key}; check them with: placet ledger verify {file}")
        return
    count = _tiled(context, file)
    (file / "ledger.vkey").write_bytes(keys)
    note(f"{count} files in {file}, and the public key; check them with: placet ledger verify {file}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="An exported ledger, a folder of tiles, or a .tlog-proof.")],
    key: KeyOption = None,
    seen: SeenOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check an exported ledger or a proof against public keys; no key inside the file is trusted.

    Where a witness's key is among those given, the newest checkpoint must carry its cosignature.

    Example: `placet ledger verify ledger.export --key ledger.vkey --key witness.vkey --seen checkpoints/`
    """
    from console.cli.verification import Asked, report

    raise typer.Exit(report(Asked(file, tuple(key or ()), tuple(seen or ())), output))


@app.command()
def prove(
    context: typer.Context,
    proposal: Annotated[str, typer.Argument(help="A proposal by its digest, or the beginning of it.")],
    file: Annotated[Path | None, typer.Argument(help="Where to write it; by default named after the proposal.")] = None,
) -> None:
    """Write everything that the ledger says of one change to a file that anyone can verify offline.

    Example: `placet ledger prove sha256:3f2a81b0 change.tlog-proof`
    """
    from console.cli.rendering import note
    from console.door.commands import Get, Kind, LedgerProve
    from estate.ids import Digest

    rows = ask_door(context, Get(what=Kind.PROPOSAL, name=proposal)).result
    digest = Digest(str(rows[0]["name"]) if isinstance(rows, list) and isinstance(rows[0], dict) else proposal)
    written = file or Path(f"{digest.removeprefix('sha256:')[:12]}.tlog-proof")
    size = run(lambda: _fetched(context, LedgerProve(proposal=digest), written))
    note(f"{size} bytes in {written}; check them with: placet ledger verify {written} --key ledger.vkey")


@app.command()
def erase(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The person, who must not be enrolled any more.")],
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be forgotten.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Forget a person: the bodies of what they did or what names them. Every leaf and every proof stays.

    Example: `placet ledger erase bruno --dry-run`
    """
    from console.cli.rendering import emit
    from console.door.commands import LedgerErase

    with as_written():
        wanted = LedgerErase(name=name, dry=dry)
    emit(ask_door(context, wanted).result, output)


@app.command()
def report(
    file: Annotated[Path, typer.Argument(help="An exported ledger.")],
    format: Annotated[Told, typer.Option(help="`dora`: every change; `register`: who provides what.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; stdout if none is given.")] = None,
) -> None:
    """Tell as CSV what an exported ledger says of changes or of providers. Verify the file first: this trusts it.

    Example: `placet ledger report ledger.export --format dora -o changes.csv`
    """
    from console.cli.recounting import recounted

    text = recounted(file, changes=format is Told.DORA)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text)


@app.command()
def show(
    context: typer.Context,
    incident: Annotated[str | None, typer.Option(help="Only this incident.")] = None,
    after: Annotated[int, typer.Option(help="Only entries above this index.")] = -1,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 200,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show entries of the ledger in order.

    Example: `placet ledger show --incident inc-3f2a`
    """
    from console.cli.rendering import emit
    from console.door.commands import LedgerShow
    from estate.ids import IncidentId

    with as_written():
        wanted = LedgerShow(incident=IncidentId(incident) if incident else None, after=after, limit=limit)
    emit(ask_door(context, wanted).result, output, ("index", "at", "kind", "by", "says"))


async def _fetched(context: typer.Context, command: LedgerExport | LedgerProve, file: Path) -> int:
    """Write what the console spooled for us; its size."""
    import asyncio

    from console.cli.invocations import Failed
    from estate.errors import NeverRetry

    async with given(context).door() as client:
        reply: Reply = await client.ask(command)
        if not reply.ok:
            raise Failed(reply.message, int(reply.code))
        if reply.spooled is None:
            raise NeverRetry("the console's reply holds no file; upgrade the older of the two")
        with await asyncio.to_thread(file.open, "wb") as written:
            async for part in client.parts(reply.spooled):
                await asyncio.to_thread(written.write, part)
        return reply.spooled.size


def _tiled(context: typer.Context, folder: Path) -> int:
    """Write the tiles of an export that is then thrown away; how many files."""
    import tempfile

    from console.door.commands import LedgerExport
    from policies.ledger import tiles

    with tempfile.TemporaryDirectory(prefix="placet-tiles-") as scratch:
        export = Path(scratch) / "export"
        run(lambda: _fetched(context, LedgerExport(), export))
        with export.open("rb") as opened:
            return sum(_placed(folder / path, data) for path, data in tiles.of_export(opened))


def _placed(path: Path, data: bytes) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return 1
