"""What hypothesis draws from again and again, prepared once: one made anew for each draw is prepared each time."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from hypothesis import strategies as st


def among[T](elements: Iterable[T]) -> st.SearchStrategy[T]:
    """One of these, which must be hashable; the simplest first."""
    found = tuple(elements)
    return _among(found, tuple(map(type, found)))


@functools.cache
def _among[T](elements: tuple[T, ...], types: tuple[type, ...]) -> st.SearchStrategy[T]:
    """With their types: `False` equals 0."""
    return st.sampled_from(elements)
