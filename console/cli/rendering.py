"""Answers on stdout, everything else on stderr: tables for people, JSON and YAML for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from console.cli.invocations import Output
from estate.canonical import Json

_PIPE_WIDTH = 200
_LONG = frozenset({"summary", "workloads", "nodes", "says", "reason", "found", "remedy", "message", "by"})
"""Columns that may be folded; every other is kept on one line."""


def data_console() -> Console:
    """Where data goes. rich leaves colours out when it is no terminal or NO_COLOR is set."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def notes_console() -> Console:
    """Where everything that is not data goes."""
    return Console(file=sys.stderr)


def note(text: str) -> None:
    """A line for the person, not for the pipe."""
    notes_console().print(text, markup=False, highlight=False, soft_wrap=True)


def emit(value: Json, output: Output, columns: Sequence[str] = ()) -> None:
    """Write `value`; as a table, rows show `columns` (all fields of the first row where none are named)."""
    match output:
        case Output.JSON:
            sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        case Output.YAML:
            sys.stdout.write(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
        case Output.TABLE:
            _tabulate(value, columns)


def _tabulate(value: Json, columns: Sequence[str]) -> None:
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        _rows([row for row in value if isinstance(row, dict)], columns)
    elif isinstance(value, dict):
        _fields(value)
    else:
        data_console().print(_cell(value), markup=False, highlight=False)


def _rows(rows: Sequence[Mapping[str, Json]], columns: Sequence[str]) -> None:
    if not rows:
        note("nothing found")
        return
    names = list(columns or rows[0])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name.replace("_", "-").upper(), overflow="fold", no_wrap=name not in _LONG)
    for row in rows:
        table.add_row(*(escape(_cell(row.get(name))) for name in names))
    data_console().print(table)


def _fields(fields: Mapping[str, Json]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name.replace("_", " "), escape(_cell(value)))
    data_console().print(table)


def _cell(value: Json) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(_cell(v) for v in value)
        case dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)
