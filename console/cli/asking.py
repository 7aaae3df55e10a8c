"""`placet ask` and `placet propose`: open a case and follow it until it ends or needs people."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import Output, OutputOption, as_written, given, run, told

if TYPE_CHECKING:
    from console.door.commands import Command
    from console.door.views import Row

WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the case to its end.")]
SHOWN = ("name", "state", "summary", "waiting_for")
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

    with as_written():
        command = Ask(text=text)
    open_case(context, command, wait, timeout, output)


def propose(
    context: typer.Context,
    file: Annotated[Path, typer.Option("--file", "-f", help="A change file (see `placet schema change-file`).")],
    wait: WaitOption = True,
    timeout: TimeoutOption = 300,
    output: OutputOption = Output.TABLE,
) -> None:
    """Propose changes of your own: they are judged, and executed only with a warrant.

    Example: `placet propose -f change.yaml`, where the file is

        kind: placet.change-file
        v: 1
        summary: cap two nodes of rack us-a
        changes:
          - {kind: SetPowerCap, node: us-a1, watts: 6000}
          - {kind: SetPowerCap, node: us-a2, watts: 6000}
    """
    from console.door.commands import Propose
    from tools.inventory.files import load_change_file

    written = load_change_file(file)
    open_case(context, Propose(summary=written.summary, changes=written.changes), wait, timeout, output)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(ask)
    app.command()(propose)


def follow_case(context: typer.Context, command: Command, timeout: int, since: str | None = None) -> Row:
    """Give the command and follow the case that its reply names.

    `since` is when the gate had last decided on it, for a command that makes it decide again.
    """
    from console.cli.storytelling import Teller
    from console.door.following import Following, listening
    from estate.errors import NeverRetry
    from estate.ids import IncidentId

    async def work() -> Row:
        async with given(context).door() as client, listening(client) as heard:
            reply = await told(client, command)
            if not isinstance(reply.result, dict):
                raise NeverRetry("the console's reply names no incident; upgrade the older of the two")
            incident = IncidentId(str(reply.result["incident"]))
            following = Following(client, incident, heard, Teller().tell)
            if since is not None:
                await following.decided_again(since)
            return await following.settled(timedelta(seconds=timeout))

    return run(work)


def finish(row: Row, output: Output) -> None:
    """Write how the case stands and exit with its code."""
    from console.cli.rendering import emit, note
    from console.door.following import EXITS
    from estate.incidents import CaseState

    emit({k: row[k] for k in SHOWN} if output is Output.TABLE else row, output)
    state = CaseState(str(row["state"]))
    if state is CaseState.AWAITING_APPROVAL:
        note(f"it waits for people; one of them runs: placet --as NAME approve {row['name']}")
    raise typer.Exit(int(EXITS[state]))


def open_case(context: typer.Context, command: Command, wait: bool, timeout: int, output: Output) -> None:
    """Give the command; with `wait` follow its case and exit with how it ends."""
    from console.cli.invocations import ask_door
    from console.cli.rendering import emit

    if wait:
        finish(follow_case(context, command, timeout), output)
    emit(ask_door(context, command).result, output)
