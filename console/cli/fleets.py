"""`placet report`: what becomes of every accelerator, with a heat map of the racks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.answers import EstateOption, Row, fields, of_files, read, rows
from console.cli.completing import names
from console.cli.invocations import Output, OutputOption, as_written, ask_door

if TYPE_CHECKING:
    from datetime import datetime

    from console.door.commands import Topology as Asked
    from estate.canonical import Json
    from estate.snapshots import Snapshot
    from tools.views.topologies import Topology


def report(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only of this site.", autocompletion=names("site"))] = None,
    hours: Annotated[int, typer.Option(min=0, max=720, help="Book the accelerator-hours of so many past hours.")] = 0,
    worth: Annotated[
        bool, typer.Option("--worth", help="What one more of each scarce thing would be worth, and the bounds.")
    ] = False,
    colour_by: Annotated[str, typer.Option("--colour-by", "--color-by", help="use, power or health.")] = "use",
    svg: Annotated[Path | None, typer.Option(help="Write the heat map to this file too.")] = None,
    estate: EstateOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell what becomes of every accelerator, what is stranded where and by what, and which sizes still fit.

    Each accelerator is booked to one cause. Stranded is what cannot be used because something else runs out first:
    free accelerators without watts or cooling, watts without an accelerator. A heat map shows the racks. With
    `--worth`: what one more kilowatt, accelerator, rack unit or quota would put to work, each solved again with it, and
    how far the fleet is from the most that it could do; on a large fleet that takes seconds.

    Examples: `placet report` · `placet report --site eu-de --svg racks.svg` · `placet report --worth` ·
    `placet report --hours 24 -o json`
    """
    from console.cli.rendering import emit, note
    from console.door.commands import FleetReported, Topology

    _check_colour(colour_by)
    with as_written():
        command = FleetReported.model_validate({"site": site, "hours": hours, "worth": worth})
        picture = Topology.model_validate({"site": site, "nodes": False})
    known = read(estate) if estate is not None else None
    found = fields(of_files(*known, command) if known is not None else ask_door(context, command).result)
    if not output.tabular:
        emit(found, output)
        return
    booked = fields(found["booked"])
    most = sum(int(str(n)) for n in booked.values()) or 1
    emit([_share(cause, int(str(n)), most) for cause, n in booked.items() if n], output)
    emit(found["sizes"], output)
    stranded = [r for r in rows(found["racks"]) if r["stranded_accelerators"] or r["stranded_watts"]]
    emit([*stranded[:12]], output, _RACKS)
    shares = (
        f"allocated {_percent(found['allocation_permille'])}, fragmented {_percent(found['fragmentation_permille'])}"
    )
    note(f"{found['accelerators']} accelerators: {shares} of what is free; {len(stranded)} racks strand something")
    if hours:
        _hours(found)
    if worth:
        _worth(fields(found["worth"]))
    _heat(_tree(context, picture, known), colour_by, svg)


_RACKS = (
    "rack",
    "site",
    "free",
    "watts_left",
    "cooling_left",
    "units_left",
    "binds",
    "stranded_accelerators",
    "stranded_watts",
)


def _share(cause: str, count: int, most: int) -> Row:
    return {
        "booked_to": cause,
        "accelerators": count,
        "share": f"{100 * count / most:.1f} %",
        "": "█" * (30 * count // most),
    }


def _percent(permille: Json) -> str:
    return f"{int(str(permille)) / 10:.1f} %"


def _hours(found: Row) -> None:
    from console.cli.rendering import emit, note

    booked = {c: int(str(n)) for c, n in fields(found["booked_minutes"]).items()}
    emit([{"booked_to": c, "accelerator_hours": f"{n / 60:.1f}"} for c, n in booked.items() if n], Output.TABLE)
    note(f"of the last {found['hours']} hours {int(str(found['held_minutes'])) / 60:.1f} are still known of")


def _worth(found: Row) -> None:
    """What scarce things are worth, the most first, and the bounds."""
    from console.cli.rendering import note

    for good in rows(found["goods"])[:12]:
        note(str(good["says"]))
    if not found["goods"]:
        note("nothing is scarce: more of anything would put nothing more to work")
    bounds = f"{found['as_it_stands']} while nothing is moved, {found['if_moved']} if everything may be"
    note(f"{found['at_work']} accelerators at work, {found['waited_for']} waited for; proved to be at most {bounds}")
    note(f"{_percent(found['gap_permille'])} of what could be is missing")


def _tree(context: typer.Context, question: Asked, known: tuple[Snapshot, datetime] | None) -> Topology:
    """Sites, rows and racks, of the running system or of files."""
    from tools.views.sums import Sums
    from tools.views.topologies import Scope, Topology, topology

    if known is None:
        return Topology.model_validate(ask_door(context, question).result)
    snapshot, now = known
    return topology(Sums.of(snapshot), Scope(site=question.site, nodes=False, now=now))


def _check_colour(colour_by: str) -> None:
    from console.drawing.scales import Colouring
    from estate.errors import BadInput

    if colour_by not in (Colouring.USE, Colouring.POWER, Colouring.HEALTH):
        raise BadInput(f"--colour-by: `{colour_by}` is none of use, power, health")


def _heat(drawn: Topology, colour_by: str, file: Path | None) -> None:
    """The racks as a heat map, and as a picture where one is wanted."""
    from console.cli.rendering import data_console, note
    from console.drawing import svg, terminal
    from console.drawing.scales import Colouring
    from estate.errors import BadInput

    terminal.draw(drawn, Colouring(colour_by), data_console())
    if file is not None:
        try:
            file.write_text(svg.drawn(drawn, Colouring(colour_by)))
        except OSError as error:
            raise BadInput(f"--svg: `{file}` cannot be written ({error.strerror}); name another file") from error
        note(f"wrote {file}")


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(report)
