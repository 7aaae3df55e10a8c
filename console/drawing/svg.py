"""The estate as an SVG: sites under each other, rows of racks, a cell for each node, a legend with units.

Text and shapes only, no script and no font of its own; every name is escaped. The same tree gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from console.drawing.scales import UNKNOWN, Colouring, Mark, Scale, cells, scale
from console.drawing.terminal import summary
from tools.views.topologies import RackCell, RowCell, SiteCell, Topology

_WIDTH, _MARGIN, _APART = 1120, 24, 20
_CELL, _GAP, _TALL = 13, 2, 6
"""A cell and what is between two; so many stand above each other before a rack grows another column."""
_FONT = "font-family='system-ui, Segoe UI, Helvetica, Arial, sans-serif'"
_HATCH = (
    "<defs><pattern id='unknown' width='4' height='4' patternUnits='userSpaceOnUse'>"
    "<rect width='4' height='4' fill='#ffffff'/>"
    "<path d='M0 4L4 0' stroke='#9a9a9a' stroke-width='.8'/></pattern></defs>"
)
_DARK = frozenset({"#2c728e", "#3b528b", "#472d7b", "#440154", "#0072b2", "#333333", "#d55e00", "#009e73", "#21918c"})


@dataclass(slots=True)
class _Sheet:
    """What has been drawn, and where the next thing goes."""

    parts: list[str] = field(default_factory=list)
    y: int = _MARGIN

    def text(self, x: int, words: str, size: int = 12, weight: int = 400, fill: str = "#222222", dy: int = 0) -> None:
        """Words whose baseline is at the current height."""
        own = f"font-size='{size}' font-weight='{weight}' fill='{fill}'"
        self.parts.append(f"<text x='{x}' y='{self.y + dy}' {own}>{escape(words)}</text>")

    def cell(self, x: int, y: int, mark: Mark, title: str, *, signed: bool) -> None:
        """One coloured cell with its name to hover over, and its sign where colours alone do not tell."""
        fill = "url(#unknown)" if mark.colour == UNKNOWN else mark.colour
        box = f"x='{x}' y='{y}' width='{_CELL}' height='{_CELL}' rx='2'"
        self.parts.append(
            f"<rect {box} fill='{fill}' stroke='#b5b5b5' stroke-width='.5'><title>{escape(title)}</title></rect>"
        )
        if signed and mark.sign.isascii():
            ink = "#ffffff" if mark.colour in _DARK else "#222222"
            place = f"x='{x + _CELL / 2}' y='{y + _CELL - 3}' text-anchor='middle' font-size='9' fill='{ink}'"
            self.parts.append(f"<text {place}>{escape(mark.sign)}</text>")


def drawn(topology: Topology, by: Colouring) -> str:
    """The whole picture."""
    chosen, sheet = scale(topology, by), _Sheet()
    sheet.y += 14
    sheet.text(_MARGIN, f"Estate by {by.value}", 20, 600)
    sheet.y += 20
    sheet.text(_MARGIN, f"{chosen.title} · snapshot {topology.version} · one cell is {_unit(topology)}", fill="#555555")
    sheet.y += 24
    _legend(sheet, chosen)
    for site in topology.sites:
        _site(sheet, site, chosen)
    if topology.strays:
        sheet.y += 20
        sheet.text(_MARGIN, f"{topology.strays} nodes that no fact places", fill="#555555")
    return _page(sheet)


def _unit(topology: Topology) -> str:
    deep = any(rack.nodes for s in topology.sites for row in s.rows for rack in row.racks)
    return "a node, under the name of its rack" if deep else "a rack"


def _legend(sheet: _Sheet, chosen: Scale) -> None:
    x = _MARGIN
    for mark in chosen.legend:
        wide = _CELL + 8 + 7 * len(mark.words) + 14
        if x + wide > _WIDTH - _MARGIN:
            x, sheet.y = _MARGIN, sheet.y + 20
        sheet.cell(x, sheet.y - _CELL + 2, mark, mark.words, signed=True)
        sheet.text(x + _CELL + 6, mark.words)
        x += wide
    sheet.y += 12


def _site(sheet: _Sheet, site: SiteCell, chosen: Scale) -> None:
    sheet.y += 30
    sheet.parts.append(
        f"<line x1='{_MARGIN}' y1='{sheet.y - 20}' x2='{_WIDTH - _MARGIN}' y2='{sheet.y - 20}' stroke='#dddddd'/>"
    )
    sheet.text(_MARGIN, f"{site.id} ({site.country})", 15, 600)
    sheet.text(_MARGIN + 140, summary(site.figures), fill="#555555")
    sheet.y += 4
    _blocks(sheet, site, chosen)


def _blocks(sheet: _Sheet, site: SiteCell, chosen: Scale) -> None:
    """The rows of a site beside each other, as many as the sheet is wide."""
    x, tallest = _MARGIN, 0
    for row in site.rows:
        for racks in _lines(row):
            wide = max(sum(map(_width, racks)), 7 * len(row.id)) + _APART
            if x > _MARGIN and x + wide > _WIDTH - _MARGIN:
                x, sheet.y, tallest = _MARGIN, sheet.y + tallest, 0
            tallest = max(tallest, _block(sheet, x, row.id or "no row", racks, site, chosen))
            x += wide
    sheet.y += tallest


def _lines(row: RowCell) -> Iterator[list[RackCell]]:
    """The racks of a row, broken where a line of its own would be wider than the sheet."""
    line: list[RackCell] = []
    for rack in row.racks:
        if line and sum(map(_width, (*line, rack))) > _WIDTH - 2 * _MARGIN - _APART:
            yield line
            line = []
        line.append(rack)
    if line:
        yield line


def _width(rack: RackCell) -> int:
    columns = -(-len(cells(rack)) // _TALL)
    least = 6 * len(_short(rack)) + 8 if rack.nodes else 0
    return max(columns * (_CELL + _GAP) + 7, least)


def _short(rack: RackCell) -> str:
    """The last part of a rack's name: its row and site stand beside it."""
    return rack.id.rpartition("-")[2][-8:]


def _block(sheet: _Sheet, x: int, label: str, racks: list[RackCell], site: SiteCell, chosen: Scale) -> int:
    """One row from the current height down; how tall it is."""
    deep = any(rack.nodes for rack in racks)
    signed = not chosen.title.startswith(("accelerators", "power", "coolant"))
    top = sheet.y + (34 if deep else 22)
    sheet.text(x, label, weight=600, fill="#555555", dy=14)
    for rack in racks:
        if deep:
            sheet.text(x, _short(rack), 10, fill="#777777", dy=29)
        for number, cell in enumerate(cells(rack)):
            column, place = divmod(number, _TALL)
            mark = chosen.mark(cell.figures, site)
            words = f"{cell.name}: {mark.words}; {summary(cell.figures)}"
            at = x + column * (_CELL + _GAP), top + place * (_CELL + _GAP)
            sheet.cell(*at, mark, words, signed=signed or mark.colour == UNKNOWN or mark.sign == "R")
        x += _width(rack)
    tall = min(max(len(cells(rack)) for rack in racks), _TALL)
    return top - sheet.y + tall * (_CELL + _GAP) + 10


def _page(sheet: _Sheet) -> str:
    size = f"width='{_WIDTH}' height='{sheet.y + _MARGIN}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {sheet.y + _MARGIN}' {size} {_FONT}>"
    return "\n".join((head, _HATCH, f"<rect {size} fill='#ffffff'/>", *sheet.parts, "</svg>", ""))
