"""`placet ask` and `placet propose`: open a case and follow it until it ends or needs people."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import Output, OutputOption, given, run, told

if TYPE_CHECKING:
    from console.door.commands import Command
    from console.door.views import Row
    from estate.progress import Progress

WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the case to its end.")]
TimeoutOption = Annotated[int, typer.Option(help="Seconds to follow it for.")]


def ask(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What you want, in words.")],
    wait: WaitOption = True,
    timeout: TimeoutOption = 300,
    output: OutputOption = Output.TABLE,
) -> None:
    """Ask for something in words; exits with 6 when it waits for an approval, 3 when it is forbidden.

    Example: `placet ask "move tenant-a's inference to us-east, it is cheaper there"`
    """
    from console.door.commands import Ask

    _open_case(context, Ask(text=text), wait, timeout, output)


def propose(
    context: typer.Context,
    file: Annotated[Path, typer.Option("--file", "-f", help="A change file (see `placet schema change-file`).")],
    wait: WaitOption = True,
    timeout: TimeoutOption = 300,
    output: OutputOption = Output.TABLE,
) -> None:
    """Propose changes of your own: they are judged, and executed only with a warrant.

    Example: `placet propose -f change.yaml`
    """
    from console.door.commands import Propose
    from tools.inventory.files import load_change_file

    written = load_change_file(file)
    _open_case(context, Propose(summary=written.summary, changes=written.changes), wait, timeout, output)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(ask)
    app.command()(propose)


def follow_case(context: typer.Context, command: Command, timeout: int) -> Row:
    """Give the command and follow the case that its reply names."""
    from console.door.following import listening, settled
    from estate.errors import NeverRetry
    from estate.ids import IncidentId

    async def work() -> Row:
        async with given(context).door() as client, listening(client) as heard:
            reply = await told(client, command)
            if not isinstance(reply.result, dict):
                raise NeverRetry("the console's reply names no incident; upgrade the older of the two")
            incident = IncidentId(str(reply.result["incident"]))
            return await settled(client, incident, heard, show, timedelta(seconds=timeout))

    return run(work)


def show(progress: Progress) -> None:
    """One line of the story, on stderr."""
    from rich.markup import escape

    from console.cli.rendering import notes_console

    console = notes_console()
    console.print(f"[dim]{progress.at:%H:%M:%S}[/dim] [bold]{progress.stage.value:>11}[/bold]  {escape(progress.text)}")
    for detail in progress.details:
        console.print(f"{'':>22}[dim]{escape(detail)}[/dim]")


def finish(row: Row, output: Output) -> None:
    """Write how the case stands and exit with its code."""
    from console.cli.rendering import emit, note
    from console.door.following import EXITS
    from estate.incidents import CaseState

    emit(row, output)
    state = CaseState(str(row["state"]))
    if state is CaseState.AWAITING_APPROVAL:
        note(f"it waits for an approval: `placet --as APPROVER approve {row['name']}`")
    raise typer.Exit(int(EXITS[state]))


def _open_case(context: typer.Context, command: Command, wait: bool, timeout: int, output: Output) -> None:
    from console.cli.invocations import ask_door
    from console.cli.rendering import emit

    if wait:
        finish(follow_case(context, command, timeout), output)
    emit(ask_door(context, command).result, output)
