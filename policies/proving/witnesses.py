"""A model of the solver as a request and a store, put to Cedar: a counterexample that people can read and repeat.

Cedar must answer as the formulas say; where it does not, the translation is wrong and nothing is proved.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy
import z3

from estate.canonical import Json
from policies.proving import extensions
from policies.proving.kinds import EntityKind, Kind, Primitive, RecordKind, SetKind
from policies.proving.logic import Term
from policies.proving.sheets import Environment, Sheet
from policies.proving.values import ADDRESS, Atom, Fields, Space, Value, sort


@dataclass(frozen=True, slots=True)
class Case:
    """One request with the store that it is asked on."""

    request: Mapping[str, Any]
    entities: tuple[Json, ...] = ()

    def form(self) -> Json:
        """The request, and the store where there is one."""
        return {"request": {**self.request}, **({"entities": [*self.entities]} if self.entities else {})}


@dataclass(frozen=True, slots=True)
class Answered:
    """What Cedar itself said."""

    allowed: bool
    errs: bool
    policies: tuple[str, ...]
    """The ids, by `@id`, of the policies that decided."""


@dataclass(frozen=True)
class Cedar:
    """The engine on one bundle's text."""

    policies: cedarpy.PolicySet
    schema: cedarpy.Schema

    @classmethod
    def of(cls, text: str, schema: str) -> Cedar:
        """What the texts say."""
        return cls(cedarpy.PolicySet.from_str(text), cedarpy.Schema.from_str(schema))

    def ask(self, case: Case) -> Answered:
        """The engine's answer. Raises ValueError where request or store do not fit the schema."""
        store = cedarpy.Entities.from_json_str(json.dumps(case.entities), self.schema)
        (found,) = cedarpy.is_authorized_batch([dict(case.request)], self.policies, store, self.schema)
        if found.decision is cedarpy.Decision.NoDecision:
            raise ValueError("; ".join(str(e) for e in found.diagnostics.errors))
        names = found.diagnostics.id_annotations_by_reason
        return Answered(bool(found.allowed), bool(found.diagnostics.errors), tuple(sorted(names.values())))


def case_of(sheet: Sheet, model: z3.ModelRef, environment: Environment | None = None) -> Case:
    """What a model says. Raises LookupError where no request can say it."""
    return _Reading(sheet, model).case(environment or sheet.environment)


