"""What is stored today must be readable by every later placet, and what a later one stored must be left alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate import canonical
from estate.errors import BadInput, NewerRecord
from estate.records import Record, Time, Upcast, write_time
from tests import builders


class Note(Record):
    """A record in its third version: 1 had `words` as one text, 2 had no author."""

    kind: Literal["test.note"] = "test.note"
    v: Literal[3] = 3
    words: tuple[str, ...]
    author: str
    upcasts: ClassVar[Mapping[int, Upcast]] = {
        1: lambda form: form | {"v": 2, "words": str(form["words"]).split()},
        2: lambda form: form | {"v": 3, "author": "unknown"},
    }


class Moment(Record):
    """A record with a time."""

    kind: Literal["test.moment"] = "test.moment"
    v: Literal[1] = 1
    at: Time


@pytest.mark.parametrize(
    ("form", "author"),
    [
        ({"kind": "test.note", "v": 1, "words": "a b"}, "unknown"),
        ({"kind": "test.note", "v": 2, "words": ["a", "b"]}, "unknown"),
        ({"kind": "test.note", "v": 3, "words": ["a", "b"], "author": "ada"}, "ada"),
    ],
)
def test_every_older_version_is_brought_up_to_this_one(form: dict[str, Any], author: str) -> None:
    assert Note.read(json.dumps(form).encode()) == Note(words=("a", "b"), author=author)


def test_a_newer_version_is_refused_with_the_remedy() -> None:
    with pytest.raises(NewerRecord, match=r"version 4 was written by a newer placet.*upgrade"):
        Note.read({"kind": "test.note", "v": 4})


@pytest.mark.parametrize(
    "form",
    [
        {"kind": "test.other", "v": 3},
        {"v": 3},
        {"kind": "test.note"},
        {"kind": "test.note", "v": 0},
        {"kind": "test.note", "v": "3"},
        {"kind": "test.note", "v": 3, "words": [], "author": "a", "more": 1},
        {"kind": "test.note", "v": 3, "words": []},
    ],
)
def test_what_does_not_fit_is_bad_input(form: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Note.read(form)


@pytest.mark.parametrize("data", [b"[]", b"7", b"", b'{"kind": "test.note", "v": 3, "v": 3}'])
def test_bytes_that_are_no_record_are_bad_input(data: bytes) -> None:
    with pytest.raises(BadInput):
        Note.read(data)


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_a_time_has_one_form_whatever_its_zone(time: Any) -> None:
    written = write_time(time)
    assert len(written) == len("2026-11-21T08:00:00.000000Z")
    assert Moment.read({"kind": "test.moment", "v": 1, "at": written}).canonical() == Moment(at=time).canonical()


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-11-21T08:00:00"])
def test_a_time_that_cannot_be_written_in_utc_is_not_read(time: str) -> None:
    """It would be read here, and break whoever writes it on."""
    with pytest.raises(BadInput, match="at: "):
        Moment.read({"kind": "test.moment", "v": 1, "at": time})


@pytest.mark.parametrize(
    "record", [builders.facts(), builders.world(), builders.proposal(), builders.event()], ids=lambda r: r.kind
)
def test_a_record_is_read_back_the_same_and_keeps_its_digest(record: Record) -> None:
    again = type(record).read(record.canonical())
    assert again == record
    assert again.digest == record.digest == canonical.digest(record.canonical())
