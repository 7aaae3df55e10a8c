"""Cedar's types as the proofs see them. Plain data, made by `policies.proving.schemas`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Primitive(Enum):
    """The types without structure, and the extensions."""

    BOOL = "Bool"
    LONG = "Long"
    STRING = "String"
    DECIMAL = "decimal"
    DATETIME = "datetime"
    DURATION = "duration"
    IP = "ipaddr"


@dataclass(frozen=True, slots=True)
class EntityKind:
    """An entity of one type. `Action` is one too, and every value of it is known when policies are translated."""

    name: str


@dataclass(frozen=True, slots=True)
class SetKind:
    """A finite set."""

    element: Kind


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a record or an entity."""

    kind: Kind
    required: bool = True


@dataclass(frozen=True, slots=True)
class RecordKind:
    """A closed record; attributes by name, sorted."""

    attributes: tuple[tuple[str, Attribute], ...] = ()

    def of(self, name: str) -> Attribute | None:
        """The attribute of that name."""
        return dict(self.attributes).get(name)


type Kind = Primitive | EntityKind | SetKind | RecordKind

EMPTY: Final = RecordKind()
ACTION: Final = EntityKind("Action")


@dataclass(frozen=True, slots=True)
class EntityType:
    """What the schema says of one type of entities."""

    name: str
    parents: frozenset[str] = frozenset()
    attributes: RecordKind = EMPTY
    tags: Kind | None = None
    named: tuple[str, ...] | None = None
    """The only ids there are, of an enumerated type."""


@dataclass(frozen=True, slots=True)
class ActionType:
    """What the schema says of one action."""

    name: str
    groups: frozenset[str] = frozenset()
    principals: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    context: RecordKind = EMPTY


@dataclass(frozen=True, slots=True)
class Schema:
    """A whole schema."""

    entities: Mapping[str, EntityType]
    actions: Mapping[str, ActionType]

    def groups_of(self, action: str) -> frozenset[str]:
        """Every group that an action is in, itself included."""
        found: set[str] = set()
        todo = [action]
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self.actions[name].groups if name in self.actions else ()
        return frozenset(found)

    def above(self, kind: str) -> frozenset[str]:
        """Every type that may be an ancestor of an entity of `kind`."""
        found: set[str] = set()
        todo = [kind]
        while todo:
            parents = self.entities[todo.pop()].parents
            todo += parents - found
            found |= parents
        return frozenset(found)
