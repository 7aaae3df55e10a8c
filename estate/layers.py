"""Layers: a persistent map over something else that answers for what it does not hold.

Called by `estate.frozen` alone. Without anything below it is a plain map. Over something, what is taken away leaves a
mark, so that what is below does not show through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from immutables import Map


@dataclass(frozen=True, slots=True)
class Layer[K, V]:
    """What is otherwise than below; None stands for what is not there."""

    below: Callable[[K], V | None] | None = None
    changed: Map[K, V | None] = field(default_factory=Map)

    def __contains__(self, key: K) -> bool:
        return self.get(key) is not None

    def get(self, key: K) -> V | None:
        """What is there, or None."""
        found = self.changed.get(key)
        if found is not None or self.below is None or key in self.changed:
            return found
        return self.below(key)

    def set(self, key: K, value: V) -> Self:
        """With that there."""
        return type(self)(self.below, self.changed.set(key, value))

    def update(self, values: Mapping[K, V]) -> Self:
        """With all of that there."""
        return type(self)(self.below, self.changed.update(values)) if values else self

    def delete(self, key: K) -> Self:
        """Without what is there."""
        if self.below is not None:
            return type(self)(self.below, self.changed.set(key, None))
        return type(self)(self.below, self.changed.delete(key)) if key in self.changed else self

    def values(self, below: Iterable[V], key: Callable[[V], K]) -> Iterable[V]:
        """Everything there is, by key, where `below` is all that is below."""
        if not self.changed:
            return below
        mine = {k: v for k, v in self.changed.items() if v is not None}
        rest = (v for v in below if key(v) not in self.changed)
        return (v for _, v in sorted([*mine.items(), *((key(v), v) for v in rest)], key=lambda kv: str(kv[0])))
