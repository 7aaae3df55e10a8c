"""How the demo tells its story: progress lines as they happen, checks as they are made, in a terminal or a log."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from estate.progress import Progress, Stage

COLOURS = {
    Stage.EVENT: "cyan",
    Stage.OPENED: "cyan",
    Stage.FENCE: "bold yellow",
    Stage.VERDICT: "bold",
    Stage.APPROVAL: "magenta",
    Stage.WARRANT: "green",
    Stage.STEP: "green",
    Stage.UNDO: "yellow",
    Stage.OUTCOME: "bold green",
}


PACE_SECONDS = 0.1
"""How long a line of a case stands alone on a terminal, so that a person can follow; logs are not slowed down."""


class CheckFailed(Exception):
    """Something the demo shows did not happen; the demo ends with an error."""


class Narrator:
    """Prints the demo, and counts what it claimed and saw."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.pace = PACE_SECONDS if console.is_terminal else 0.0
        self.started = time.monotonic()
        self.checks: list[tuple[str, bool]] = []
        self._told: set[tuple[str, str]] = set()

    def act(self, title: str, premise: str) -> None:
        """Open an act."""
        self.console.print()
        self.console.print(Panel(escape(premise), title=f"[bold]{escape(title)}[/bold]", title_align="left"))

    def says(self, who: str, text: str) -> None:
        """Somebody outside Placet does something."""
        self._line(who, escape(text), "bold blue")

    def progress(self, seen: Progress) -> None:
        """One line of a case's story; a detail that was told of this case before is not told again."""
        self._line(seen.stage.value, escape(seen.text), COLOURS.get(seen.stage, "white"))
        for detail in seen.details:
            if (seen.incident, detail) not in self._told:
                self._told.add((seen.incident, detail))
                self._detail(f"[dim]{escape(detail)}[/dim]")

    def check(self, claim: str, holds: bool, found: str = "") -> None:
        """State a claim and whether it holds; a claim that does not hold ends the demo."""
        self.checks.append((claim, holds))
        mark = "[green]✓[/green]" if holds else "[bold red]✗[/bold red]"
        self._detail(f"{mark} {escape(claim)}{'' if holds else escape(f' (found {found})')}")
        if not holds:
            raise CheckFailed(claim)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A small table."""
        table = Table(*columns, title=title, title_justify="left", title_style="bold")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        self.console.print(table)

    def _line(self, who: str, text: str, style: str) -> None:
        elapsed = time.monotonic() - self.started
        grid = _grid()
        grid.add_row(f"[dim]{elapsed:6.2f}s[/dim]", f"[{style}]{escape(who)}[/{style}]", text)
        self.console.print(grid)

    def _detail(self, text: str) -> None:
        grid = _grid()
        grid.add_row("", "", text)
        self.console.print(grid)


def _grid() -> Table:
    """Time, who, what: long text wraps under itself."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=7, justify="right")
    grid.add_column(width=12, justify="right")
    grid.add_column(overflow="fold")
    return grid
