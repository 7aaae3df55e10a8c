"""`placet plan`: moves for a goal, in an order in which each is possible. Nothing is written without `--propose`.

With `--propose` the changes go the way of any other proposal: the gate judges all of them together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.completing import names
from console.cli.invocations import Output, OutputOption, as_written, ask_door

if TYPE_CHECKING:
    from tools.placement.planning.plans import Plan

app = typer.Typer(no_args_is_help=True)
MovesOption = Annotated[int, typer.Option("--moves", min=0, max=200, help="Running replicas that may be disturbed.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Done by this time: `2026-11-27T18:00:00Z`.")]
MinutesOption = Annotated[int, typer.Option("--minutes", min=1, max=1440, help="How long one move is taken to last.")]
TakesOption = Annotated[
    list[str] | None, typer.Option("--takes", help="How long a move of one workload lasts: `WORKLOAD=MINUTES`.")
]
ProposeOption = Annotated[bool, typer.Option("--propose", help="Propose the plan's changes: the gate decides.")]
SiteOption = Annotated[str | None, typer.Option("--site", help="At this site.", autocompletion=names("site"))]
_SHOWN = ("number", "workload", "replicas", "sources", "targets", "accelerators", "reason")
_MOST_STEPS = 256
AREAS = ("node", "rack", "feed", "leaf", "site")


@app.callback()
def plan() -> None:
    """Many moves at once, each lawful, powered and within every promise when its turn comes.

    Every plan tells its gain, the bound that no plan within its budget of moves passes, what stays and why, and who
    must consent. Exits with 1 where the goal is not met in full.
    """


@app.command()
def repack(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    size: Annotated[int, typer.Option(min=2, max=576, help="Connected accelerators of one free block.")] = 8,
    site: SiteOption = None,
    moves: MovesOption = 20,
    by: ByOption = None,
    minutes: MinutesOption = 10,
    takes: TakesOption = None,
    propose: ProposeOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Defragment: as many free blocks of connected accelerators as the budget of moves can give.

    Example: `placet plan repack --size 8 --site eu-de --moves 6`
    """
    form = {"goal": "repack", "size": size, "site": site, **_limits(moves, by, minutes, takes)}
    _answer(context, form, output, propose)


