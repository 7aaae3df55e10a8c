"""The two ways of reading a line of an export agree, and no trick of spelling gets past either.

The fast way may only ever take what the slow one takes, and must read the same: else a verifier could be shown one
thing and a person another.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate import canonical
from estate.errors import BadInput
from policies.ledger import forms, lines
from policies.ledger.leaves import Leaf
from policies.ledger.lines import Broken, Read
from tests.ledger.test_verification import EXPORT, edited

LINES = [line for line in EXPORT if b'"kind":"leaf"' in line]
LINE = LINES[-1]


def fast(line: bytes) -> Read | None:
    try:
        return lines._fast(line)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return None


def slow(line: bytes) -> Read | None:
    try:
        return lines._slow(line)
    except Broken:
        return None


texts = st.text(st.characters(codec="utf-8"), max_size=6)
bodies = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=5,
    ),
    max_size=3,
)


@given(st.sampled_from(LINES), bodies, st.booleans())
def test_what_the_fast_way_takes_the_slow_way_reads_the_same(line: bytes, body: dict[str, Any], spaced: bool) -> None:
    form = json.loads(line)
    form["content"]["body"] = body
    separators = (", ", ": ") if spaced else (",", ":")
    written = json.dumps(form, sort_keys=True, separators=separators, ensure_ascii=False).encode() + b"\n"
    taken = fast(written)
    assert taken is None or taken == slow(written)


@given(st.sampled_from(LINES), st.data())
def test_no_changed_byte_is_read_otherwise_by_one_of_them(line: bytes, data: st.DataObject) -> None:
    changed = bytearray(line)
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] = data.draw(st.integers(0, 255))
    taken = fast(bytes(changed))
    assert taken is None or taken == slow(bytes(changed))


def test_every_line_that_we_write_goes_the_fast_way() -> None:
    """Unless it holds text beyond ASCII, which is right and slower."""
    assert all(fast(line) == slow(line) is not None for line in LINES)
    umlaut = edited(LINE, lambda form: form["content"]["body"].update(reason="zurückgerollt"))
    assert fast(umlaut) is None
    assert slow(umlaut) is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"ending":"rolled-back"', b'"ending":"rolled-back","ending":"verified"'),
        (b'"ending":"rolled-back"', b'"ending":9007199254740993'),
        (b'"ending":"rolled-back"', b'"ending":1.0'),
        (b'"ending":"rolled-back"', b'"ending":-0'),
        (b'"ending":"rolled-back"', b'"ending":"rolled\\u002dback"'),
        (b'"ending":"rolled-back"', '"ending":"e\u0301"'.encode()),
        (b'"ending":"rolled-back"', '"ending":"\u202eback"'.encode()),
        (b'"ending":"rolled-back"', b'"ending":"\\u0007"'),
        (b'"ending":"rolled-back"', b'"ending": "rolled-back"'),
        (b'"v":1}', b'"v":1.0}'),
        (b'"v":1}', b'"v":true}'),
        (b"000000Z", b"000000z"),
        (b".000000Z", b"Z"),
        (b'"index":11', b'"index":"11"'),
        (b'"index":11', b'"index":11,"index":11'),
        (b'"tenants":[', b'"tenants":[],"tenants":['),
        (b'"hash":"', b'"extra":1,"hash":"'),
    ],
    ids=lambda text: text.decode()[:24],
)
def test_a_second_spelling_is_refused(old: bytes, new: bytes) -> None:
    """Duplicate keys, numbers beyond 2^53, floats, escapes, NFD, bidirectional text, loose types, spaces."""
    assert old in LINE
    changed = LINE.replace(old, new, 1)
    assert fast(changed) is None
    with pytest.raises(Broken):
        lines.read(changed)


@given(st.sampled_from(LINES), texts, texts)
def test_a_leaf_is_written_in_the_bytes_of_its_record(line: bytes, by: str, key: str) -> None:
    """Appending takes the short way; what it writes is the canonical form or nothing."""
    leaf = msgspec.structs.replace(lines._fast(line).leaf, by=by, key=key)
    try:
        written = forms.written(leaf)
    except BadInput:
        with pytest.raises(BadInput):
            canonical.dumps(msgspec.to_builtins(leaf))
        return
    assert written == Leaf.read(written).canonical()
