"""What every kind of item is: an id, aliases, provenance, and the fields by which it names other things.

An item is what is declared or observed of the estate beside nodes and workloads: a PDU, a link, a price. It is never
law: nothing here permits anything. A kind is a frozen model in a module of `facilities`, `fabrics` or `uses`, named in
`estate.items.Item`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field, model_validator

from estate.aliases import Alias
from estate.origins import Layer, Origin
from estate.records import Model, doubled
from estate.references import Bond, Pointer, Ref


class State(StrEnum):
    """Whether something works. `UNKNOWN` is counted on by nobody."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    MAINTENANCE = "maintenance"
    UNKNOWN = "unknown"


class ItemKind(Model):
    """The fields and questions that all items share."""

    aliases: tuple[Alias, ...] = Field(default=(), max_length=32)
    """What other systems call it. Two sources may speak of it when they share a strong one."""
    origins: tuple[Origin, ...] = Field(default=(), max_length=64)
    """Which source said what of it, and when, by layer. Written by the inventory, not by people."""

    layer: ClassVar[Layer] = Layer.HARDWARE
    """What most of its fields are about."""
    layers: ClassVar[dict[str, Layer]] = {}
    """The layer of each field that is about something else."""
    pointers: ClassVar[tuple[Pointer, ...]] = ()
    """The fields that name other things."""

    @model_validator(mode="after")
    def _has_each_name_once(self) -> ItemKind:
        if twice := doubled([str(a) for a in self.aliases]):
            raise ValueError(f"aliases: `{twice[0]}` is there twice; keep one")
        return self

    @property
    def ref(self) -> Ref:
        """Its name among all things."""
        own: Any = self
        return Ref(own.kind, own.id)

    @classmethod
    def layer_of(cls, field: str) -> Layer:
        """What a field is about."""
        return Layer.IDENTITY if field in ("id", "aliases") else cls.layers.get(field, cls.layer)

    def named(self) -> Iterator[tuple[Pointer, Ref]]:
        """Every thing that it names, field by field."""
        for pointer in self.pointers:
            for value in _values(self, pointer.field.split(".")):
                yield pointer, value if isinstance(value, Ref) else Ref(pointer.kind, value)

    def bonds(self) -> tuple[Bond, ...]:
        """What it hangs on: the next things up each chain."""
        found = (Bond(p.chain, ref) for p, ref in self.named() if p.chain is not None)
        return tuple(dict.fromkeys(found))


def _values(of: Any, path: list[str]) -> Iterator[Any]:
    """Everything at a path, through lists; what is absent is left out."""
    if of is None or of == "":
        return
    if isinstance(of, tuple) and not isinstance(of, Ref):
        for one in of:
            yield from _values(one, path)
    elif not path:
        yield of
    else:
        yield from _values(getattr(of, path[0]), path[1:])
