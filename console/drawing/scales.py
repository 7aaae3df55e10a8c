"""What colours a place, and the legend that says so. Called by `terminal` and `svg`; pure and the same every time.

Numbers go from light to dark along nine steps of viridis; kinds of things take the colours of Okabe and Ito. Both are
told apart by people who see few colours, and every mark has a sign too, so that a picture without colours is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tools.views.topologies import Figures, NodeCell, RackCell, SiteCell, Topology

STEPS: Final = ("#fde725", "#addc30", "#5ec962", "#28ae80", "#21918c", "#2c728e", "#3b528b", "#472d7b", "#440154")
KINDS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
NOTHING, UNKNOWN, OTHER = "#ececec", "#ffffff", "#8c8c8c"
_BARS = "▁▂▃▄▅▆▇█"


class Colouring(StrEnum):
    """What a picture is coloured by."""

    USE = "use"
    POWER = "power"
    TEMPERATURE = "temperature"
    HEALTH = "health"
    TENANT = "tenant"
    JURISDICTION = "jurisdiction"


@dataclass(frozen=True, slots=True)
class Mark:
    """How one value looks: a colour, a sign of one letter, and its words in the legend."""

    colour: str
    sign: str
    words: str


@dataclass(frozen=True, slots=True)
class Scale:
    """How every place of one picture is marked."""

    title: str
    legend: tuple[Mark, ...]
    mark: Callable[[Figures, SiteCell], Mark]


@dataclass(frozen=True, slots=True)
class Place:
    """One coloured cell: a node, or a rack where nodes are left out."""

    name: str
    figures: Figures


def cells(rack: RackCell) -> tuple[Place, ...]:
    """What is drawn of a rack."""
    found: tuple[NodeCell | RackCell, ...] = rack.nodes or (rack,)
    return tuple(Place(c.id, c.figures) for c in found)


def every(topology: Topology) -> Iterator[tuple[SiteCell, Place]]:
    """Every cell of a picture with its site."""
    return ((s, c) for s in topology.sites for row in s.rows for rack in row.racks for c in cells(rack))


def scale(topology: Topology, by: Colouring) -> Scale:
    """The scale of one picture."""
    match by:
        case Colouring.USE:
            return _use(topology)
        case Colouring.POWER:
            return _power(topology)
        case Colouring.TEMPERATURE:
            cooled = any(c.figures.coolant is not None for _, c in every(topology))
            return _coolant() if cooled else _devices()
        case Colouring.HEALTH:
            return _health()
        case Colouring.TENANT:
            return _tenants(topology)
        case Colouring.JURISDICTION:
            return _jurisdictions(topology)


def _shares(title: str, of: Callable[[Figures], tuple[int, int | None]], without: str) -> Scale:
    """A share of a whole in per cent, in nine steps."""
    nothing, none = Mark(NOTHING, "·", "0 %"), Mark(UNKNOWN, "?", without)
    steps = tuple(_step(n, f"{_edge(n)}-{_edge(n + 1)} %") for n in range(len(STEPS) - 1))
    over = Mark(STEPS[-1], "█", "all, or more")

    def mark(figures: Figures, site: SiteCell) -> Mark:
        part, whole = of(figures)
        if not whole:
            return none
        if part <= 0:
            return nothing
        return over if part >= whole else steps[min(part * len(steps) // whole, len(steps) - 1)]

    return Scale(title, (nothing, *steps, over, none), mark)


def _use(topology: Topology) -> Scale:
    """What is in use; a cell where nothing is, and all that is open is kept for somebody, says so."""
    shares = _shares("accelerators in use", lambda f: (f.taken, f.accelerators), "no accelerator")
    if not any(c.figures.reserved for _, c in every(topology)):
        return shares
    kept = Mark("#cc79a7", "R", "reserved, and nobody is there")

    def mark(figures: Figures, site: SiteCell) -> Mark:
        empty = figures.reserved and not (figures.taken or figures.free)
        return kept if empty else shares.mark(figures, site)

    return Scale(shares.title, (*shares.legend, kept), mark)


def _edge(step: int) -> str:
    return f"{100 * step / (len(STEPS) - 1):.0f}"


def _step(number: int, words: str) -> Mark:
    return Mark(STEPS[number], _BARS[min(number, len(_BARS) - 1)], words)


def _power(topology: Topology) -> Scale:
    """Of racks the share of their budget; of nodes watts up to the highest, because a node has seldom a cap."""
    if not any(rack.nodes for s in topology.sites for row in s.rows for rack in row.racks):
        return _shares("power drawn, of the signed budget", lambda f: (f.watts, f.budget_watts), "no budget known")
    most = _round_up(max((c.figures.watts for _, c in every(topology)), default=1))
    marks = tuple(
        _step(n, f"{n * most / len(STEPS) / 1000:.1f}-{(n + 1) * most / len(STEPS) / 1000:.1f} kW")
        for n in range(len(STEPS))
    )
    nothing = Mark(NOTHING, "·", "0 kW")

    def mark(figures: Figures, site: SiteCell) -> Mark:
        return marks[min(figures.watts * len(STEPS) // most, len(STEPS) - 1)] if figures.watts else nothing

    return Scale("power drawn, in kilowatts", (nothing, *marks), mark)


def _coolant() -> Scale:
    """20 to 65 °C in steps of five."""
    return _degrees("coolant that comes back, in °C", lambda f: f.coolant, 5)


def _devices() -> Scale:
    """20 to 92 °C in steps of eight: accelerators slow down at some 85."""
    return _degrees("hottest accelerator, in °C", lambda f: f.hottest, 8)


def _degrees(title: str, of: Callable[[Figures], int | None], width: int) -> Scale:
    none = Mark(UNKNOWN, "?", "not measured")
    marks = tuple(_step(n, f"{20 + width * n}-{20 + width * (n + 1)} °C") for n in range(len(STEPS)))

    def mark(figures: Figures, site: SiteCell) -> Mark:
        found = of(figures)
        if found is None:
            return none
        return marks[max(0, min((found - 20_000) // (1000 * width), len(STEPS) - 1))]

    return Scale(title, (*marks, none), mark)


def _health() -> Scale:
    good, fenced = Mark("#009e73", "·", "healthy"), Mark("#56b4e9", "F", "fenced")
    marks = {
        "degraded": Mark("#e69f00", "!", "degraded, or a device is"),
        "failed": Mark("#d55e00", "X", "failed"),
        "unknown": Mark(UNKNOWN, "?", "unknown"),
    }

    def mark(figures: Figures, site: SiteCell) -> Mark:
        found = marks.get(figures.health.value)
        return found or (fenced if figures.fenced else good)

    return Scale("health", (good, fenced, *marks.values()), mark)


def _tenants(topology: Topology) -> Scale:
    """The largest tenants by the devices they hold have a colour each; cells of several are marked as that."""
    held: Counter[str] = Counter()
    for _, cell in every(topology):
        held.update(cell.figures.tenants)
    ranked = sorted(held, key=lambda t: (-held[t], t))
    marks = _kinds(ranked, "other tenants")
    free, several = Mark(NOTHING, "·", "nobody's"), Mark("#333333", "*", "several tenants'")

    def mark(figures: Figures, site: SiteCell) -> Mark:
        if len(figures.tenants) > 1:
            return several
        return next((marks[t] for t in figures.tenants), free)

    return Scale("tenants", (*dict.fromkeys(marks.values()), several, free), mark)


def _jurisdictions(topology: Topology) -> Scale:
    marks = _kinds(sorted({s.country for s in topology.sites}), "other countries")
    return Scale("jurisdiction of the site", tuple(dict.fromkeys(marks.values())), lambda _, site: marks[site.country])


def _kinds(names: list[str], rest: str) -> dict[str, Mark]:
    other = Mark(OTHER, "o", rest)
    signs = "ABCDEFG"
    named = {n: Mark(KINDS[i], signs[i], n) for i, n in enumerate(names[: len(KINDS)])}
    return named | dict.fromkeys(names[len(KINDS) :], other)


def _round_up(value: int) -> int:
    """The next of 1, 2, 5 times a power of ten, so that the legend has round numbers."""
    power = 1
    while True:
        for figure in (1, 2, 5):
            if figure * power >= value:
                return figure * power
        power *= 10
