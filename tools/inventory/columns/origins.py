"""Whose word a row is, and when it was given: source and time in one number, so that a change writes it once.

Called by `engine`, `readings` and `grounds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

UNTOLD: Final = -1
_BITS = 44
"""Of the milliseconds: enough until the year 2527."""


@dataclass(frozen=True, slots=True)
class Told:
    """Whose word something is, and when it was given."""

    source: str
    at: int
    """Milliseconds since 1970."""


def packed(source: int, at: int) -> int:
    """The number of a source and a time as one; a time that does not fit is the nearest that does."""
    return source << _BITS | min(max(at, 0), (1 << _BITS) - 1)


def unpacked(told: int) -> tuple[int, int]:
    """The number of the source, and the time."""
    return told >> _BITS, told & ((1 << _BITS) - 1)
