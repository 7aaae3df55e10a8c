"""`placet why` and `placet place`: why something waits, and where it would go. They only look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.answers import EstateOption, Row, SitesOption, answer, fields, listed, rows
from console.cli.completing import names
from console.cli.invocations import Output, OutputOption, as_written

if TYPE_CHECKING:
    pass

WorkloadArgument = Annotated[
    str, typer.Argument(help="Its name, of `placet get workloads`.", autocompletion=names("workload"))
]


def why(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    workload: WorkloadArgument,
    site: SitesOption = None,
    plainly: Annotated[bool, typer.Option("--plainly", help="As the holder of the contract would be told.")] = False,
    each_node: Annotated[bool, typer.Option("--nodes", help="Tell of each node what it lacks.")] = False,
    estate: EstateOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell why replicas of a workload wait: what refuses it, needed against found, and what would let it in.

    `nodes` counts those that a constraint refuses, whatever else does; `--nodes` and `-o json` tell of each node what
    it lacks. What helps was computed, by changing that one thing and placing again. A tenant is told in the contract's
    own words. Exits with 1 while it does not fit.

    Examples: `placet why a-train` · `placet why a-train --nodes` · `placet why a-train --site eu-de -o json` ·
    `placet --as erin why a-train`
    """
    from console.cli.rendering import emit, note
    from console.door.commands import Why

    with as_written():
        each = each_node or not output.tabular
        form = {"workload": workload, "sites": site or (), "plainly": plainly, "each_node": each}
        command = Why.model_validate(form)
    found = fields(answer(context, command, estate))
    if not output.tabular:
        emit(found, output)
        raise typer.Exit(0 if found["fits"] else 1)
    if not found["waiting"]:
        note(f"every replica of {workload} has a node")
    elif found["fits"]:
        emit(found["homes"], output)
        note(f"{len(listed(found['waiting']))} replicas wait, and would all fit now: look at what binds them")
    else:
        obstacles(found, each_node=each_node)
    raise typer.Exit(0 if found["fits"] else 1)


_PLAIN = ("needed", "share_percent")


def obstacles(found: Row, *, each_node: bool = False) -> None:
    """A refusal as a table, and what would help."""
    from console.cli.rendering import emit, note

    if each_node and (lacking := rows(found["by_node"])):
        emit([*lacking], Output.TABLE, ("node", "constraint", "needed", "found"))
    elif reasons := rows(found["reasons"]):
        emit([*reasons], Output.TABLE, ("nodes", "constraint", "needed", "found"))
    else:
        emit([*rows(found["plainly"])], Output.TABLE, _PLAIN)
    helps = [str(h["says"]) for h in rows(found["helps"])]
    for line in helps:
        note(f"it would fit if you {line}")
    if not helps:
        note(
            str(found["nearest"])
            or "nothing that you could change by yourself would let it in; ask the platform's people"
        )


def place(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    workload: WorkloadArgument,
    replica: Annotated[
        list[int] | None, typer.Option(help="Of these replicas; else of those that wait, or of all.")
    ] = None,
    site: SitesOption = None,
    avoid: Annotated[list[str] | None, typer.Option(help="Not on this node; may be given again.")] = None,
    estate: EstateOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell where replicas would go if they were placed now, with the terms of the score and the runner-up.

    Nothing is reserved or moved: `placet ask` and `placet propose` do that. Exits with 1 if there is no home.

    Examples: `placet place a-train` · `placet place a-serve --replica 0 --avoid eu-a1` · `placet place a-serve -o json`
    """
    from console.cli.rendering import emit, note
    from console.door.commands import WouldPlace

    with as_written():
        form = {"workload": workload, "replicas": replica or (), "sites": site or (), "avoid": avoid or ()}
        command = WouldPlace.model_validate(form)
    found = fields(answer(context, command, estate))
    if not output.tabular:
        emit(found, output)
    elif not found["fits"]:
        refused = rows(found.get("refused")) or rows(found.get("plainly"))
        emit([*refused], output, ("nodes", "constraint", "needed", "found") if "refused" in found else _PLAIN)
        note(f"no home; nearest: {found.get('nearest') or 'see `placet why`'}")
        if isinstance(yielding := found.get("preemption"), dict):
            emit([*rows(yielding["yields"])], output)
            note("these have a lower priority and could yield: `-o json` has the changes for `placet propose`")
    elif "bindings" in found:
        emit(found["bindings"], output)
        terms = ", ".join(f"{t['name']} {t['value']}" for t in rows(found["score"]))
        note(f"{terms}; runner-up: {found['runner_up'] or 'none'}")
        for stage in rows(found.get("stages")):
            note(f"together with its stage {stage['workload']}")
            emit(stage["bindings"], output)
        brought(found)
    else:
        emit(found, output)
    raise typer.Exit(0 if found["fits"] else 1)


def brought(found: Row) -> None:
    """What must be brought first, and when it would be done."""
    from console.cli.rendering import emit, note

    if deliveries := rows(found.get("deliveries")):
        emit([*deliveries], Output.TABLE)
    for word, at in (("begins", found.get("begins")), ("done by", found.get("done"))):
        if at:
            note(f"{word} {at}")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (why, place):
        app.command()(command)
