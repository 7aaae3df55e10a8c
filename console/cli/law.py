"""`placet law report`: what runs where under which facts, what is unlawful, and what ends soon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import Output, OutputOption, ask_door

if TYPE_CHECKING:
    from estate.canonical import Json

app = typer.Typer(no_args_is_help=True)
_RUNNING = ("workload", "tenant", "site", "geographic", "legal", "operational", "key", "datasets", "unlawful")
_ENDING = ("fact", "until", "unlawful_then")


@app.callback()
def law() -> None:
    """The law and what it says of what runs."""


@app.command()
def report(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How far ahead to look for facts that end.")] = 90,
    estate: Annotated[
        Path | None, typer.Option(help="A folder with facts, world and estate files, instead of the running system.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell what runs where, who can reach it, what of it is unlawful, and what would be once a fact has ended.

    Exits with 3 if anything that runs is unlawful.

    Examples: `placet law report` · `placet law report --days 30 -o json`
    """
    from console.cli.rendering import emit, note
    from console.door.commands import LawReported

    found = ask_door(context, LawReported(days=days)).result if estate is None else _of_files(estate, days)
    assert isinstance(found, dict)
    running, ending = _rows(found["running"]), _rows(found["expiring"])
    for row in running:
        row["unlawful"] = [*sorted({str(f["dimension"]) for f in _rows(row["failures"])})]
    if output is Output.TABLE:
        emit([*running], output, _RUNNING)
        emit([*ending], output, _ENDING)
        unregistered = found["unregistered"]
        emit([{"unregistered": why} for why in unregistered] if isinstance(unregistered, list) else [], output)
        facts = f"facts version {found['facts_version']} of {found['author']}, valid until {found['valid_until']}"
        note(f"{len(running)} workloads run under {facts} ({found['basis']})")
    else:
        emit(found, output)
    raise typer.Exit(3 if any(row["failures"] for row in running) else 0)


def _of_files(folder: Path, days: int) -> Json:
    from console.judging import read_estate
    from policies.bundle import Bundle
    from policies.reporting import Asking
    from policies.reporting import report as reported

    now = datetime.now(UTC)
    asking = Asking(read_estate(folder, None, now), Bundle.load(), now, timedelta(days=days))
    return reported(asking).json_form()


def _rows(value: Json) -> list[dict[str, Json]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
