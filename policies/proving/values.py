"""What a Cedar expression may be worth: terms of the solver, and records and entities around them.

A record is a Python mapping of its attributes, each with whether it is there; only as an element of a set is it one
term. An entity is the integer of its id; what it has and what it is in are functions of that integer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Final, assert_never

import z3

from policies.proving import logic
from policies.proving.extensions import HIGHEST, LOWEST
from policies.proving.kinds import Attribute, EntityKind, Kind, Primitive, RecordKind, Schema, SetKind
from policies.proving.logic import TRUE, Formula, Term
from policies.proving.strings import Strings

ADDRESS: Final = RecordKind(
    (
        ("bits", Attribute(Primitive.LONG)),
        ("six", Attribute(Primitive.BOOL)),
        ("value", Attribute(Primitive.LONG)),
    )
)
"""An `ipaddr`, taken apart."""
_NUMBERS: Final = count(1)


@dataclass(frozen=True, slots=True)
class Atom:
    """One term."""

    kind: Kind
    term: Term


@dataclass(frozen=True, slots=True)
class Fields:
    """A record."""

    fields: Mapping[str, tuple[Formula, Value]]
    """Of each attribute: whether it is there, and what it is then."""


@dataclass(frozen=True, slots=True)
class Known:
    """An action: always known."""

    action: str


type Value = Atom | Fields | Known
type Leaf = Callable[[str, z3.SortRef], Term]
"""Makes the unknown of that name."""


@cache
def sort(kind: Kind) -> z3.SortRef:
    """The solver's sort of a value that is one term."""
    match kind:
        case Primitive.BOOL:
            return z3.BoolSort()
        case Primitive.IP:
            return _packed_sort(ADDRESS)
        case Primitive() | EntityKind():
            return z3.IntSort()
        case SetKind(element):
            return z3.ArraySort(sort(element), z3.BoolSort())
        case RecordKind():
            return _packed_sort(kind)
        case _:
            assert_never(kind)


def _packed_sort(kind: RecordKind) -> z3.DatatypeSortRef:
    """The same for records whose attributes are the same, required or not."""
    return _record_sort(tuple((n, sort(a.kind)) for n, a in kind.attributes))


@cache
def _record_sort(parts: tuple[tuple[str, z3.SortRef], ...]) -> z3.DatatypeSortRef:
    made = z3.Datatype(f"record {next(_NUMBERS)}")
    fields = [(f"has {n}", z3.BoolSort()) for n, _ in parts]
    made.declare("of", *fields, *parts)
    return made.create()


def packed(value: Value, kind: Kind) -> Term:
    """One term for a value, equal for equal values."""
    if isinstance(value, Atom):
        return value.term
    assert isinstance(value, Fields), value
    record = ADDRESS if kind is Primitive.IP else kind
    assert isinstance(record, RecordKind), kind
    there, terms = [], []
    for name, attribute in record.attributes:
        present, held = value.fields.get(name, (logic.FALSE, None))
        none = z3.Const(f"none of {sort(attribute.kind)}", sort(attribute.kind))
        there.append(present)
        terms.append(none if held is None else logic.choose(present, packed(held, attribute.kind), none))
    return _packed_sort(record).of(*there, *terms)


def same(left: Value, right: Value) -> Formula:
    """Cedar's `==`."""
    match left, right:
        case Known(one), Known(other):
            return logic.truth(one == other)
        case Atom(kind, one), Atom(other_kind, other) if kind == other_kind:
            return TRUE if one.eq(other) else one == other
        case Fields(one), Fields(other):
            return logic.every(_same_field(one, other, name) for name in {*one, *other})
        case _:
            return logic.FALSE


def _same_field(
    one: Mapping[str, tuple[Formula, Value]], other: Mapping[str, tuple[Formula, Value]], name: str
) -> Formula:
    if name not in one or name not in other:
        return logic.no((one.get(name) or other[name])[0])
    (here, left), (there, right) = one[name], other[name]
    alike = logic.either(logic.no(here), same(left, right))
    return logic.both(TRUE if here.eq(there) else here == there, alike)


def merged(condition: Formula, then: Value, other: Value) -> Value:
    """The one where the condition holds, else the other."""
    match then, other:
        case Atom(kind, one), Atom(_, two):
            return Atom(kind, logic.choose(condition, one, two))
        case Fields(one), Fields(two):
            return Fields({n: _merged_field(condition, one.get(n), two.get(n)) for n in {**one, **two}})
        case _ if then == other:
            return then
        case _:
            raise NotImplementedError("a choice between actions")


def _merged_field(
    condition: Formula, one: tuple[Formula, Value] | None, two: tuple[Formula, Value] | None
) -> tuple[Formula, Value]:
    there, other = one or two, two or one
    assert there is not None
    assert other is not None
    present = logic.choose(condition, there[0] if one else logic.FALSE, other[0] if two else logic.FALSE)
    return present, merged(condition, there[1], other[1])