@dataclass(frozen=True, slots=True)
class _Reading:
    sheet: Sheet
    model: z3.ModelRef

    @property
    def space(self) -> Space:
        return self.sheet.space

    def case(self, environment: Environment) -> Case:
        variables = self.sheet.variables
        request = {
            "principal": self._uid(environment.principal, variables["principal"]),
            "action": {"type": "Action", "id": environment.action},
            "resource": self._uid(environment.resource, variables["resource"]),
            "context": self._of(environment.context, variables["context"]),
        }
        return Case(request, tuple(self._store()))

    def _uid(self, kind: str, value: Value) -> dict[str, Json]:
        assert isinstance(value, Atom)
        return {"type": kind, "id": self.space.ids.text(self._whole(value.term))}

    def _value(self, term: Term) -> z3.ExprRef:
        return self.model.eval(term, model_completion=True)

    def _whole(self, term: Term) -> int:
        return int(self._value(term).as_long())

    def _is(self, term: Term) -> bool:
        return bool(z3.is_true(self._value(term)))

    def _of(self, kind: Kind, value: Value) -> Any:
        """The JSON of a value of that kind."""
        if isinstance(value, Fields):
            return self._address(value) if kind is Primitive.IP else self._record(kind, value)
        assert isinstance(value, Atom), value
        return self._one(kind, self._value(value.term))

    def _record(self, kind: Kind, value: Fields) -> dict[str, Json]:
        assert isinstance(kind, RecordKind)
        there = [(n, a, value.fields[n]) for n, a in kind.attributes]
        return {n: self._of(a.kind, held) for n, a, (present, held) in there if self._is(present)}

    def _address(self, value: Fields) -> Json:
        six, number, bits = (self._value(_atom(value.fields[n][1]).term) for n in ("six", "value", "bits"))
        return _address(bool(z3.is_true(six)), number.as_long(), bits.as_long())

    def _one(self, kind: Kind, found: z3.ExprRef) -> Any:
        """The JSON of a term that the model has evaluated."""
        match kind:
            case Primitive.BOOL:
                return bool(z3.is_true(found))
            case Primitive.LONG:
                return _within(found.as_long())
            case Primitive.STRING:
                return self.space.strings.text(found.as_long())
            case Primitive.DECIMAL:
                return extensions.json_of("decimal", extensions.decimal_text(found.as_long()))
            case Primitive.DATETIME:
                return extensions.json_of("datetime", extensions.instant_text(found.as_long()))
            case Primitive.DURATION:
                return extensions.json_of("duration", extensions.duration_text(found.as_long()))
            case EntityKind(name):
                return {"__entity": {"type": name, "id": self.space.ids.text(found.as_long())}}
            case SetKind(element):
                return [self._one(element, e) for e in self._elements(found, element)]
            case Primitive.IP:
                bits, six, number = (found.arg(n) for n in range(3, 6))
                return _address(bool(z3.is_true(six)), number.as_long(), bits.as_long())
            case RecordKind(attributes):
                count = len(attributes)
                there = [n for n, (_, a) in enumerate(attributes) if a.required or z3.is_true(found.arg(n))]
                return {attributes[n][0]: self._one(attributes[n][1].kind, found.arg(count + n)) for n in there}

    def _elements(self, found: z3.ExprRef, element: Kind) -> list[z3.ExprRef]:
        """The elements of a set, which ends in the empty one."""
        inside: dict[int, z3.ExprRef] = {}
        outside: set[int] = set()
        while z3.is_store(found):
            found, key, held = found.children()
            if key.get_id() not in outside | inside.keys():
                (inside.update({key.get_id(): key}) if z3.is_true(held) else outside.add(key.get_id()))
        if z3.is_const_array(found) and z3.is_false(found.arg(0)):
            return list(inside.values())
        if sort(element) == z3.BoolSort():
            return [b for b in (z3.BoolVal(True), z3.BoolVal(False)) if self._is(z3.Select(found, b))]
        raise LookupError("a set that no request can hold")

    def _store(self) -> Iterable[Json]:
        held = {}
        for kind, term in list(self.space.entities.values()):
            if kind in self.space.schema.entities and self._is(self.space.exists(kind, term)):
                held[kind, self._whole(term)] = term
        for (kind, code), term in held.items():
            if self.space.schema.entities[kind].named is None:
                yield self._entity(kind, code, term)

    def _entity(self, kind: str, code: int, term: Term) -> Json:
        said = self.space.schema.entities[kind]
        attributes = self._of(said.attributes, self.space.attributes(kind, term))
        uid: Json = {"type": kind, "id": self.space.ids.text(code)}
        return {"uid": uid, "attrs": attributes, "parents": [*self._parents(kind, term)], **self._tags(kind, term)}

    def _parents(self, kind: str, term: Term) -> Iterable[Json]:
        """All ancestors: those that terms name, and those that only a set of entities holds."""
        for above in sorted(self.space.schema.above(kind)):
            found = self._value(self.space.ancestors(kind, term, above))
            for code in sorted(e.as_long() for e in self._elements(found, EntityKind(above))):
                yield {"type": above, "id": self.space.ids.text(code)}

    def _tags(self, kind: str, term: Term) -> dict[str, Json]:
        """The tags that some policy asks for by a key."""
        kinds = self.space.schema.entities[kind].tags
        if kinds is None:
            return {}
        found: dict[str, Json] = {}
        for key in self.space.keys:
            present, value = self.space.tag(kind, term, key)
            if self._is(present):
                found[self.space.strings.text(self._whole(key))] = self._of(kinds, value)
        return {"tags": found}


def _atom(value: Value) -> Atom:
    assert isinstance(value, Atom)
    return value


def _within(value: int) -> int:
    if not extensions.LOWEST <= value <= extensions.HIGHEST:
        raise LookupError(f"`{value}`, which is no integer of 64 bits")
    return value


def _address(six: bool, value: int, bits: int) -> Json:
    return extensions.json_of("ip", extensions.address_text(six, value, bits))


assert [n for n, _ in ADDRESS.attributes] == ["bits", "six", "value"]  # the order in which a packed one is read
