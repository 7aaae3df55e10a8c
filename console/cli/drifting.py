"""`placet drift`: where things are not as they should be, who did it, and what would restore them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import Output, OutputOption, ask_door

if TYPE_CHECKING:
    from estate.canonical import Json

KINDS = ("node", "workload", "object")
SHOWN = ("thing", "field", "desired", "observed", "by", "at", "matter", "restore")


def _kind(text: str | None) -> str | None:
    if text is None or text.removesuffix("s") in KINDS:
        return text.removesuffix("s") if text else None
    raise typer.BadParameter(f"`{text}` is none of {', '.join(KINDS)}")


def drift(
    context: typer.Context,
    kind: Annotated[str | None, typer.Argument(callback=_kind, help=f"One of {', '.join(KINDS)}.")] = None,
    name: Annotated[str | None, typer.Argument(help="Only of the one of this name.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Of everything that you may see.")] = False,
    audit: Annotated[
        Path | None, typer.Option(help="An API server's audit log: who wrote, where the object does not say.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell what has drifted from what was applied, declared or signed.

    Examples: `placet drift --all` · `placet drift workload a-chat -o yaml` · `placet drift nodes`

    `-o json` shows the restoring change as `placet propose -f` takes it, where there is one.
    """
    from console.cli.rendering import emit
    from console.door.commands import Drifted

    if everything == (kind is not None):
        raise typer.BadParameter("name a kind (and a name), or say `--all`")
    found = ask_door(context, Drifted(what=kind, name=name)).result
    emit(_looked_up(found, audit) if audit is not None else found, output, SHOWN)


def _looked_up(rows: Json, audit: Path) -> Json:
    """The rows, with the last writer by the audit log where nothing else says who."""
    from estate.errors import BadInput
    from estate.records import write_time
    from tools.drift.audits import Trail

    try:
        with audit.open("rb") as lines:
            trail = Trail.of(lines)
    except OSError as error:
        raise BadInput(f"{audit}: cannot be read ({error.strerror}); check the name and its permissions") from error
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and row["by"] is None and (hand := trail.last.get(str(row["thing"]))) is not None:
            row |= {"by": hand.manager, "through": hand.operation, "at": write_time(hand.at) if hand.at else None}
    return rows


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(drift)
