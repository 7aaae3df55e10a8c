"""`placet connect`: first contact with somebody's cluster. It looks, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import Output, OutputOption, given, run

if TYPE_CHECKING:
    from datetime import datetime

    from console.contact.meeting import Meeting


def connect(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    kubeconfig: Annotated[Path, typer.Option(help="How the cluster is reached.", envvar="KUBECONFIG")],
    named: Annotated[str | None, typer.Option("--context", help="A context of it; else its current one.")] = None,
    facts: Annotated[Path | None, typer.Option(help="An unsigned facts file instead of the signed facts.")] = None,
    draft_facts: Annotated[
        Path | None, typer.Option(help="Write a skeleton of facts for a cluster that no fact knows.")
    ] = None,
    ask: Annotated[
        bool,
        typer.Option("--ask/--no-ask", help="Ask the API server what these credentials may do (SelfSubject…Reviews)."),
    ] = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Look at a cluster: what is there, what the law says of what is running, what would be done. Read-only.

    It needs no installation and sends gets and lists, and questions about its own credentials that keep nothing
    (creates of SelfSubject…Reviews in an audit log; `--no-ask` leaves them out). Nothing is written to the cluster.

    Example: `placet connect --kubeconfig ~/.kube/config --context prod-eu`
    """
    from datetime import UTC, datetime

    from console import logs

    logs.errors_only()
    now = datetime.now(UTC)
    meeting = run(lambda: _meet(context, kubeconfig.expanduser(), named, facts, ask, now))
    if draft_facts is not None:
        _write(meeting, draft_facts, now)
    _tell(meeting, output)


async def _meet(
    context: typer.Context, kubeconfig: Path, named: str | None, facts: Path | None, ask: bool, now: datetime
) -> Meeting:
    from console.contact import grounds
    from console.contact.meeting import meet
    from console.contact.telling import Counting
    from tools.kubernetes.connecting import Access

    base = grounds.read(facts, given(context).state(), now)
    with Counting() as counting:
        return await meet(Access(kubeconfig, named), base, now, counting.say, ask=ask)


def _write(meeting: Meeting, file: Path, now: datetime) -> None:
    from console.cli.rendering import note
    from estate.errors import BadInput

    if meeting.ground.known:
        raise BadInput(f"the facts know `{meeting.ground.cluster}` already; correct those, and have them signed anew")
    try:
        with file.open("x") as written:
            written.write(meeting.draft(now))
    except FileExistsError as error:
        raise BadInput(f"{file} is there already; name another file for the skeleton") from error
    except OSError as error:
        raise BadInput(f"{file}: cannot be written ({error.strerror}); name another file") from error
    note(f"a skeleton of facts is in {file}: fill it in; until then it permits nothing")


def _tell(meeting: Meeting, output: Output) -> None:
    from console.cli.rendering import emit
    from console.contact.telling import tell

    if output is Output.TABLE:
        tell(meeting.report)
    else:
        emit(meeting.report.json_form(), output)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(connect)
