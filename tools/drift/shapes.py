"""What a value is, so that two of them can be compared: a record, a keyed list, a set, a quantity, one atom. Pure.

A shape comes from an API server's OpenAPI (`schemas`) or is written out here for the estate's own records. What nobody
knows is `UNTYPED`: maps by their keys, lists as one value, which is how the API server merges them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from estate.canonical import Json


class Sort(StrEnum):
    """How two values of a shape are told apart."""

    VALUE = "value"
    QUANTITY = "quantity"
    INT_OR_STRING = "int-or-string"
    MAP = "map"
    """By its keys; records too."""
    KEYED = "keyed"
    """A list whose items are known by some of their fields, in any order."""
    SET = "set"
    ATOMIC = "atomic"
    """One value, whatever it is made of."""


class Shape(Protocol):
    """What `comparing` asks of a shape."""

    @property
    def sort(self) -> Sort:
        """How two such values are told apart."""

    @property
    def keys(self) -> Mapping[str, Json]:
        """The merge keys of a keyed list, each with what it is when it is left out (None: nothing)."""

    def part(self, name: str) -> Shape:
        """The shape of a field or of a map's value."""

    def items(self) -> Shape:
        """The shape of a list's items."""

    def default(self, name: str, within: Mapping[str, Json]) -> Json:
        """What an API server writes into that field of a record when it is left out; None: nothing."""


@dataclass(frozen=True, slots=True)
class Written:
    """A shape that somebody wrote out."""

    sort: Sort = Sort.MAP
    keys: Mapping[str, Json] = field(default_factory=dict)
    parts: Mapping[str, Shape] = field(default_factory=dict)
    below: Shape | None = None

    def part(self, name: str) -> Shape:
        return self.parts.get(name, UNTYPED)

    def items(self) -> Shape:
        return self.below or UNTYPED

    def default(self, name: str, within: Mapping[str, Json]) -> Json:
        return None


UNTYPED = Written()


def keyed(*keys: str, below: Shape = UNTYPED) -> Written:
    """A list whose items are known by these fields."""
    return Written(Sort.KEYED, dict.fromkeys(keys), below=below)
