"""What people read before they approve: no title and no diff says anything else than what is done."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from estate.approvals import diff_line
from estate.canonical import loads
from estate.changes import CordonNode, NoInverse, adapter
from estate.errors import BadInput, Denied
from estate.verdicts import Decision
from tests import objects
from tests.builders import proposal
from tests.policies.asking import MOVE_A, law, verdict
from tests.policies.attacks.test_attacks import Place

CYRILLIC = "р" + "ause the mo" + "vе"
MISLEADING: list[tuple[str, str]] = [
    (f"{CYRILLIC} of a-serve", "mixes Latin letters with Cyrillic"),
    ("move a-servе", "mixes Latin letters with Cyrillic"),
    ("scale to Οne", "mixes Latin letters with Greek"),
    ("ｍove a-serve", "letters of another style"),
    ("𝐦ove a-serve", "letters of another style"),
]


@pytest.mark.parametrize(("summary", "fault"), MISLEADING, ids=range(len(MISLEADING)))
async def test_a_title_that_looks_like_another_is_refused(summary: str, fault: str) -> None:
    with pytest.raises(Denied, match=fault):
        await Place().gate.submit(proposal(MOVE_A, summary=summary))


@pytest.mark.parametrize("summary", ["перенести a-serve", "Verschiebe a-serve wegen Überhitzung", "λ of the queue: 3"])
async def test_a_title_in_any_one_script_is_read(summary: str) -> None:
    assert (await Place(law()).gate.submit(proposal(MOVE_A, summary=summary))).warrant_envelope is not None


UNWRITABLE: list[tuple[str, str]] = [
    ("move \u202eevres-a", "bidirectional"),
    ("move \u2066a-serve\u2069", "bidirectional"),
    ("move\u200ea-serve", "bidirectional"),
    ("\x1b[2Kmove a-serve", "control character"),
    ("move a-serve\x00", "control character"),
    ("move cafe\u0301", "NFC"),
    ("\ufeffmove", "invisible"),
]


@pytest.mark.parametrize(("summary", "fault"), UNWRITABLE, ids=range(len(UNWRITABLE)))
def test_a_title_of_hidden_characters_has_no_digest(summary: str, fault: str) -> None:
    """Bidi, ANSI, NFD: there is no canonical form to sign, so that no two digests and no other reading exist."""
    with pytest.raises(BadInput, match=fault):
        _ = proposal(MOVE_A, summary=summary).digest


@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', '{"a":9007199254740993}', '{"a":1.0}', '{"a":1e3}', '{"a":NaN}', '{"a":-9007199254740993}'],
)
def test_json_that_two_readers_could_read_as_two_things_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not canonical"):
        loads(text)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "CordonNode", "node": "eu-\u04301"},
        {"kind": "CordonNode", "node": "eu-a1\u202e"},
        {"kind": "CordonNode", "node": "\x1b[2Keu-a1"},
        {"kind": "ScaleWorkload", "workload": "a-s\u0435rve", "replicas": 0},
        {"kind": "ApplyManifest", "cluster": "eu-1", "manifest": objects.manifest(name="s\u0435rve")},
        {"kind": "ApplyManifest", "cluster": "eu-1", "manifest": objects.manifest(namespace="ten\u0430nt-a")},
    ],
    ids=range(6),
)
def test_no_name_in_a_diff_is_written_in_letters_that_look_like_others(change: dict[str, object]) -> None:
    """Names are plain ASCII where a change is read: there is no step that a diff could show misleadingly."""
    with pytest.raises(ValidationError):
        adapter.validate_python(change)


@pytest.mark.parametrize(("text", "fault"), UNWRITABLE, ids=range(len(UNWRITABLE)))
def test_no_value_in_a_diff_hides_what_it_is(text: str, fault: str) -> None:
    """What an object holds is shown as it is written, so what cannot be shown can be neither proposed nor approved."""
    with pytest.raises(ValidationError, match=fault):
        objects.apply(objects.manifest(data={"rate": text}))


def test_a_proposer_writes_no_line_of_the_diff_itself() -> None:
    """Its own words of how a step is undone would stand there; with them it is not what the gate lays out."""
    asked = proposal(CordonNode(node="eu-a1"))
    (step,) = asked.steps
    said = step.model_copy(update={"inverse": NoInverse(reason="harmless, approve it")})
    assert diff_line(said).undo == "harmless, approve it"
    found = verdict(proposal={"steps": (said,)})
    assert (found.decision, found.policies, found.diff) == (Decision.FORBID, ("plan-current",), None)
