"""Stories for people: what `placet describe` tells of a thing, and a case line by line as it happens."""

from __future__ import annotations

from collections.abc import Mapping

from rich.markup import escape
from rich.table import Table

from console.cli.invocations import Output
from console.cli.rendering import data_console, emit, notes_console, shortened, visible
from estate.canonical import Json
from estate.progress import Progress

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "story": ("index", "at", "kind", "by", "says"),
    "seen": ("at", "type", "severity", "source", "message"),
    "failures": ("dimension", "policy", "about", "needed", "found", "remedy"),
}


def tell(thing: Mapping[str, Json]) -> None:
    """Print the fields, then every list of rows under its own heading."""
    lists = {k: v for k, v in thing.items() if isinstance(v, list) and v and isinstance(v[0], dict)}
    emit({k: v for k, v in thing.items() if k not in lists}, Output.TABLE)
    for heading, rows in lists.items():
        data_console().print(f"\n[bold]{escape(heading.replace('_', ' '))}[/bold]")
        emit(rows, Output.TABLE, COLUMNS.get(heading, ()))


class Teller:
    """Tells a case on stderr as it happens; long lines wrap under themselves, and no detail is told twice."""

    def __init__(self) -> None:
        self._console = notes_console()
        self._told: set[str] = set()

    def tell(self, progress: Progress) -> None:
        """One line of the story, and those of its details that are new."""
        self._line(f"{progress.at:%H:%M:%S}", progress.stage.value, escape(visible(shortened(progress.text))))
        for detail in progress.details:
            if detail not in self._told:
                self._told.add(detail)
                self._line("", "", f"[dim]{escape(visible(shortened(detail)))}[/dim]")

    def _line(self, at: str, stage: str, text: str) -> None:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=8)
        grid.add_column(width=11, justify="right")
        grid.add_column(overflow="fold")
        grid.add_row(f"[dim]{at}[/dim]", f"[bold]{stage}[/bold]", text)
        self._console.print(grid)
