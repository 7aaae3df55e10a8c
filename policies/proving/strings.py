"""Strings as integers: all that Cedar asks of one is whether it equals another, and whether it is `like` a pattern.

The strings that no pattern tells apart are one class; an integer's class is its remainder, so that there is always
another string of the class of a given one. Where a class is in truth finite (`like "a*" && like "*a" && !(like "a*a")`
is `a` alone) the proofs see strings that do not exist: they may then fail to find a real counterexample, and say so;
they never miss one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import z3
from cedarpy import pst

from estate.errors import BadInput
from policies.proving.logic import Formula, Term, some, truth

type Pattern = tuple[str | None, ...]
"""Characters, and None for any number of them."""
type _State = tuple[frozenset[int], ...]

_MOST_STATES: Final = 4096


def pattern_of(node: pst.Like) -> Pattern:
    """The pattern that is written, two wildcards in a row being one."""
    parts = [e.value if isinstance(e, pst.Char) else None for e in node.pattern]
    return tuple(p for n, p in enumerate(parts) if p is not None or n == 0 or parts[n - 1] is not None)


@dataclass
class Strings:
    """Every string that policies, requests and counterexamples name, and the classes that `patterns` make."""

    patterns: tuple[Pattern, ...] = ()
    _codes: dict[str, int] = field(default_factory=dict)
    _texts: dict[int, str] = field(default_factory=dict)
    _others: dict[int, Iterator[str]] = field(default_factory=dict)
    _machine: _Machine = field(init=False)

    def __post_init__(self) -> None:
        self._machine = _Machine.of(self.patterns)

    def code(self, text: str) -> int:
        """The integer of a string."""
        if text not in self._codes:
            kinds = len(self._machine.classes)
            own = self._machine.class_of(text)
            self._set(text, next(c for n in count() if (c := n * kinds + own) not in self._texts))
        return self._codes[text]

    def term(self, text: str) -> Term:
        """The constant."""
        return z3.IntVal(self.code(text))

    def text(self, code: int) -> str:
        """A string of that integer: the same for ever.

        Raises:
            LookupError: there is no further string in its class.
        """
        if code not in self._texts:
            own = code % len(self._machine.classes)
            others = self._others.setdefault(own, self._machine.words(own))
            if (word := next((w for w in others if w not in self._codes), None)) is None:
                raise LookupError("a string of which there are no more")
            self._set(word, code)
        return self._texts[code]

    def like(self, term: Term, pattern: Pattern) -> Formula:
        """Whether the string is like `pattern`, which is one of the patterns."""
        kinds, which = self._machine.classes, self.patterns.index(pattern)
        if len(kinds) == 1:
            return truth(kinds[0][which])
        return some(term % len(kinds) == n for n, accepted in enumerate(kinds) if accepted[which])

    def _set(self, text: str, code: int) -> None:
        self._codes[text], self._texts[code] = code, text


@dataclass(frozen=True)
class _Machine:
    """All patterns run side by side."""

    patterns: tuple[Pattern, ...]
    letters: tuple[str, ...]
    steps: dict[_State, tuple[_State, ...]]
    classes: tuple[tuple[bool, ...], ...]
    """The vectors of acceptance that some string has."""

    @classmethod
    def of(cls, patterns: tuple[Pattern, ...]) -> _Machine:
        used = sorted({c for p in patterns for c in p if c is not None})
        letters = (*(c for c in "xyzuvw" if c not in used), *used) if patterns else ("x",)
        start = tuple(_closed(p, {0}) for p in patterns)
        steps: dict[_State, tuple[_State, ...]] = {}
        todo = [start]
        while todo:
            state = todo.pop()
            if state not in steps:
                steps[state] = tuple(_step(patterns, state, letter) for letter in letters)
                todo += steps[state]
            if len(steps) > _MOST_STATES:
                raise BadInput("the patterns of `like` are too many to be told apart by the proofs; write fewer")
        found = dict.fromkeys(_accepted(patterns, s) for s in steps)
        return cls(patterns, letters, steps, tuple(found))

    @property
    def start(self) -> _State:
        return tuple(_closed(p, {0}) for p in self.patterns)

    def class_of(self, text: str) -> int:
        state = self.start
        for letter in text:
            state = _step(self.patterns, state, letter)
        return self.classes.index(_accepted(self.patterns, state))

    def words(self, own: int) -> Iterator[str]:
        """The strings of a class, shortest first; without patterns `x1`, `x2`, …"""
        if not self.patterns:
            yield from (f"x{n}" for n in count(1))  # without end
        ends = [{s for s in self.steps if _accepted(self.patterns, s) == self.classes[own]}]
        for _ in range(2 * len(self.steps) + 64):
            yield from self._of_length(self.start, ends)
            last = ends[-1]
            ends.append({s for s, to in self.steps.items() if last.intersection(to)})

    def _of_length(self, state: _State, ends: list[set[_State]]) -> Iterator[str]:
        """The words from `state` of as many letters as there are sets before the last, each able to reach the end."""
        left = len(ends) - 1
        if state not in ends[left]:
            return
        if left == 0:
            yield ""
            return
        for letter, to in zip(self.letters, self.steps[state], strict=True):
            yield from (letter + rest for rest in self._of_length(to, ends[:left]))


def _closed(pattern: Pattern, at: set[int]) -> frozenset[int]:
    """With every position that a wildcard may leave at once."""
    found = set(at)
    for n in range(len(pattern)):
        if n in found and pattern[n] is None:
            found.add(n + 1)
    return frozenset(found)


def _step(patterns: Iterable[Pattern], state: _State, letter: str) -> _State:
    return tuple(
        _closed(p, {n if p[n] is None else n + 1 for n in s if n < len(p) and p[n] in {None, letter}})
        for p, s in zip(patterns, state, strict=True)
    )


def _accepted(patterns: Iterable[Pattern], state: _State) -> tuple[bool, ...]:
    return tuple(len(p) in s for p, s in zip(patterns, state, strict=True))
