"""`placet decide`: the law's verdict on a proposal from files, without a system and without any effect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.invocations import Output, OutputOption

if TYPE_CHECKING:
    from datetime import datetime

    from estate.canonical import Json
    from estate.verdicts import Verdict

_FIRST_YEAR, _LAST_YEAR = 1970, 9000
"""What a window, an enrolment or broken glass lasts can be added to any time between."""
_CODES = {"permit": 0, "forbid": 3, "needs-approval": 6}


def decide(  # noqa: PLR0913, PLR0917 - options of a command
    file: Annotated[Path, typer.Option("--file", "-f", help="A proposal (`placet schema proposal`) or a change file.")],
    estate: Annotated[Path, typer.Option(help="A folder with facts, world and estate files.")],
    at: Annotated[str | None, typer.Option(help="When it is decided, e.g. 2026-11-26T12:00:00Z; else now.")] = None,
    history: Annotated[
        Path | None, typer.Option(help="What is in flight and in force (`placet schema history`).")
    ] = None,
    profile: Annotated[
        str, typer.Option(help="The numbers to compare with: `placet policy profiles`, or a file of your own.")
    ] = "house",
    facts_key: Annotated[
        Path | None, typer.Option(help="A public key (base64): the facts must be signed by it.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say what the law answers to a proposal. Exits with 0 for a permit, 3 for a forbid, 6 where approvals are missing.

    Nothing is contacted, written or signed: no warrant follows from it. Every failed dimension is named, with what was
    needed, what was found, and what would make it permissible.

    Example: `placet estate generate --out estate && placet decide -f move.yaml --estate estate -o json`
    """
    from console import profiles
    from console.cli.rendering import emit, note
    from console.judging import Judging, judge, read_estate, read_proposal
    from estate.worlds import HistoryFile
    from tools.inventory import files

    moment = _moment(at)
    if facts_key is None:
        note(f"{estate} is taken as whoever wrote it vouches for it: no key, no signature, and no warrant can follow")
    before = files.parse(HistoryFile, files.read(history), str(history)) if history is not None else HistoryFile()
    held = read_estate(estate, facts_key, moment)
    verdict = judge(Judging(held, read_proposal(file), before, profiles.bundle(profile), moment))
    if output is Output.TABLE:
        _tell(verdict)
    else:
        emit(verdict.json_form(), output)
    raise typer.Exit(_CODES[verdict.decision.value])


def _moment(text: str | None) -> datetime:
    from datetime import UTC, datetime

    if text is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"--at: `{text}` is no time; write it as 2026-11-26T12:00:00Z") from error
    if found.tzinfo is None:
        raise typer.BadParameter(f"--at: `{text}` has no zone; add `Z`")
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise typer.BadParameter(f"--at: `{text}` is not between {_FIRST_YEAR} and {_LAST_YEAR}; correct the year")
    return found.astimezone(UTC)


def _tell(verdict: Verdict) -> None:
    from console.cli.rendering import emit
    from estate.records import write_time

    policies = ", ".join(verdict.policies)
    asked: list[Json] = [r.describe() for r in verdict.requirements]
    owed: list[Json] = [o.describe() for o in verdict.obligations]
    told: dict[str, Json] = {"decision": verdict.decision.value, "policies": policies, "approvals": asked}
    if owed:
        told["obligations"] = owed
    if verdict.approve_by is not None:
        by = write_time(verdict.approve_by)
        told |= {"approve_by": by, "then_execute_within": f"{verdict.execute_within_seconds} s"}
    emit(told, Output.TABLE)
    if verdict.failures:
        rows = [f.json_form() for f in verdict.failures]
        emit([*rows], Output.TABLE, ("dimension", "policy", "about", "needed", "found", "remedy"))


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(decide)
