"""Strings as integers: the same integers for the same strings, and patterns told apart as Cedar tells them."""

from __future__ import annotations

import itertools

import z3
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.proving.strings import Pattern, Strings

LETTERS = st.text("ab*", max_size=4)
PATTERNS = st.lists(st.lists(st.sampled_from(["a", "b", None]), max_size=4).map(tuple), max_size=3, unique=True).map(
    tuple
)
few = settings(max_examples=max(10, settings.default.max_examples // 4))


def matches(pattern: Pattern, text: str) -> bool:
    """By definition, and slowly."""
    if not pattern:
        return not text
    if pattern[0] is None:
        return any(matches(pattern[1:], text[n:]) for n in range(len(text) + 1))
    return text[:1] == pattern[0] and matches(pattern[1:], text[1:])


@few
@given(PATTERNS, st.lists(LETTERS, min_size=1, max_size=6, unique=True))
def test_a_string_is_like_what_it_is_like(patterns: tuple[Pattern, ...], texts: list[str]) -> None:
    strings = Strings(patterns)
    codes = [strings.code(t) for t in texts]
    assert [strings.text(c) for c in codes] == texts
    assert len({*codes}) == len(codes)
    for (text, code), pattern in itertools.product(zip(texts, codes, strict=True), patterns):
        said = z3.simplify(strings.like(z3.IntVal(code), pattern))
        assert z3.is_true(said) == matches(pattern, text), (text, pattern)


@few
@given(PATTERNS, st.lists(st.integers(-9, 40), max_size=6, unique=True))
def test_an_integer_is_a_string_of_its_class_if_there_is_one(patterns: tuple[Pattern, ...], codes: list[int]) -> None:
    strings = Strings(patterns)
    for code in codes:
        try:
            text = strings.text(code)
        except LookupError:
            continue
        assert strings.code(text) == code
        for pattern in patterns:
            assert z3.is_true(z3.simplify(strings.like(z3.IntVal(code), pattern))) == matches(pattern, text)
