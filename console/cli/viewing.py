"""`placet top`, `topology`, `coverage` and `history`: who uses most, where everything is, how well it is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.completing import kinds, names, things_with_names
from console.cli.getting import WatchOption, show
from console.cli.invocations import Output, OutputOption, as_written, ask_door

if TYPE_CHECKING:
    from console.drawing.scales import Colouring
    from tools.views.topologies import Topology

TOPS = ("nodes", "racks", "sites", "tenants", "devices")
ORDERS = ("use", "power", "temperature")
COLOURS = ("use", "power", "temperature", "health", "tenant", "jurisdiction")
TOP_COLUMNS = {
    "nodes": ("name", "site", "rack", "taken", "accelerators", "use_percent", "watts", "drawn_watts", "celsius"),
    "racks": ("name", "site", "taken", "accelerators", "use_percent", "watts", "budget_watts", "power_percent"),
    "sites": ("name", "country", "nodes", "taken", "accelerators", "use_percent", "watts", "budget_watts"),
    "tenants": ("name", "title", "taken", "use_percent", "quota", "watts", "racks"),
    "devices": ("name", "model", "health", "tenant", "drawn_watts", "celsius", "read_seconds_ago", "throttled_by"),
}
SiteOption = Annotated[str | None, typer.Option(help="Only of this site.", autocompletion=names("site"))]


def _choice(words: tuple[str, ...]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in words:
            raise typer.BadParameter(f"`{text}` is none of {', '.join(words)}")
        return text

    return check


def top(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(help=f"One of {', '.join(TOPS)}.", callback=_choice(TOPS), autocompletion=lambda: [*TOPS])
    ],
    by: Annotated[str, typer.Option("--by", help="use, power or temperature.", callback=_choice(ORDERS))] = "use",
    site: SiteOption = None,
    limit: Annotated[int, typer.Option(help="How many rows at most.")] = 20,
    watch: WatchOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Rank what uses most: accelerators in use, watts, and heat: of the hottest device, or the coolant that comes back.

    Examples: `placet top racks --by power` · `placet top tenants` · `placet top nodes --site eu-de -o json`
    """
    from console.door.commands import Top

    with as_written():
        command = Top.model_validate({"what": what, "by": by, "site": site, "limit": limit})
    show(context, command, output, TOP_COLUMNS[what], watch=watch)


def topology(  # noqa: PLR0913, PLR0917 - options of a command
    context: typer.Context,
    site: SiteOption = None,
    rack: Annotated[str | None, typer.Option(help="Only this rack.", autocompletion=names("rack"))] = None,
    colour_by: Annotated[
        str, typer.Option("--colour-by", "--color-by", help=f"One of {', '.join(COLOURS)}.", callback=_choice(COLOURS))
    ] = "use",
    nodes: Annotated[
        bool | None, typer.Option("--nodes/--racks", help="Down to nodes; else to racks where there are many.")
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the picture to this file instead.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Draw site, row, rack and node as a tree, coloured by what you name; the legend tells colours and signs.

    Examples: `placet topology --colour-by power` · `placet topology --site eu-de --svg estate.svg` · `-o json`
    """
    from console.cli.rendering import data_console, emit, note
    from console.door.commands import Topology as Asked
    from console.drawing import terminal
    from console.drawing.scales import Colouring
    from tools.views.topologies import Topology

    with as_written():
        command = Asked.model_validate({"site": site, "rack": rack, "nodes": nodes})
    result = ask_door(context, command).result
    if output is not Output.TABLE and svg is None:
        emit(result, output)
        return
    drawn = Topology.model_validate(result)
    if svg is None:
        terminal.draw(drawn, Colouring(colour_by), data_console())
    else:
        _write(svg, drawn, Colouring(colour_by))
        note(f"wrote {svg}")


def coverage(
    context: typer.Context,
    site: SiteOption = None,
    watch: WatchOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell which layer of which site is fresh, stale or absent, how old the oldest word is, and whose it is.

    Examples: `placet coverage` · `placet coverage --site eu-de -o yaml`
    """
    from console.door.commands import Coverage

    with as_written():
        command = Coverage.model_validate({"site": site})
    columns = ("site", "layer", "standing", "things", "stale", "unresolved", "age_seconds", "sources")
    show(context, command, output, columns, watch=watch)


def history(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="Any kind of the estate.", autocompletion=kinds)],
    name: Annotated[str, typer.Argument(help="Its name.", autocompletion=things_with_names)],
    version: Annotated[
        str | None,
        typer.Option(help="As it was under this version, as verdicts name it: `installation/epoch.sequence`."),
    ] = None,
    at: Annotated[str | None, typer.Option(help="As it was known at this time: `2026-11-21T08:00:00Z`.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell what was known of one thing: version by version, or as it was when a decision was made.

    Examples: `placet history node eu-a1` · `placet history pdu pdu-1 --at 2026-11-21T08:00:00Z`
    """
    from console.cli.rendering import emit
    from console.cli.storytelling import tell
    from console.door.commands import History
    from tools.views.things import known_kind

    with as_written():
        form = {"what": known_kind(kind), "name": name, "version": _version(version), "at": at}
        command = History.model_validate(form)
    result = ask_door(context, command).result
    row = result[0] if isinstance(result, list) and result else None
    if output is Output.TABLE and isinstance(row, dict) and isinstance(then := row.pop("then", None), dict):
        tell({**row, **then})
    else:
        emit(result, output, ("version", "at", "what", "says"))


def _version(text: str | None) -> dict[str, str | int] | None:
    from estate.errors import BadInput

    if text is None:
        return None
    installation, _, rest = text.rpartition("/")
    epoch, _, sequence = rest.partition(".")
    if not (installation and epoch.isdigit() and sequence.isdigit()):
        raise BadInput(f"--version: `{text}` is no version; write it as `installation/epoch.sequence`")
    return {"installation": installation, "epoch": int(epoch), "sequence": int(sequence)}


def _write(file: Path, drawn: Topology, by: Colouring) -> None:
    from console.drawing import svg
    from estate.errors import BadInput

    try:
        file.write_text(svg.drawn(drawn, by))
    except OSError as error:
        raise BadInput(f"--svg: `{file}` cannot be written ({error.strerror}); name another file") from error


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (top, topology, coverage, history):
        app.command()(command)
