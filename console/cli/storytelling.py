"""`placet describe` for people: the thing, then its story line by line."""

from __future__ import annotations

from collections.abc import Mapping

from rich.markup import escape

from console.cli.invocations import Output
from console.cli.rendering import data_console, emit
from estate.canonical import Json

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
