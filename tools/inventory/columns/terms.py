"""Terms: a number for each different value of a field that has few of them.

Called by `fields` and `sums`. Append-only, so that what a frozen column holds is read the same for ever; values that
nobody holds any more are left out of a file, so that a restart forgets them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable


class Terms[V: Hashable]:
    """Values and their numbers."""

    __slots__ = ("_codes", "values")

    def __init__(self, values: Iterable[V] = ()) -> None:
        self.values: list[V] = []
        self._codes: dict[V, int] = {}
        for value in values:
            self.code(value)

    def code(self, value: V) -> int:
        """The number of `value`, a new one if it was never met."""
        found = self._codes.get(value)
        if found is None:
            found = self._codes[value] = len(self.values)
            self.values.append(value)
        return found

    def known(self, value: V) -> int:
        """The number of `value`; -1 if it was never met."""
        return self._codes.get(value, -1)

    def fill(self, values: Iterable[V]) -> None:
        """Begin again with these values, in this order."""
        self.values[:] = values
        self._codes = {value: code for code, value in enumerate(self.values)}
