"""`placet dlq`: messages that could not be handled, with the reason, the way back, and the way out."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.invocations import Output, OutputOption, ask_door

app = typer.Typer(no_args_is_help=True)

SequenceArgument = Annotated[int, typer.Argument(help="The letter's number, from `placet dlq list`.")]


@app.command("list")
def list_letters(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """List dead letters, oldest first.

    Example: `placet dlq list -o json`
    """
    from console.cli.rendering import emit
    from console.door.commands import DeadLetters

    columns = ("sequence", "stream", "consumer", "attempts", "reason")
    emit(ask_door(context, DeadLetters()).result, output, columns)


@app.command()
def show(context: typer.Context, sequence: SequenceArgument, output: OutputOption = Output.YAML) -> None:
    """Show one dead letter with its body.

    Example: `placet dlq show 3`
    """
    from console.cli.rendering import emit
    from console.door.commands import DeadLetters

    emit(ask_door(context, DeadLetters(sequence=sequence)).result, output)


@app.command()
def replay(context: typer.Context, sequence: SequenceArgument) -> None:
    """Send a dead letter back where it came from, once what stopped it is mended.

    Example: `placet dlq replay 3`
    """
    from console.cli.rendering import emit
    from console.door.commands import Replay

    emit(ask_door(context, Replay(sequence=sequence)).result, Output.TABLE)


@app.command()
def drop(context: typer.Context, sequence: SequenceArgument) -> None:
    """Forget a dead letter that no mending will ever let through. Who dropped which body is in the ledger.

    Example: `placet dlq drop 3`
    """
    from console.cli.rendering import emit
    from console.door.commands import Drop

    emit(ask_door(context, Drop(sequence=sequence)).result, Output.TABLE)
