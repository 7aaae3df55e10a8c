"""One value, one form: what is signed and logged must never be readable in two ways."""

from __future__ import annotations

import json
import unicodedata
import uuid
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from estate import canonical
from estate.errors import BadInput

CLEAN = st.text(alphabet=st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=20).filter(
    lambda t: canonical.text_fault(t) is None
)
SCALARS = st.none() | st.booleans() | st.integers(-canonical.LARGEST_INTEGER, canonical.LARGEST_INTEGER) | CLEAN
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=4) | st.dictionaries(CLEAN, v, max_size=4), max_leaves=12)


@given(VALUES)
def test_reading_a_canonical_form_gives_the_value_back(value: canonical.Json) -> None:
    assert canonical.loads(canonical.dumps(value)) == value


@given(st.dictionaries(CLEAN, SCALARS, max_size=6))
def test_the_order_of_keys_does_not_count(value: dict[str, canonical.Json]) -> None:
    assert canonical.dumps(dict(reversed(value.items()))) == canonical.dumps(value)


@given(VALUES)
def test_the_form_is_json_without_any_space_to_vary(value: canonical.Json) -> None:
    written = canonical.dumps(value)
    assert json.loads(written) == value
    assert json.dumps(json.loads(written), ensure_ascii=False, separators=(",", ":")).encode() == written


ASCII = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
NEARLY = st.sampled_from([True, "tab\t", "line\n", 'quote" and \\', 2**53 - 1, -1]) | SCALARS | ASCII
MIXED = st.recursive(
    NEARLY, lambda v: st.lists(v, max_size=4) | st.dictionaries(CLEAN | ASCII, v, max_size=4), max_leaves=12
)


@given(MIXED)
def test_the_form_is_that_of_an_independent_implementation(value: canonical.Json) -> None:
    """Most values are encoded by the standard library; not one byte may differ from RFC 8785."""
    assert canonical.dumps(value) == rfc8785.dumps(value)


@given(VALUES, VALUES)
def test_two_values_have_one_digest_only_if_they_are_one(one: canonical.Json, other: canonical.Json) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical.digest_of(one) == canonical.digest_of(other)) == same


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        float("nan"),
        uuid.UUID(int=0),
        datetime(2026, 1, 1, tzinfo=UTC),
        "a\u007fb",
        2**53,
        -(2**53),
        "a\u202eb",
        "a\u0000b",
        "\ufeffa",
        "e\u0301",
        "\ud800",
        {1: "x"},
        {"a\u200e": 1},
        b"x",
        {"s"},
    ],
)
def test_what_has_no_single_form_is_refused(value: object) -> None:
    with pytest.raises(BadInput):
        canonical.dumps({"x": [value]})  # type: ignore[dict-item]


@pytest.mark.parametrize("text", ["a", "\u00e9"])
def test_what_is_nested_too_deeply_is_bad_input_and_not_a_crash(text: str) -> None:
    """Python reads far deeper JSON than it can walk: a message of it would be retried as if our own code had failed."""
    read = canonical.loads(f'{"[" * 5000}"{text}"{"]" * 5000}')
    with pytest.raises(BadInput, match="nested"):
        canonical.dumps(read)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":1.5}',
        "[18446744073709551616]",
        "1.0",
        "1e3",
        "NaN",
        "9007199254740992",
        "[" * 100_000,
        "",
        "{'a':1}",
    ],
)
def test_json_that_two_parsers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        canonical.loads(text)


@given(st.text(max_size=60), st.integers(0, 40))
def test_cleaned_text_is_always_fit_to_be_written(text: str, limit: int) -> None:
    cleaned = canonical.clean_text(text, limit)
    assert len(cleaned) <= limit
    assert canonical.text_fault(cleaned) is None


@given(CLEAN)
def test_clean_text_is_left_as_it_is(text: str) -> None:
    assert canonical.clean_text(text) == text
    assert unicodedata.is_normalized("NFC", text)
