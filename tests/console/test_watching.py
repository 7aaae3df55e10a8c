"""`--watch` tells what is otherwise, one line each, and nothing twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import pytest

from console.cli import watching


async def test_each_change_is_one_line_and_an_equal_answer_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "EVERY", 0.0)
    rounds: list[list[dict[str, object]]] = [
        [{"name": "a", "health": "healthy"}],
        [{"name": "a", "health": "healthy"}],
        [{"name": "a", "health": "failed"}, {"name": "b", "health": "healthy"}],
        [{"name": "b", "health": "healthy"}],
    ]

    async def answers() -> AsyncIterator[Sequence[watching.Row]]:
        for rows in rounds:
            yield rows  # type: ignore[misc]  # plain rows

    await watching.watch(answers(), ("name", "health"), as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "+ a  healthy",
        "~ a  health: healthy → failed",
        "+ b  healthy",
        "- a  failed",
    ]
    await watching.watch(answers(), (), as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["change"], line["name"]) for line in lines] == [
        ("added", "a"),
        ("changed", "a"),
        ("added", "b"),
        ("removed", "a"),
    ]


def test_a_hostile_name_steers_no_terminal() -> None:
    change = watching.Change(watching.Turn.ADDED, "a\x1b[2J", {"name": "a\x1b[2J"})
    assert "\x1b" not in change.line(("name",)) + change.json()
