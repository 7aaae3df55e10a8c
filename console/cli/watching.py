"""`--watch`: what changes, as it comes, one line each. Reads the same answer again and tells only what is otherwise.

One connection, one question a second. A table is lines for people (`+` is new, `~` is changed, `-` is gone), JSON is
one object a line for programs; both until they are interrupted.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from console.cli.rendering import cell, shortened, visible
from estate.canonical import Json

type Row = Mapping[str, Json]
EVERY = 1.0


class Turn(StrEnum):
    """What became of a row."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


_SIGNS = {Turn.ADDED: "+", Turn.CHANGED: "~", Turn.REMOVED: "-"}


@dataclass(frozen=True, slots=True)
class Change:
    """One row that is otherwise than before."""

    turn: Turn
    name: str
    row: Row
    fields: tuple[tuple[str, Json, Json], ...] = ()
    """Of what changed: the field, what it was and what it is."""

    def line(self, columns: Sequence[str]) -> str:
        """The change for people."""
        if self.turn is Turn.CHANGED:
            words = ", ".join(f"{name}: {_word(then)} → {_word(now)}" for name, then, now in self.fields)
        else:
            words = "  ".join(_word(self.row.get(c)) for c in columns if c != "name")
        return visible(shortened(f"{_SIGNS[self.turn]} {self.name}  {words}".rstrip()))

    def json(self) -> str:
        """The change for programs."""
        form = {"change": self.turn.value, "name": self.name, "row": dict(self.row)}
        return visible(json.dumps(form, ensure_ascii=False))


def key(row: Row) -> str:
    """What tells rows of one answer apart."""
    return str(row["name"]) if "name" in row else " ".join(str(row.get(k, "")) for k in ("site", "layer"))


def changes(before: Mapping[str, Row], now: Iterable[Row], ignored: frozenset[str] = frozenset()) -> Iterator[Change]:
    """What is otherwise, by name; fields that only count seconds are no change."""
    rows = {key(row): row for row in now}
    for name in sorted(rows.keys() | before.keys()):
        old, new = before.get(name), rows.get(name)
        if old is None and new is not None:
            yield Change(Turn.ADDED, name, new)
        elif new is None and old is not None:
            yield Change(Turn.REMOVED, name, old)
        elif old is not None and new is not None:
            told = tuple((f, old.get(f), new.get(f)) for f in new if f not in ignored and old.get(f) != new.get(f))
            if told:
                yield Change(Turn.CHANGED, name, new, told)


async def watch(answers: AsyncIterator[Sequence[Row]], columns: Sequence[str], *, as_json: bool) -> None:
    """Tell every change of some answers. What is there at the beginning is told as new."""
    before: dict[str, Row] = {}
    async for rows in answers:
        for change in changes(before, rows, frozenset({"age_seconds"})):
            sys.stdout.write((change.json() if as_json else change.line(columns)) + "\n")
        sys.stdout.flush()
        before = {key(row): row for row in rows}
        await asyncio.sleep(EVERY)


def _word(value: Json) -> str:
    return cell(value) or "none"
