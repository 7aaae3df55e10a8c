"""`placet drift`: where things are not as they should be, who did it, and what would restore them."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.invocations import Output, OutputOption, ask_door

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
    reply = ask_door(context, Drifted(what=kind, name=name))
    emit(reply.result, output, SHOWN)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(drift)
