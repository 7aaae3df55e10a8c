"""`Stock`: the items of one estate on persistent maps, found by kind and id, by strong alias, and by what they name.

Part of every `Snapshot`, whatever holds its nodes. Adding or removing one costs O(log n). It asks no questions: items
may name what is not there (yet); `dangling` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

from immutables import Map

from estate.aliases import Alias
from estate.items import Item
from estate.references import Bond, Chain, Pointer, Ref

type _Namers = Map[tuple[Chain | None, Ref], None]


@dataclass(frozen=True, slots=True)
class Stock:
    """Frozen: `with_` and `without` give another that shares what did not change."""

    _kinds: Map[str, Map[str, Item]] = field(default_factory=Map)
    _namers: Map[Ref, _Namers] = field(default_factory=Map)
    _aliases: Map[str, Ref] = field(default_factory=Map)

    @classmethod
    def of(cls, items: Iterable[Item]) -> Self:
        """A stock of these items; of two of one name the later."""
        stock = cls()
        for item in items:
            stock = stock.with_(item)
        return stock

    def __len__(self) -> int:
        return sum(len(held) for held in self._kinds.values())

    def __iter__(self) -> Iterator[Item]:
        """Every item, by kind and id."""
        return (item for kind in sorted(self._kinds) for item in self.all(kind))

    def get(self, ref: Ref) -> Item | None:
        """The item of that name, or None."""
        held = self._kinds.get(ref.kind)
        return None if held is None else held.get(ref.id)

    def all(self, kind: str) -> Iterator[Item]:
        """Every item of a kind, by id."""
        held = self._kinds.get(kind, Map())
        return (held[name] for name in sorted(held))

    def same(self, other: Stock, kinds: Iterable[str]) -> bool:
        """Whether one was made of the other without a change to items of these kinds. Looks at none of them."""
        return self is other or all(self._kinds.get(k) is other._kinds.get(k) for k in kinds)

    def known_as(self, alias: Alias) -> Ref | None:
        """Whom a strong alias names; None for a weak one, which proves nothing."""
        return self._aliases.get(str(alias))

    def below(self, ref: Ref) -> tuple[Bond, ...]:
        """The items that hang on `ref`, each with the chain, sorted."""
        return tuple(sorted(Bond(chain, namer) for chain, namer in self._namers.get(ref, ()) if chain is not None))

    def naming(self, ref: Ref) -> tuple[Ref, ...]:
        """The items that name `ref` in any field, sorted."""
        return tuple(sorted({namer for _, namer in self._namers.get(ref, ())}))

    def dangling(self, known: Callable[[Ref], bool]) -> Iterator[tuple[Item, Pointer, Ref]]:
        """Every reference to what is neither here nor `known` elsewhere, with the item and its field."""
        for item in self:
            for pointer, ref in item.named():
                if self.get(ref) is None and not known(ref):
                    yield item, pointer, ref

    def with_(self, item: Item) -> Self:
        """This stock with `item` added or replaced."""
        if self.get(item.ref) == item:
            return self
        base = self.without(item.ref)
        namers, aliases = base._namers, base._aliases
        for pointer, ref in item.named():
            namers = namers.set(ref, namers.get(ref, Map()).set((pointer.chain, item.ref), None))
        for alias in item.aliases:
            if alias.kind.strong:
                aliases = aliases.set(str(alias), item.ref)
        held = base._kinds.get(item.kind, Map()).set(item.id, item)
        return type(self)(base._kinds.set(item.kind, held), namers, aliases)

    def without(self, ref: Ref) -> Self:
        """This stock without that item."""
        item = self.get(ref)
        if item is None:
            return self
        namers, aliases = self._namers, self._aliases
        for key, other in {((p.chain, ref), other) for p, other in item.named()}:
            left = namers[other].delete(key)
            namers = namers.set(other, left) if left else namers.delete(other)
        for alias in item.aliases:
            if aliases.get(str(alias)) == ref:
                aliases = aliases.delete(str(alias))
        held = self._kinds[ref.kind].delete(ref.id)
        kinds = self._kinds.set(ref.kind, held) if held else self._kinds.delete(ref.kind)
        return type(self)(kinds, namers, aliases)
