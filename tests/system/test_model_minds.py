"""A model that a setting selects plans in a running system, and what is wrong with such a setting is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.minds.model import ModelMind
from agents.minds.runbook import Runbook
from console.composing import minds
from console.config import Config
from console.demo import estate as sample
from console.door.commands import Ask
from estate.errors import BadInput
from estate.identities import Role
from estate.incidents import CaseState
from policies.ledger.port import EntryKind
from tests import builders
from tests.agents.endpoints import serving
from tests.system.composed import founded, settings, started

CHAT = "tests.agents.endpoints:OverHttp"
CAPPED = {
    "answer": "plan",
    "summary": "as the model reads it",
    "aims": [{"aim": "cap", "node": "eu-c2", "watts": 6000}],
}


def mind(**over: Any) -> Any:
    """The settings of a model mind."""
    form = {
        "kind": "model",
        "chat": CHAT,
        "registration": "scripted",
        "arguments": {"url": "http://127.0.0.1:1"},
    } | over
    return Config.model_validate({"mind": form}).mind


@pytest.mark.nats
@pytest.mark.processes
@pytest.mark.xdist_group("system-2")
async def test_what_a_selected_model_plans_is_proposed_under_its_name(tmp_path: Path) -> None:
    key = tmp_path / "model.key"
    key.write_text("s3cret\n")
    plain = sample.facts(datetime.now(UTC) + timedelta(days=90))
    seeing = builders.registration(tenants=tuple(t.id for t in plain.tenants), owner=plain.entities[0].id)
    facts = plain.model_copy(update={"registrations": (*plain.registrations, seeing)})
    async with serving() as model:
        model.replies = [{"content": json.dumps(CAPPED)}]
        chosen = mind(arguments={"url": model.url}, key_file=str(key), key_argument="key")
        async with started(founded(tmp_path / "state", facts), settings(mind=chosen)) as composed:
            otto = await composed.enrol("otto", Role.OPERATOR)
            name = (await composed.tell(Ask(text="please do something about power"), otto))["incident"]
            record = await composed.ended(name)
            assert record.state is CaseState.VERIFIED, record.summary
            (proposed,) = await composed.entries(EntryKind.PROPOSED)
            assert proposed.body["proposal"]["mind"] == "scripted"  # type: ignore[index, call-overload]
        assert model.keys == {"Bearer s3cret"}
        assert "something about power" in "".join(model.sent)


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"chat": "langchain_nowhere:Chat"}, "install `langchain-nowhere` beside placet"),
        ({"chat": "tests.agents.endpoints:Scripted"}, "is no chat model of LangChain's"),
        ({"chat": "tests.agents.endpoints:Nobody"}, "is no chat model of LangChain's"),
        ({"arguments": {}}, "does not take them"),
        ({"key_file": "/nowhere/key"}, "cannot be read"),
    ],
    ids=["not installed", "no chat model", "not there", "its arguments", "its key"],
)
def test_what_is_wrong_with_the_setting_is_told(over: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        minds.chosen(mind(**over), builders.TestClock())


def test_a_key_is_never_told(tmp_path: Path) -> None:
    """Pydantic repeats what it refuses."""
    key = tmp_path / "key"
    key.write_text("s3cret")
    with pytest.raises(BadInput) as told:
        minds.chosen(mind(arguments={}, key_file=str(key), key_argument="key"), builders.TestClock())
    assert "s3cret" not in str(told.value)
    assert told.value.__cause__ is None


def test_without_a_setting_it_is_the_runbook() -> None:
    assert isinstance(minds.chosen(Config().mind, builders.TestClock()), Runbook)
    assert isinstance(minds.chosen(mind(), builders.TestClock()), ModelMind)
