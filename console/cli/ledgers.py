"""`placet ledger export|verify|show`. Verification needs no running system, no state directory and no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import Output, OutputOption, as_written, ask_door, given, run

if TYPE_CHECKING:
    from console.door.commands import Reply

app = typer.Typer(no_args_is_help=True)


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to write it; its public key is written beside it.")],
) -> None:
    """Write the whole ledger to a file that anyone can verify offline.

    Example: `placet ledger export ledger.export`
    """
    from console.cli.rendering import note

    size = run(lambda: _export(context, file))
    key = file.with_suffix(".vkey")
    key.write_bytes((given(context).state().root / "ledger.vkey").read_bytes())
    note(f"{size} bytes in {file}, the public key in {key}; check them with: placet ledger verify {file}")


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="An exported ledger.")],
    key: Annotated[list[Path] | None, typer.Option(help="A .vkey file; without it those beside the export.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check an exported ledger against public keys; no key inside the file is trusted.

    Example: `placet ledger verify ledger.export --key ledger.vkey`
    """
    from console.cli.verification import report

    raise typer.Exit(report(file, tuple(key or ()), output))


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


async def _export(context: typer.Context, file: Path) -> int:
    import asyncio

    from console.cli.invocations import Failed
    from console.door.commands import LedgerExport
    from estate.errors import NeverRetry

    async with given(context).door() as client:
        reply: Reply = await client.ask(LedgerExport())
        if not reply.ok:
            raise Failed(reply.message, int(reply.code))
        if reply.spooled is None:
            raise NeverRetry("the console's reply holds no export; upgrade the older of the two")
        with await asyncio.to_thread(file.open, "wb") as written:
            async for part in client.parts(reply.spooled):
                await asyncio.to_thread(written.write, part)
        return reply.spooled.size
