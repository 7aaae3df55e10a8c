"""How the fields of a model lie in columns, and how a model is made of them again.

Called by `machines` and `residents`. A field that is not named here lies in the profile: one number for the combination
of all such fields, because a fleet is made of few kinds of machines and work. So a new field of a model costs no line;
one that differs from row to row, or changes often, costs one in the `Kept` of its table.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from estate.records import Model
from tools.inventory.columns.ages import Ages
from tools.inventory.columns.chunks import Column, Frozen, Items, Numbers, Rows
from tools.inventory.columns.terms import Terms

PROFILE = "profile"
_NONE = -1


@dataclass(frozen=True, slots=True)
class Kept:
    """Which fields have a column of their own, by how they are stored."""

    items: tuple[str, ...] = ()
    """As the object itself: differs from row to row."""
    terms: tuple[str, ...] = ()
    """As the number of a value: few values, changing often or searched for."""
    enums: tuple[str, ...] = ()
    """As terms, in a byte: closed sets of at most 127 values."""
    whole: tuple[str, ...] = ()
    """As a whole number of at most 63 bits."""
    optional: tuple[str, ...] = ()
    """As a whole number from zero, or None."""
    flags: tuple[str, ...] = ()
    """As true or false."""
    apart: tuple[str, ...] = ()
    """In a table of its own."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every field with a column of its own."""
        return (*self.items, *self.terms, *self.enums, *self.whole, *self.optional, *self.flags)


class Fields[M: Model]:
    """The columns of one model's fields. Rows are written by one task."""

    def __init__(self, model: type[M], kept: Kept, shift: int, ages: Ages) -> None:
        self.model = model
        self.kept = kept
        self.rest = tuple(n for n in model.model_fields if n not in {*kept.columns, *kept.apart})
        self.terms: dict[str, Terms[Any]] = {name: Terms() for name in (*kept.terms, *kept.enums, PROFILE)}
        self.columns: dict[str, Column[Any]] = {name: Items(None, shift, ages) for name in kept.items}
        self.columns |= {name: Numbers("i", 0, shift, ages) for name in (*kept.terms, PROFILE)}
        self.columns |= {name: Numbers("b", 0, shift, ages) for name in kept.enums}
        self.columns |= {name: Numbers("q", 0, shift, ages) for name in kept.whole}
        self.columns |= {name: Numbers("q", _NONE, shift, ages) for name in kept.optional}
        self.columns |= {name: Numbers("b", 0, shift, ages) for name in kept.flags}
        self._encoders = {name: self._encoder(name) for name in kept.columns}
        self._plan = [(name, self.columns[name], encode) for name, encode in self._encoders.items()]
        self._profile = self.columns[PROFILE]
        self._templates: dict[int, dict[str, Any]] = {}
        self._rest: Callable[[Mapping[str, Any]], Hashable] = _getter(self.rest)

    def write(self, row: int, thing: M) -> bool:
        """Write the fields of `thing`; whether any was another one."""
        form = thing.__dict__
        code = self.terms[PROFILE].code(self._rest(form))
        changed: bool = self._profile[row] != code
        if changed:
            self._profile.set(row, code)
        for name, column, encode in self._plan:
            value = form[name] if encode is None else encode(form[name])
            if column.live[row] != value:
                column.set(row, value)
                changed = True
        return changed

    def write_one(self, row: int, name: str, value: Any) -> bool:
        """Write one field with a column of its own; whether it was another one."""
        encode, column = self._encoders[name], self.columns[name]
        code = value if encode is None else encode(value)
        if column.live[row] == code:
            return False
        column.set(row, code)
        return True

    def write_all(self, rows: Rows, name: str, values: Iterable[Any]) -> Rows:
        """Write a number, a term or a flag of each row, of which the last stands; the rows where it is another one."""
        encode, column = self._encoders[name], self.numbers(name)
        codes = np.array(list(values if encode is None else map(encode, values)), dtype=column.kind)
        before = column.take(rows)
        column.put(rows, codes)
        changed: Rows = rows[column.take(rows) != before]
        return changed

    def numbers(self, name: str) -> Numbers:
        """The column of a field that lies as numbers."""
        column = self.columns[name]
        assert isinstance(column, Numbers), f"`{name}` is a column of objects"
        return column

    def objects(self, name: str) -> Items[Any]:
        """The column of a field that lies as the objects themselves."""
        column = self.columns[name]
        assert isinstance(column, Items), f"`{name}` is a column of numbers"
        return column

    def clear(self, row: int) -> None:
        """Let go of the objects of a row that is given up."""
        for name in self.kept.items:
            self.columns[name].set(row, None)

    def profiles(self, name: str) -> list[Any]:
        """The value of a field without a column, for each profile."""
        at = self.rest.index(name)
        return [profile[at] for profile in self.terms[PROFILE].values]

    def meanings(self, name: str) -> list[Any]:
        """What the numbers in the column of a field stand for; of a field without one, what those of profiles do."""
        return self.terms[name].values if name in self.terms else self.profiles(name)

    def spelled(self, name: str, rows: NDArray[np.int64]) -> list[Any]:
        """The values of a column of items or terms, for those rows."""
        column = self.columns[name]
        if not isinstance(column, Numbers):
            return list(map(column.live.__getitem__, rows.tolist()))
        return list(map(self.terms[name].values.__getitem__, column.take(rows).tolist()))

    def adapter(self, name: str) -> TypeAdapter[list[Any]]:
        """How the values of a column of items, or the terms of one, are written as JSON."""
        return _adapter(self.model, self.rest if name == PROFILE else name, optional=name in self.kept.items)

    def is_text(self, name: str) -> bool:
        """Whether the field is text."""
        schema: Any = self.adapter(name).core_schema
        return bool(schema.get("items_schema", {}).get("schema", {}).get("type") == "str")

    def reader(self, columns: Mapping[str, Frozen[Any]]) -> Callable[[int], dict[str, Any]]:
        """Reads the fields of a row off frozen columns, in the model's order; those that lie apart are None."""
        plan = [(name, columns[name], self._decoder(name)) for name in self.kept.columns]
        profile = columns[PROFILE]

        def read(row: int) -> dict[str, Any]:
            form = self._template(profile[row]).copy()
            for name, column, decode in plan:
                form[name] = column[row] if decode is None else decode(column[row])
            return form

        return read

    def _template(self, profile: int) -> dict[str, Any]:
        """The fields of a profile in the model's order, with room for the others."""
        found = self._templates.get(profile)
        if found is None:
            known = dict(zip(self.rest, self.terms[PROFILE].values[profile], strict=True))
            found = self._templates[profile] = {name: known.get(name) for name in self.model.model_fields}
        return found

    def _encoder(self, name: str) -> Callable[[Any], Any] | None:
        if name in self.terms:
            return self.terms[name].code
        return _written if name in self.kept.optional else None

    def _decoder(self, name: str) -> Callable[[Any], Any] | None:
        if name in self.terms:
            return self.terms[name].values.__getitem__
        if name in self.kept.flags:
            return bool
        return _read if name in self.kept.optional else None


