"""What senders wrote is shown to people and programs without ever steering a terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from console.cli.invocations import Output
from console.cli.rendering import emit, note
from console.cli.storytelling import Teller
from estate.errors import BadInput
from estate.ids import IncidentId
from estate.progress import Progress, Stage
from tests.builders import START

HOSTILE = "\x1b[2Jgone \x9b31m \u202edetrever\u202c \ufeff [bold]x[/bold] caf\u00e9 \u4e2d\n\x07"
HIDDEN = ("\x1b", "\x9b", "\u202e", "\u202c", "\ufeff", "\x07")


@pytest.mark.parametrize("output", [o for o in Output if o is not Output.NAME])
@pytest.mark.parametrize("value", [{"body": HOSTILE}, [{"body": HOSTILE}], HOSTILE, {"nested": {"body": HOSTILE}}])
def test_no_hidden_character_leaves_in_any_form(output: Output, value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    emit(value, output)
    note(HOSTILE)
    told = capsys.readouterr()
    assert not [c for c in HIDDEN if c in told.out + told.err]
    assert "[bold]x[/bold]" in told.out


def test_no_hidden_character_leaves_in_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    emit([{"name": HOSTILE}], Output.NAME)
    assert not [c for c in HIDDEN if c in capsys.readouterr().out]
    with pytest.raises(BadInput, match="has no names"):
        emit([{"body": "x"}], Output.NAME)


def test_no_hidden_character_leaves_in_a_story(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(incident=IncidentId("inc-1"), at=START, stage=Stage.PLAN, text=HOSTILE, details=(HOSTILE,))
    Teller().tell(progress)
    assert not [c for c in HIDDEN if c in capsys.readouterr().err]


@pytest.mark.parametrize(("output", "read"), [(Output.JSON, json.loads), (Output.YAML, yaml.safe_load)])
def test_a_program_reads_back_exactly_what_was_sent(
    output: Output, read: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    emit({"body": HOSTILE}, output)
    assert read(capsys.readouterr().out) == {"body": HOSTILE}


def test_text_without_hidden_characters_stays_readable(capsys: pytest.CaptureFixture[str]) -> None:
    for output in (Output.JSON, Output.YAML):
        emit({"name": "café"}, output)
    assert capsys.readouterr().out.count("café") == 2
