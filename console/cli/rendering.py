"""Answers on stdout, everything else on stderr: tables for people, JSON and YAML for programs."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from console.cli.invocations import Output
from estate.canonical import Json
from estate.errors import BadInput

_PIPE_WIDTH = 200
_LONG = frozenset({"workloads", "nodes", "says", "about", "reason", "needed", "found", "remedy", "message", "by"}) | {
    "lost", "lacks", "nearest", "broken", "models"
}  # fmt: skip
"""Columns that may be folded; every other is kept on one line, however narrow the terminal."""
_NARROWEST = 24
"""What a folded column keeps of a narrow terminal."""
_SUMMARY = 100
"""What a list shows of a summary; JSON, YAML and `describe` show all of it."""
_DIGEST = re.compile(r"sha256:([0-9a-f]{12})[0-9a-f]{52}")


_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""What moves a cursor, colours a terminal or turns a line around: a sender's raw body may hold it."""


def visible(text: str) -> str:
    """Text in which every hidden character is written out, so that no sender ever steers a terminal."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def data_console() -> Console:
    """Where data goes. rich leaves colours out when it is no terminal or NO_COLOR is set."""
    return Console(file=sys.stdout, width=_width(sys.stdout))


def notes_console() -> Console:
    """Where everything that is not data goes."""
    return Console(file=sys.stderr, width=_width(sys.stderr))


def shortened(text: str) -> str:
    """Digests by their first twelve figures, which `get` and `describe` take for a name."""
    return _DIGEST.sub(r"\1", text)


def note(text: str) -> None:
    """A line for the person, not for the pipe."""
    notes_console().print(visible(text), markup=False, highlight=False, soft_wrap=True)


def emit(value: Json, output: Output, columns: Sequence[str] = ()) -> None:
    """Write `value`; as a table, rows show `columns` (all fields of the first row where none are named)."""
    match output:
        case Output.JSON:
            sys.stdout.write(visible(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")
        case Output.YAML:
            written = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
            hidden = _HIDDEN.search(written) is not None
            sys.stdout.write(yaml.safe_dump(value, sort_keys=False) if hidden else written)
        case Output.TABLE:
            _tabulate(value, columns)
        case Output.WIDE:
            _tabulate(value, _every(value))
        case Output.NAME:
            sys.stdout.writelines(f"{visible(name)}\n" for name in _names(value))


def _every(value: Json) -> tuple[str, ...]:
    """Every field of some rows, in their order."""
    rows = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _names(value: Json) -> list[str]:
    """The names of rows, or of one thing. Raises BadInput where they have none."""
    rows = value if isinstance(value, list) else [value]
    found = [str(row["name"]) for row in rows if isinstance(row, dict) and "name" in row]
    if len(found) != len(rows):
        raise BadInput("`-o name`: what is asked for has no names; choose table, wide, json or yaml")
    return found


def _tabulate(value: Json, columns: Sequence[str]) -> None:
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        _rows([row for row in value if isinstance(row, dict)], columns)
    elif isinstance(value, dict):
        _fields(value)
    else:
        data_console().print(cell(value), markup=False, highlight=False)


def _rows(rows: Sequence[Mapping[str, Json]], columns: Sequence[str]) -> None:
    if not rows:
        note("nothing found")
        return
    names = list(columns or rows[0])
    cells = [[_listed(name, row.get(name)) for name in names] for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(_heading(name), overflow="fold", no_wrap=name not in _LONG)
    for line in cells:
        table.add_row(*map(escape, line))
    console = data_console()
    console.width = max(console.width, _least_width(names, cells))
    _print(console, table)


def _least_width(names: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """How wide a table must be to cut nothing off: a terminal wraps what is wider than itself, as kubectl's does."""
    columns = (
        max(map(len, (_heading(name), *column))) for name, column in zip(names, zip(*cells, strict=True), strict=True)
    )
    kept = (min(w, _NARROWEST) if name in _LONG else w for name, w in zip(names, columns, strict=True))
    return sum(kept) + 2 * len(names)


def _heading(name: str) -> str:
    return name.replace("_", "-").upper()


def _listed(name: str, value: Json) -> str:
    text = shortened(cell(value))
    return f"{text[: _SUMMARY - 1]}…" if name == "summary" and len(text) > _SUMMARY else text


def _fields(fields: Mapping[str, Json]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name in sorted(fields, key=lambda n: n != "name"):
        table.add_row(name.replace("_", " "), escape(_told(fields[name])))
    _print(data_console(), table)


def _print(console: Console, table: Table) -> None:
    """A pipe gets no blanks at the ends of lines, to which rich fills every one up."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as written:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in written.get().splitlines())


def _told(value: Json) -> str:
    """A field's value; a list of sentences has a line for each."""
    sentences = isinstance(value, list) and any(isinstance(v, str) and len(v) > _NARROWEST for v in value)
    return "\n".join(map(cell, value)) if sentences and isinstance(value, list) else cell(value)


def _width(file: TextIO) -> int | None:
    """None: the terminal's own, or what COLUMNS says."""
    return None if file.isatty() or os.environ.get("COLUMNS") else _PIPE_WIDTH


def cell(value: Json) -> str:
    """One value for people."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(cell(v) for v in value)
        case dict():
            return visible(json.dumps(value, ensure_ascii=False))
        case _:
            return visible(str(value))
