"""`placet get` and `placet describe`: what there is, and the story of one thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from console.cli.invocations import Output, OutputOption, ask_door

KINDS = ("incidents", "nodes", "workloads", "racks", "tenants", "proposals", "warrants")

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "incident": ("name", "origin", "state", "site", "events", "attempt", "summary"),
    "node": ("name", "site", "rack", "health", "cordoned", "taken", "accelerators", "watts", "workloads"),
    "workload": ("name", "tenant", "kind", "cluster", "running", "replicas", "nodes"),
    "rack": ("name", "site", "watts", "budget_watts", "nodes", "feed"),
    "tenant": ("name", "title", "isolation", "disruption", "legal", "accelerators"),
    "proposal": ("name", "incident", "attempt", "lane", "decision", "outcome", "summary"),
    "warrant": ("name", "incident", "audience", "expires", "outcome"),
}


def _kind(text: str) -> str:
    single = text.removesuffix("s")
    if single not in COLUMNS:
        raise typer.BadParameter(f"`{text}` is none of {', '.join(KINDS)}")
    return single


KindArgument = Annotated[str, typer.Argument(callback=_kind, help=f"One of {', '.join(KINDS)}.")]


def get(
    context: typer.Context,
    kind: KindArgument,
    name: Annotated[str | None, typer.Argument(help="Only the one of this name.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List things.

    Examples: `placet get incidents` · `placet get nodes -o json` · `placet get workload a-chat -o yaml`
    """
    from console.cli.rendering import emit
    from console.door.commands import Get, Kind

    reply = ask_door(context, Get(what=Kind(kind), name=name))
    emit(reply.result, output, COLUMNS[kind])


def describe(
    context: typer.Context,
    kind: KindArgument,
    name: Annotated[str, typer.Argument(help="Its name.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell one thing with its story: for an incident what came in, what was decided and why, what was done.

    Example: `placet describe incident inc-3f2a`
    """
    from console.cli.rendering import emit
    from console.cli.storytelling import tell
    from console.door.commands import Describe, Kind

    reply = ask_door(context, Describe(what=Kind(kind), name=name))
    if output is Output.TABLE and isinstance(reply.result, dict):
        tell(reply.result)
    else:
        emit(reply.result, output)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(get)
    app.command()(describe)