@app.command()
def free(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    accelerators: Annotated[int, typer.Argument(help="How many; 0 with `--workload`.")] = 0,
    tenant: Annotated[str | None, typer.Option(help="For this tenant.", autocompletion=names("tenant"))] = None,
    each: Annotated[int, typer.Option(min=1, max=64, help="So many of them on one node, in one NVLink domain.")] = 1,
    model: Annotated[list[str] | None, typer.Option(help="Of this model; may be repeated.")] = None,
    workload: Annotated[
        str | None, typer.Option(help="For what this workload waits for.", autocompletion=names("workload"))
    ] = None,
    site: SiteOption = None,
    moves: MovesOption = 200,
    by: ByOption = None,
    minutes: MinutesOption = 10,
    takes: TakesOption = None,
    propose: ProposeOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make room for a tenant, or for a workload that waits, with the least disturbance of others.

    Examples: `placet plan free 16 --tenant tenant-b --each 8 --site eu-de --by 2026-11-27T18:00:00Z` ·
    `placet plan free --workload eu-1.tenant-a.job.train`
    """
    form = {"goal": "free", "accelerators": accelerators, "tenant": tenant, "each": each, "models": model or ()}
    _answer(
        context, {**form, "workload": workload, "site": site, **_limits(moves, by, minutes, takes)}, output, propose
    )


@app.command()
def evacuate(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    area: Annotated[str, typer.Argument(help=f"One of {', '.join(AREAS)}.", autocompletion=lambda: [*AREAS])],
    name: Annotated[str, typer.Argument(help="Its name.")],
    across: Annotated[bool, typer.Option("--across", help="Whole workloads may go to another cluster.")] = False,
    moves: MovesOption = 200,
    by: ByOption = None,
    minutes: MinutesOption = 10,
    takes: TakesOption = None,
    propose: ProposeOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Empty a failure domain; what cannot leave is told with the reason.

    Examples: `placet plan evacuate rack eu-a` · `placet plan evacuate site us-east --across -o json`
    """
    form = {"goal": "evacuate", "area": area, "name": name, "across": across, **_limits(moves, by, minutes, takes)}
    _answer(context, form, output, propose)


@app.command()
def fill(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    site: Annotated[str, typer.Argument(help="The site.", autocompletion=names("site"))],
    moves: MovesOption = 200,
    by: ByOption = None,
    minutes: MinutesOption = 10,
    takes: TakesOption = None,
    propose: ProposeOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Fill a drained site again: what waits there first, then whole workloads off the fullest racks elsewhere.

    Example: `placet plan fill us-east --moves 12`
    """
    _answer(context, {"goal": "fill", "site": site, **_limits(moves, by, minutes, takes)}, output, propose)


@app.command()
def burst(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    ceiling: Annotated[str, typer.Argument(help="The most that it may cost in an hour, in dollars: `120` or `37.50`.")],
    accelerators: Annotated[int, typer.Option(min=0, help="How many are wished for; else what waits.")] = 0,
    tenant: Annotated[str | None, typer.Option(help="For this tenant.", autocompletion=names("tenant"))] = None,
    each: Annotated[int, typer.Option(min=1, max=64, help="So many of them on one machine.")] = 1,
    model: Annotated[list[str] | None, typer.Option(help="Of this model; may be repeated.")] = None,
    workload: Annotated[
        str | None, typer.Option(help="For what this workload waits for.", autocompletion=names("workload"))
    ] = None,
    hours: Annotated[int, typer.Option(min=1, max=8784, help="How long it is needed.")] = 24,
    spot: Annotated[bool, typer.Option("--spot", help="Also what its provider may take back.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Rent what is lacking: on offers at lawful sites, within a ceiling of cost. It rents nothing itself.

    Examples: `placet plan burst 120 --tenant tenant-b` · `placet plan burst 37.50 --workload eu-1.tenant-a.job.train`
    """
    form = {"goal": "burst", "ceiling": _micro(ceiling), "accelerators": accelerators, "tenant": tenant, "each": each}
    form |= {"models": model or (), "workload": workload, "hours": hours, "spot": spot}
    _answer(context, form, output, propose=False)


def _micro(dollars: str) -> int:
    from decimal import Decimal, InvalidOperation

    from estate.errors import BadInput

    try:
        found = Decimal(dollars)
        amount = int(found * 1_000_000)
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise BadInput(f"ceiling: `{dollars[:40]}` is no amount of dollars; write `37.50`") from error
    if amount < 0:
        raise BadInput(f"ceiling: `{dollars[:40]}` is less than nothing; write `37.50`")
    return amount


def _limits(moves: int, by: str | None, minutes: int, takes: list[str] | None = None) -> dict[str, Any]:
    return {"moves": moves, "by": by, "minutes_per_move": minutes, "takes": [_stated(t) for t in takes or ()]}


def _stated(text: str) -> dict[str, str]:
    from estate.errors import BadInput

    name, equals, minutes = text.rpartition("=")
    if not equals:
        raise BadInput(f"takes: `{text[:100]}` states no time; write `WORKLOAD=MINUTES`")
    return {"workload": name, "minutes": minutes}


def _answer(context: typer.Context, form: dict[str, Any], output: Output, propose: bool) -> None:
    """Ask, write, and where it is wanted propose."""
    from console.cli.rendering import emit
    from console.door.commands import Planned
    from tools.placement.planning.plans import Plan

    with as_written():
        command = Planned.model_validate({"goal": form})
    result = ask_door(context, command).result
    found = Plan.model_validate(result)
    if output.tabular:
        emit([m.json_form() for m in found.moves], output, _SHOWN)
        _tell(found)
    else:
        emit(result, output)
    if propose:
        _propose(context, found, output)
    raise typer.Exit(0 if found.met else 1)


def _tell(found: Plan) -> None:
    from console.cli.rendering import note

    gain = found.gain
    note(f"{gain.of}: {gain.before} before, {gain.after} after, {gain.bound} at most ({found.considered})")
    note(f"disturbs {found.disturbed} running replicas of {found.budget} allowed, in about {found.minutes} minutes")
    if found.fences:
        note(f"first fences {len(found.fences)} nodes, and lifts none of that again")
    for late in found.late:
        note(f"late: {late.count} {late.of} only by {late.at:%Y-%m-%dT%H:%M:%SZ}, {late.minutes} minutes from now")
    for rental in found.rentals:
        cost, place = rental.hourly / 1_000_000, f"{rental.provider} at {rental.site}"
        note(f"rent {rental.machines} × {rental.offer} of {place}, {cost:.2f} USD an hour: {rental.ask}")
    if found.rentals:
        note(f"in all {found.hourly / 1_000_000:.2f} USD an hour; no less than {found.least_hourly / 1_000_000:.2f}")
    for turned in found.turned:
        note(f"not {turned.offer}{f' for {turned.workload}' if turned.workload else ''}: {turned.reason}")
    if found.homes:
        note(f"room on {', '.join(f'{b.node} {list(b.accelerators)}' for b in found.homes)}")
    for stays in found.left:
        note(f"stays: {stays.workload} {list(stays.replicas)}: {stays.reason}")
    if found.consent:
        note(f"must consent: {', '.join(found.consent)}")
    if found.short:
        note(f"short: {found.short}")


def _propose(context: typer.Context, found: Plan, output: Output) -> None:
    from console.cli.asking import finish, follow_case
    from console.door.commands import Propose
    from estate.errors import BadInput

    if not found.changes:
        raise BadInput("--propose: the plan has no changes; nothing is proposed")
    if len(found.changes) > _MOST_STEPS:
        raise BadInput(
            f"--propose: {len(found.changes)} changes are more than the {_MOST_STEPS} of one proposal; ask in parts"
        )
    with as_written():
        command = Propose(summary=f"{found.aim}: {found.gain.after} of {found.gain.bound}", changes=found.changes)
    finish(follow_case(context, command, 300), output)
