"""A column as a snapshot saw it stays so, however it is written, freed and read meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.inventory.columns.ages import Ages
from tools.inventory.columns.chunks import Frozen, Items, Numbers

SHIFT, MOST = 1, 7
_rows = st.integers(0, MOST)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), _rows, st.integers(0, 9)),
        st.tuples(st.just("write all"), st.lists(_rows, min_size=1, max_size=4), st.integers(0, 9)),
        st.tuples(st.just("snapshot"), st.none(), st.none()),
        st.tuples(st.just("release"), st.integers(0, 9), st.none()),
        st.tuples(st.just("reap"), st.integers(1, 40), st.none()),
    ),
    max_size=40,
)


@given(_steps)
@settings(max_examples=60, deadline=None)
def test_what_a_held_snapshot_saw_stays_and_nothing_else_does(steps: list[tuple[str, object, int]]) -> None:
    ages = Ages()
    numbers, things = Numbers("i", -1, SHIFT, ages), Items("", SHIFT, ages)
    held: list[tuple[int, list[int]]] = []
    for step, what, value in steps:
        match step, what:
            case "write", int(row):
                reach(numbers, things, row)
                numbers.set(row, value)
                things.set(row, str(value))
            case "write all", list(rows):
                reach(numbers, things, *rows)
                numbers.put(np.array(rows), np.arange(value, value + len(rows)))
                for number, row in enumerate(rows, start=value):
                    things.set(row, str(number))
            case "snapshot", _:
                held.append((ages.take(), numbers.array[: numbers.rows].tolist()))
            case "release", int(at):
                ages.end(held.pop(at % len(held))[0] if held else ages.take())
            case "reap", int(most):
                ages.reap(most)
        for age, seen in held:
            assert_seen(numbers, things, age, seen)
    for age, _ in held:
        ages.end(age)
    while ages.reap(40):
        pass
    assert (numbers.past, things.past) == ({}, {})


def test_what_is_kept_does_not_grow_while_every_column_is_written_again_and_again() -> None:
    """A column that was written over meanwhile is looked through once more, but not before all others."""
    ages = Ages()
    columns = [Numbers("q", 0, SHIFT, ages) for _ in range(4)]
    for column in columns:
        column.reach(MOST + 1)
    ages.take()  # held, as by a history
    newest = ages.take()
    for step in range(400):
        for column in columns:
            column.set(step % (MOST + 1), step)
        ages.end(newest)
        newest = ages.take()
        ages.reap(2)
    assert sum(len(images) for column in columns for images in column.past.values()) < 100


def reach(numbers: Numbers, things: Items[str], *rows: int) -> None:
    for column in (numbers, things):
        column.reach(max(rows) + 1)


def assert_seen(numbers: Numbers, things: Items[str], age: int, seen: list[int]) -> None:
    """Rows that came later are blank to whoever held the snapshot before."""
    expected = seen + [-1] * (numbers.rows - len(seen))
    assert Frozen(numbers, age).view.tolist() == expected
    assert [Frozen(numbers, age)[row] for row in range(numbers.rows)] == expected
    assert Frozen(things, age).values() == ["" if n == -1 else str(n) for n in expected]


class Interrupted(dict[int, Any]):
    """Whoever has just looked for images of a chunk is interrupted by the one who writes."""

    def __init__(self, write: Callable[[], None]) -> None:
        super().__init__()
        self._writes = [write]

    def get(self, chunk: int, default: Any = None) -> Any:
        found = super().get(chunk, default)
        if self._writes:
            self._writes.pop()()
        return found


def test_a_reader_who_is_interrupted_by_a_write_sees_what_was_before_it() -> None:
    """No lock stands between them: it looks for an image again after it has read."""
    ages = Ages()
    column = Numbers("q", 0, SHIFT, ages)
    column.reach(2)
    column.set(1, 7)
    frozen = Frozen(column, ages.take())
    column.past = Interrupted(lambda: column.set(1, 8))
    assert frozen[1] == 7
    assert column[1] == 8
