"""The plain form of a graph's values, and the documents made of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.types import Interrupt, Send

from agents.checkpoints import documents, plain
from agents.checkpoints.documents import Document, Saved
from agents.checkpoints.jetstream import LARGEST_BYTES, BucketShelf
from agents.checkpoints.port import Address
from estate.errors import BadInput, NewerRecord
from estate.subjects import Subjects
from tools.bus.memory import MemoryBroker
from tools.bus.port import TooLarge

_text = st.text(max_size=8)
_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text
_values = st.recursive(
    _leaves | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_text | st.just(plain.TAG), inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(_text, max_size=3)
        | st.builds(Interrupt, value=inner, id=_text)
        | st.builds(Send, st.text(min_size=1, max_size=4), inner)
    ),
    max_leaves=12,
)


@given(_values)
def test_every_plain_value_survives_the_writing_in_value_and_type(value: Any):
    document = Document("t", "").with_writes("c", [("channel", value)], "task", "")
    (write,) = documents.from_bytes(document.to_bytes()).pending("c")
    assert write == ("task", "channel", value)
    assert _types(write[2]) == _types(value)


def _types(value: Any) -> Any:
    match value:
        case dict():
            return {key: _types(item) for key, item in value.items()}
        case list() | tuple():
            return type(value), [_types(item) for item in value]
        case Interrupt():
            return Interrupt, _types(value.value)
        case Send():
            return Send, _types(value.arg)
        case _:
            return type(value)


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize("value", [object(), {1, 2}, Colour.RED, float("nan"), {1: 2}, range(3), type, len])
def test_what_json_has_no_word_for_is_refused_and_never_executed(value: Any):
    with pytest.raises(BadInput, match="of the state"):
        plain.written({"a": [value]})


def test_an_unknown_tag_is_refused():
    with pytest.raises(BadInput, match="upgrade"):
        plain.read({plain.TAG: "pickle", "value": "gASV"})


def test_a_document_of_a_newer_placet_is_left_alone():
    newer = Document("t", "").to_bytes().replace(b'"v":1', b'"v":2')
    with pytest.raises(NewerRecord):
        documents.from_bytes(newer)
    for broken in (b"", b"[]", b"{}", b'{"kind":"other","v":1}', b'{"kind":"placet.checkpoints","v":1}', b"\xff"):
        with pytest.raises(BadInput):
            documents.from_bytes(broken)


def test_trimming_keeps_the_newest_and_the_writes_that_belong_to_them():
    document = Document("t", "")
    for number in range(4):
        document = document.with_checkpoint(Saved(str(number), None, {}, {}), keep=None)
        document = document.with_writes(str(number), [("a", number)], "task", "")
    trimmed = document.with_writes("4", [("a", 4)], "early", "").trimmed(2)
    assert [saved.id for saved in trimmed.checkpoints] == ["2", "3"]
    assert [write.checkpoint for write in trimmed.writes] == ["2", "3", "4"]


async def test_a_checkpoint_beyond_all_reason_is_refused(memory_broker: MemoryBroker, subjects: Subjects):
    shelf = await BucketShelf.open(memory_broker.connect(subjects))
    with pytest.raises(TooLarge, match="the limit is"):
        await shelf.save(Address("t", ""), b"x" * (LARGEST_BYTES + 1), None)


async def test_parts_that_nobody_names_any_more_are_deleted(memory_broker: MemoryBroker, subjects: Subjects):
    bus = memory_broker.connect(subjects)
    shelf, bucket = await BucketShelf.open(bus), await bus.bucket("checkpoints")
    version = await shelf.save(Address("t", ""), b"x" * 1_200_000, None)
    assert len(await bucket.keys("part.>")) == 3
    version = await shelf.save(Address("t", ""), b"y" * 600_000, version)
    assert len(await bucket.keys("part.>")) == 2
    await shelf.save(Address("t", ""), b"z", version)
    assert await bucket.keys("part.>") == ()
    await shelf.save(Address("u", ""), b"x" * 600_000, None)
    await shelf.delete(Address("u", ""))
    assert await bucket.keys() == ("head.t.=",)