@dataclass
class Space:
    """All unknowns of one request environment, and what is known of them."""

    schema: Schema
    strings: Strings
    ids: Strings
    assumptions: list[Formula] = field(default_factory=list)
    entities: dict[tuple[str, int], tuple[str, Term]] = field(default_factory=dict)
    """Every entity that a term names: its type and its id."""
    keys: list[Term] = field(default_factory=list)
    """Every key that some policy asks a tag by."""

    def unknown(self, kind: Kind, path: str, leaf: Leaf) -> Value:
        """A value of which nothing but its kind is known; its parts are named by `path`."""
        match kind:
            case RecordKind():
                return Fields({n: self._attribute(n, a, path, leaf) for n, a in kind.attributes})
            case Primitive.IP:
                return self._address(path, leaf)
            case _:
                return self._atom(kind, leaf(path, sort(kind)))

    def _attribute(self, name: str, attribute: Attribute, path: str, leaf: Leaf) -> tuple[Formula, Value]:
        below = f"{path}.{name}"
        present = TRUE if attribute.required else leaf(f"{below}?", z3.BoolSort())
        return present, self.unknown(attribute.kind, below, leaf)

    def _atom(self, kind: Kind, term: Term) -> Atom:
        match kind:
            case Primitive.LONG | Primitive.DECIMAL | Primitive.DATETIME | Primitive.DURATION:
                self.assumptions.append(z3.And(term >= LOWEST, term <= HIGHEST))
            case SetKind(element) if sort(element) == z3.IntSort():
                self.assumptions.append(z3.Not(z3.Default(term)))  # finite: all that policies ask of one, a finite has
            case EntityKind(name):
                self.named(name, term)
            case _:
                pass
        return Atom(kind, term)

    def _address(self, path: str, leaf: Leaf) -> Fields:
        six, value, bits = (
            leaf(f"{path}.six", z3.BoolSort()),
            leaf(f"{path}.value", z3.IntSort()),
            leaf(f"{path}.bits", z3.IntSort()),
        )
        self.assumptions += [value >= 0, bits >= 0]
        self.assumptions += [bits <= z3.If(six, 128, 32), value < z3.If(six, z3.IntVal(2**128), z3.IntVal(2**32))]
        return Fields({"six": (TRUE, Atom(Primitive.BOOL, six)),
                       "value": (TRUE, Atom(Primitive.LONG, value)),
                       "bits": (TRUE, Atom(Primitive.LONG, bits))})  # fmt: skip

    def named(self, kind: str, term: Term) -> None:
        """Remember an entity: only of what is named does the store need to make sense."""
        key = (kind, term.get_id())
        if key in self.entities:
            return
        self.entities[key] = (kind, term)
        known = self.schema.entities.get(kind)
        if known is not None and known.named is not None:
            self.assumptions.append(logic.some(term == self.ids.code(n) for n in known.named))

    def exists(self, kind: str, term: Term) -> Formula:
        """Whether the store holds that entity."""
        return z3.Function(f"{kind} exists", z3.IntSort(), z3.BoolSort())(term)

    def attributes(self, kind: str, term: Term) -> Fields:
        """What the entity has, if the store holds it."""
        found = self.unknown(self.schema.entities[kind].attributes, kind, _applied(term))
        assert isinstance(found, Fields)
        return found

    def tag(self, kind: str, term: Term, key: Term) -> tuple[Formula, Value]:
        """Whether the entity has the tag `key`, and what it is."""
        tags = self.schema.entities[kind].tags
        assert tags is not None, kind
        if not any(k.eq(key) for k in self.keys):
            self.keys.append(key)
        leaf = _applied(term, key)
        return leaf(f"{kind} tag?", z3.BoolSort()), self.unknown(tags, f"{kind} tag", leaf)

    def ancestors(self, kind: str, term: Term, above: str) -> Term:
        """The ids of all of an entity's ancestors of one type."""
        found = _applied(term)(f"{kind} in {above}", sort(SetKind(EntityKind(above))))
        self.assumptions.append(z3.Not(z3.Default(found)))
        return found

    def within(self, kind: str, term: Term, above: str, other: Term) -> Formula:
        """Cedar's `in`, between two entities."""
        itself = (term == other) if kind == above else logic.FALSE
        if above not in self.schema.above(kind):
            return itself
        return logic.either(itself, self.below(kind, term, above, other))

    def below(self, kind: str, term: Term, above: str, other: Term) -> Formula:
        """Whether the store holds the one and says that the other is its ancestor."""
        return z3.And(self.exists(kind, term), z3.Select(self.ancestors(kind, term, above), other))

    def consistent(self) -> list[Formula]:
        """What holds of every store, said of the entities that are named: no cycles, and ancestors of ancestors."""
        named, said = list(self.entities.values()), list[Formula]()
        for kind, term in named:
            for above, other in named:
                if above not in self.schema.above(kind):
                    continue
                up = self.below(kind, term, above, other)
                if above == kind:
                    said.append(z3.Implies(up, term != other))
                for top, last in named:
                    if top in self.schema.above(above):
                        beyond = z3.Select(self.ancestors(kind, term, top), last)
                        said.append(z3.Implies(z3.And(up, self.below(above, other, top, last)), beyond))
        return [*self.assumptions, *said]


def _applied(*arguments: Term) -> Leaf:
    def leaf(name: str, of: z3.SortRef) -> Term:
        return z3.Function(name, *(z3.IntSort() for _ in arguments), of)(*arguments)

    return leaf


def constant(name: str, of: z3.SortRef) -> Term:
    """The leaf of principal, resource and context: an unknown of its own."""
    return z3.Const(name, of)
