"""The estate as a tree in a terminal: a line for each rack, a cell for each node, coloured where colours are allowed.

Without colours (NO_COLOR, a pipe) the signs alone are read: the legend says what each means.
"""

from __future__ import annotations

from rich.console import Console
from rich.style import Style
from rich.text import Text
from rich.tree import Tree

from console.drawing.scales import UNKNOWN, Colouring, Mark, Scale, cells, scale
from tools.views.topologies import Figures, RackCell, SiteCell, Topology


def draw(topology: Topology, by: Colouring, console: Console) -> None:
    """Print the picture and its legend."""
    chosen = scale(topology, by)
    for site in topology.sites:
        console.print(_site(site, chosen), highlight=False)
    if topology.strays:
        console.print(f"{topology.strays} nodes that no fact places", markup=False, highlight=False)
    console.print(_legend(chosen), highlight=False, soft_wrap=False)


def _site(site: SiteCell, chosen: Scale) -> Tree:
    tree = Tree(Text.assemble((site.id, "bold"), f"  {site.country}  {summary(site.figures)}"))
    for row in site.rows:
        if all(not rack.nodes for rack in row.racks):
            line = Text.assemble(f"{row.id or 'no row'}  ")
            for rack in row.racks:
                line.append_text(_cell(chosen.mark(rack.figures, site)))
            tree.add(line)
            continue
        branch = tree.add(Text(row.id or "no row"))
        width = max(len(rack.id) for rack in row.racks)
        for rack in row.racks:
            branch.add(_rack(rack, site, chosen, width))
    return tree


def _rack(rack: RackCell, site: SiteCell, chosen: Scale, width: int) -> Text:
    line = Text(f"{rack.id:<{width}}  ", no_wrap=True)
    for cell in cells(rack):
        line.append_text(_cell(chosen.mark(cell.figures, site)))
    line.append(f"  {summary(rack.figures)}", "dim")
    return line


def _cell(mark: Mark) -> Text:
    return Text(f"{mark.sign}", Style(color=None if mark.colour == UNKNOWN else mark.colour))


def _legend(chosen: Scale) -> Text:
    line = Text.assemble((f"{chosen.title}: ", "bold"))
    for mark in chosen.legend:
        line.append_text(_cell(mark)).append(f" {mark.words}  ")
    return line


def summary(figures: Figures) -> str:
    """What a place adds up to, in a line."""
    parts = [f"{figures.taken}/{figures.accelerators} accelerators", f"{figures.watts / 1000:.1f} kW"]
    if figures.budget_watts:
        parts[1] += f" of {figures.budget_watts / 1000:.0f}"
    parts[0] += f" and {figures.reserved} reserved" if figures.reserved else ""
    parts += [f"{figures.fenced} fenced"] if figures.fenced else []
    parts += [f"{figures.failed} devices failed"] if figures.failed else []
    parts += [f"{figures.links_down} links down"] if figures.links_down else []
    return ", ".join(parts)
