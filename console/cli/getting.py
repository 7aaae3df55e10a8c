"""`placet get` and `placet describe`: what there is, of any kind, and the story of one thing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.completing import CASE_KINDS, kinds, names, things_with_names
from console.cli.invocations import Output, OutputOption, as_written, ask_door, given, run, told

if TYPE_CHECKING:
    from console.door.commands import Command
    from estate.canonical import Json

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "incident": ("name", "origin", "state", "site", "events", "attempt", "summary"),
    "node": ("name", "site", "rack", "health", "cordoned", "taken", "accelerators", "watts", "celsius", "workloads"),
    "workload": ("name", "tenant", "kind", "cluster", "running", "replicas", "nodes"),
    "rack": ("name", "site", "watts", "budget_watts", "nodes", "feed"),
    "accelerator": ("name", "model", "health", "celsius", "watts", "read_seconds_ago", "read_by"),
    "part": ("name", "of", "place", "state", "says", "product", "serial"),
    "source": ("name", "speech", "since", "heard_at", "unresolved", "failure"),
    "price": ("name", "unit", "amount", "model", "site", "provider", "valid_until"),
    "tenant": ("name", "title", "isolation", "disruption", "legal", "accelerators"),
    "proposal": ("name", "incident", "attempt", "lane", "decision", "outcome", "summary"),
    "warrant": ("name", "incident", "audience", "expires", "outcome"),
    "notice": ("name", "occasion", "incident", "at", "says"),
    "setting": ("name", "at", "kind", "by", "says"),
    "relief": ("name", "sort", "state", "rule", "scope", "target", "by", "until", "review_due"),
}
_SHOWN = 7
"""How many fields a table has of a kind that has no columns of its own; `-o wide` has all."""


def _kind(text: str) -> str:
    from estate.errors import BadInput
    from tools.views.things import known_kind

    if text.removesuffix("s") in CASE_KINDS:
        return text.removesuffix("s")
    try:
        return known_kind(text)
    except BadInput as error:
        raise typer.BadParameter(f"{error}; and {', '.join(CASE_KINDS)}") from error


KindArgument = Annotated[
    str,
    typer.Argument(callback=_kind, autocompletion=kinds, help="incidents, nodes, racks, pdus, links, … (any kind)."),
]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Go on and tell each change, one line each.")]


def get(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    kind: KindArgument,
    name: Annotated[
        str | None, typer.Argument(help="Only the one of this name.", autocompletion=things_with_names)
    ] = None,
    selector: Annotated[
        str | None, typer.Option("--selector", "-l", help="Conditions on fields: `state!=ok,capacity_watts>20000`.")
    ] = None,
    site: Annotated[str | None, typer.Option(help="Only of this site.", autocompletion=names("site"))] = None,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.", autocompletion=names("tenant"))] = None,
    watch: WatchOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List things of any kind.

    Examples: `placet get incidents` · `placet get nodes -l health=failed -o json` · `placet get pdus --site eu-de`
    · `placet get links -l state!=up -o wide` · `placet get workload a-chat -o yaml` · `placet get nodes --watch`
    """
    from console.door.commands import Get
    from tools.views import selecting

    with as_written():
        form = {"what": kind, "name": name, "site": site, "tenant": tenant}
        command = Get.model_validate(form | {"where": selecting.read(selector) if selector else ()})
    show(context, command, output, COLUMNS.get(kind, ()), watch=watch)


def describe(
    context: typer.Context,
    kind: KindArgument,
    name: Annotated[str, typer.Argument(help="Its name.", autocompletion=things_with_names)],
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell one thing with its story: for an incident what came in, what was decided and why, what was done.

    Of a thing of the estate: its fields, what it hangs on and what hangs on it, what it has left, and whose word it is.

    Examples: `placet describe incident inc-3f2a` · `placet describe pdu pdu-1` · `placet describe accelerator eu-a1/0`
    """
    from console.cli.rendering import emit
    from console.cli.storytelling import tell
    from console.door.commands import Describe

    with as_written():
        command = Describe.model_validate({"what": kind, "name": name})
    reply = ask_door(context, command)
    if output is Output.TABLE and isinstance(reply.result, dict):
        tell(reply.result)
    else:
        emit(reply.result, output)


def show(
    context: typer.Context, command: Command, output: Output, columns: Sequence[str] = (), *, watch: bool = False
) -> None:
    """Write the rows that a command gives, or go on telling how they change."""
    from console.cli.rendering import emit

    if watch:
        run(lambda: _watched(context, command, output, columns))
        return
    result = ask_door(context, command).result
    emit(result, output, columns or _columns(result))


async def _watched(context: typer.Context, command: Command, output: Output, columns: Sequence[str]) -> None:
    from console.cli import watching

    async with given(context).door() as client:

        async def answers() -> AsyncIterator[Sequence[watching.Row]]:
            while True:
                result = (await told(client, command)).result
                yield [row for row in result if isinstance(row, dict)] if isinstance(result, list) else []

        as_json = output in {Output.JSON, Output.YAML}
        await watching.watch(answers(), columns, as_json=as_json)


def _columns(result: Json) -> tuple[str, ...]:
    """The fields of the rows that are one word, as many as a terminal has room for."""
    rows = [row for row in result if isinstance(row, dict)] if isinstance(result, list) else []
    fields = dict.fromkeys(f for row in rows for f, v in row.items() if not isinstance(v, list | dict))
    return tuple(fields)[:_SHOWN]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(get)
    app.command()(describe)
