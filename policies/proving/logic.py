"""Connectives that keep what is certain certain: a translation stops where Cedar's own evaluation is known to stop."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Final

import z3

type Formula = z3.BoolRef
type Term = z3.ExprRef

TRUE: Final = z3.BoolVal(True)
FALSE: Final = z3.BoolVal(False)


def truth(value: bool) -> Formula:
    """A constant."""
    return TRUE if value else FALSE


def holds(formula: Formula) -> bool:
    """Whether it is certainly true: the very constant of this module."""
    return formula is TRUE


def fails(formula: Formula) -> bool:
    """Whether it is certainly false: the very constant of this module."""
    return formula is FALSE


def both(left: Formula, right: Formula) -> Formula:
    """Conjunction."""
    if fails(left) or holds(right):
        return left
    return right if holds(left) or fails(right) else z3.And(left, right)


def either(left: Formula, right: Formula) -> Formula:
    """Disjunction."""
    if holds(left) or fails(right):
        return left
    return right if fails(left) or holds(right) else z3.Or(left, right)


def no(formula: Formula) -> Formula:
    """Negation."""
    if holds(formula):
        return FALSE
    return TRUE if fails(formula) else z3.Not(formula)


def every(formulas: Iterable[Formula]) -> Formula:
    """Conjunction of any number."""
    return reduce(both, formulas, TRUE)


def some(formulas: Iterable[Formula]) -> Formula:
    """Disjunction of any number."""
    return reduce(either, formulas, FALSE)


def choose(condition: Formula, then: Term, other: Term) -> Term:
    """One or the other."""
    if holds(condition):
        return then
    return other if fails(condition) or then.eq(other) else z3.If(condition, then, other)