def made[M: Model](model: type[M], form: dict[str, Any]) -> M:
    """A model of fields that were validated once: pydantic's own `model_construct` costs more than validating again."""
    thing = model.__new__(model)
    put = object.__setattr__
    put(thing, "__dict__", form)
    put(thing, "__pydantic_fields_set__", _named(model))
    put(thing, "__pydantic_extra__", None)
    put(thing, "__pydantic_private__", None)
    return thing


@cache
def _named(model: type[Model]) -> set[str]:
    """The names of all fields: one set for all frozen models of a kind, which nobody writes."""
    return set(model.model_fields)


@cache
def _adapter(model: type[Model], name: str | tuple[str, ...], *, optional: bool) -> TypeAdapter[list[Any]]:
    """Made once for each field: an estate that is saved asks for dozens of them."""
    known = model.model_fields
    if isinstance(name, tuple):
        return TypeAdapter(list[tuple[*(known[n].annotation for n in name)]])  # type: ignore[misc,arg-type]  # made of the model's own types
    kind = known[name].annotation
    return TypeAdapter(list[kind | None] if optional else list[kind])  # type: ignore[valid-type]  # as above


def _getter(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Hashable]:
    """The values of these fields as a tuple, of which one name too makes one."""
    if len(names) == 1:
        return lambda form: (form[names[0]],)
    return itemgetter(*names) if names else lambda _: ()


def _written(value: int | None) -> int:
    return _NONE if value is None else value


def _read(value: int) -> int | None:
    return None if value == _NONE else value
