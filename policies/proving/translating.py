"""Cedar's expressions as terms: for each what it is worth, and when evaluating it is an error.

Written after Cedar's evaluator, in its order: what stands behind a short circuit, and what the validator types as
certainly false, is not looked at. Called for one policy in one request environment; what it does not know is
`Unsupported`, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

import z3
from cedarpy import pst

from estate.errors import BadInput
from policies.proving import extensions, logic
from policies.proving.extensions import HIGHEST, LOWEST
from policies.proving.kinds import ACTION, Attribute, EntityKind, Kind, Primitive, RecordKind, SetKind
from policies.proving.logic import FALSE, TRUE, Formula, Term
from policies.proving.strings import pattern_of
from policies.proving.values import ADDRESS, Atom, Fields, Known, Space, Value, merged, packed, same, sort

DAY: Final = 86_400_000
_LITERALS: Final = {
    "decimal": (Primitive.DECIMAL, extensions.decimal),
    "datetime": (Primitive.DATETIME, extensions.instant),
    "duration": (Primitive.DURATION, extensions.duration),
}
_PER: Final = {"to_milliseconds": 1, "to_seconds": 1_000, "to_minutes": 60_000, "to_hours": 3_600_000, "to_days": DAY}
_ORDERS: Final = {
    "less": "<", "less_eq": "<=", "greater": ">", "greater_eq": ">=",
    "decimal_less_than": "<", "decimal_less_eq": "<=", "decimal_greater": ">", "decimal_greater_eq": ">=",
}  # fmt: skip


class Unsupported(BadInput):
    """What the proofs do not understand: nothing is proved of it, so it is not served."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What an expression comes to."""

    value: Value
    errs: Formula = FALSE

    @property
    def truth(self) -> Formula:
        """Of a Boolean, as far as there is no error."""
        assert isinstance(self.value, Atom), self.value
        return self.value.term

    @property
    def term(self) -> Term:
        """Of what is one term."""
        return self.truth


def boolean(formula: Formula, errs: Formula = FALSE) -> Worth:
    """A Boolean."""
    return Worth(Atom(Primitive.BOOL, formula), errs)


@dataclass(frozen=True, slots=True)
class Translation:
    """The variables of one request environment."""

    space: Space
    variables: Mapping[pst.VarName, Value]

    def policy(self, policy: pst.Template) -> Worth:
        """Whether a policy is satisfied, and when it errs (and is skipped)."""
        scope = logic.every(
            [
                self._scope(policy.action, "action"),
                self._scope(policy.principal, "principal"),
                self._scope(policy.resource, "resource"),
            ]
        )
        found = boolean(scope)
        for clause in policy.clauses:
            if logic.fails(found.truth):
                break
            body = self.of(clause.expr)
            said = body if isinstance(clause, pst.When) else boolean(logic.no(body.truth), body.errs)
            found = _and(found, said)
        return found

    def _scope(
        self, constraint: pst.PrincipalOrResourceConstraint | pst.ActionConstraint, name: pst.VarName
    ) -> Formula:
        value = self.variables[name]
        match constraint:
            case pst.ScopeAny():
                return TRUE
            case pst.ScopeEq(entity) | pst.ActionEq(entity):
                return same(value, self._entity(entity))
            case pst.ScopeIn(entity):
                return self._in(value, self._entity(entity))
            case pst.ActionIn(entities):
                return logic.some(self._in(value, self._entity(e)) for e in entities)
            case pst.ScopeIs(kind):
                return _is(value, str(kind))
            case pst.ScopeIsIn(kind, entity):
                return logic.both(_is(value, str(kind)), self._in(value, self._entity(entity)))
            case _:
                assert_never(constraint)

    def of(self, expression: pst.Expr) -> Worth:
        """What an expression is worth."""
        match expression:
            case pst.Var() | pst.BoolLit() | pst.LongLit() | pst.StringLit() | pst.EntityLit():
                return self._plain(expression)
            case pst.UnaryOp(op, arg):
                return self._unary(op, arg)
            case pst.BinaryOp(op, left, right):
                return self._binary(op, left, right)
            case pst.GetAttr(base, attr):
                return self._attribute(self.of(base), attr)
            case pst.HasAttr(base, attrs):
                return self._has(self.of(base), attrs)
            case pst.Like(base, _):
                held = self.of(base)
                return boolean(self.space.strings.like(held.term, pattern_of(expression)), held.errs)
            case pst.Is(base, kind, inside):
                return self._is_in(self.of(base), str(kind), inside)
            case pst.IfThenElse(cond, then, other):
                return self._if(self.of(cond), then, other)
            case pst.Set(elements):
                return self._set([self.of(e) for e in elements])
            case pst.Record(fields):
                return _record({n: self.of(e) for n, e in fields.items()})
            case pst.Slot():
                raise Unsupported("the slot of a template")
            case _:
                assert_never(expression)

    def _plain(self, expression: pst.Var | pst.Lit) -> Worth:
        match expression:
            case pst.Var(name):
                return Worth(self.variables[name])
            case pst.BoolLit(truth):
                return boolean(logic.truth(truth))
            case pst.LongLit(number):
                return Worth(Atom(Primitive.LONG, z3.IntVal(number)))
            case pst.StringLit(text):
                return Worth(Atom(Primitive.STRING, self.space.strings.term(text)))
            case pst.EntityLit(uid):
                return Worth(self._entity(uid))
            case _:
                assert_never(expression)

    def _entity(self, uid: pst.EntityOrSlot) -> Value:
        if isinstance(uid, pst.Slot):
            raise Unsupported("the slot of a template")
        kind = str(uid.type)
        if kind == ACTION.name:
            return Known(uid.id)
        term = self.space.ids.term(uid.id)
        self.space.named(kind, term)
        return Atom(EntityKind(kind), term)

    def _unary(self, op: pst.UnaryOpName, arg: pst.Expr) -> Worth:
        if op in {"decimal", "datetime", "duration", "ip"}:
            return _literal(op, arg)
        held = self.of(arg)
        if op in _PER:
            return Worth(Atom(Primitive.LONG, _toward_zero(held.term, _PER[op])), held.errs)
        match op:
            case "not":
                return boolean(logic.no(held.truth), held.errs)
            case "neg":
                return _whole(Primitive.LONG, -held.term, held.errs)
            case "is_empty":
                assert isinstance(held.value, Atom)
                assert isinstance(held.value.kind, SetKind)
                return boolean(held.term == z3.EmptySet(sort(held.value.kind.element)), held.errs)
            case "to_date":
                return _whole(Primitive.DATETIME, held.term - held.term % DAY, held.errs)
            case "to_time":
                return Worth(Atom(Primitive.DURATION, held.term % DAY), held.errs)
            case "is_ipv4" | "is_ipv6" | "is_loopback" | "is_multicast":
                return boolean(_address_is(op, held.value), held.errs)
            case _:
                raise Unsupported(f"`{op}`")

    def _binary(self, op: pst.BinaryOpName, left: pst.Expr, right: pst.Expr) -> Worth:
        one = self.of(left)
        match op:
            case "and":
                return one if logic.fails(one.truth) else _and(one, self.of(right))
            case "or":
                return one if logic.holds(one.truth) else _or(one, self.of(right))
            case "in":
                return self._inside(one, right)
            case _:
                return self._of_two(op, one, self.of(right))

    def _of_two(self, op: pst.BinaryOpName, one: Worth, other: Worth) -> Worth:
        """Of what Cedar evaluates both sides."""
        errs = logic.either(one.errs, other.errs)
        match op:
            case "eq":
                return boolean(same(one.value, other.value), errs)
            case "not_eq":
                return boolean(logic.no(same(one.value, other.value)), errs)
            case "contains":
                return boolean(z3.Select(one.term, packed(other.value, _element(one.value))), errs)
            case "contains_all":
                return boolean(z3.IsSubset(other.term, one.term), errs)
            case "contains_any":
                return boolean(_meet(one.value, other.term), errs)
            case "has_tag" | "get_tag":
                return self._tag(op, one, other.term, errs)
            case "is_in_range":
                return boolean(_in_range(one.value, other.value), errs)
            case _:
                return _numbers(op, one.term, other.term, errs)

    def _attribute(self, base: Worth, name: str) -> Worth:
        fields, missing = self._fields(base.value)
        present, value = fields[name]
        return Worth(value, logic.some([base.errs, missing, logic.no(present)]))

    def _has(self, base: Worth, names: tuple[str, ...]) -> Worth:
        """`base has a.b` is `base has a && base.a has b`."""
        fields, missing = self._fields(base.value)
        present, value = fields.get(names[0], (FALSE, None))
        here = logic.both(logic.no(missing), present)
        if len(names) == 1 or logic.fails(here):
            return boolean(here, base.errs)
        assert value is not None
        return _and(boolean(here, base.errs), self._has(Worth(value), names[1:]))

    def _fields(self, value: Value) -> tuple[Mapping[str, tuple[Formula, Value]], Formula]:
        """The attributes, and when there are none because the store does not hold the entity."""
        match value:
            case Fields(fields):
                return fields, FALSE
            case Atom(EntityKind(name), term):
                return self.space.attributes(name, term).fields, logic.no(self.space.exists(name, term))
            case _:
                raise Unsupported("an attribute of an action")

    def _tag(self, op: str, base: Worth, key: Term, errs: Formula) -> Worth:
        assert isinstance(base.value, Atom)
        assert isinstance(base.value.kind, EntityKind)
        name, term = base.value.kind.name, base.value.term
        exists = self.space.exists(name, term)
        if self.space.schema.entities[name].tags is None:
            return boolean(FALSE, errs)
        present, value = self.space.tag(name, term, key)
        if op == "has_tag":
            return boolean(logic.both(exists, present), errs)
        return Worth(value, logic.some([errs, logic.no(exists), logic.no(present)]))

    def _is_in(self, base: Worth, kind: str, inside: pst.Expr | None) -> Worth:
        found = boolean(_is(base.value, kind), base.errs)
        return found if inside is None or logic.fails(found.truth) else _and(found, self._inside(base, inside))

    def _inside(self, one: Worth, right: pst.Expr) -> Worth:
        """`in` an entity, one of those written, or any of a set."""
        if isinstance(right, pst.Set):
            each = [self.of(e) for e in right.elements]
            found = logic.some(self._in(one.value, e.value) for e in each)
            return boolean(found, logic.some([one.errs, *(e.errs for e in each)]))
        other = self.of(right)
        return boolean(self._in(one.value, other.value), logic.either(one.errs, other.errs))

    def _in(self, value: Value, other: Value) -> Formula:
        match value, other:
            case Known(action), Known(group):
                return logic.truth(group in self.space.schema.groups_of(action))
            case Atom(EntityKind(name), term), Atom(EntityKind(above), top):
                return self.space.within(name, term, above, top)
            case Atom(EntityKind(name), term), Atom(SetKind(EntityKind(above)), tops):
                itself = z3.Select(tops, term) if name == above else FALSE
                if above not in self.space.schema.above(name):
                    return itself
                ups = self.space.ancestors(name, term, above)
                return logic.either(itself, z3.And(self.space.exists(name, term), _overlap(ups, tops, z3.IntSort())))
            case _:
                return FALSE

    def _if(self, condition: Worth, then: pst.Expr, other: pst.Expr) -> Worth:
        if logic.holds(condition.truth) or logic.fails(condition.truth):
            one = self.of(then if logic.holds(condition.truth) else other)
            return Worth(one.value, logic.either(condition.errs, one.errs))
        one, two = self.of(then), self.of(other)
        errs = logic.choose(condition.truth, one.errs, two.errs)
        return Worth(merged(condition.truth, one.value, two.value), logic.either(condition.errs, errs))

    def _set(self, elements: list[Worth]) -> Worth:
        kinds = [_kind(e.value) for e in elements]
        if not elements:
            raise Unsupported("a set literal without elements")
        element = kinds[0]
        found = z3.EmptySet(sort(element))
        for each in elements:
            found = z3.SetAdd(found, packed(each.value, element))
        return Worth(Atom(SetKind(element), found), logic.some(e.errs for e in elements))


def _record(parts: Mapping[str, Worth]) -> Worth:
    fields = Fields({n: (TRUE, p.value) for n, p in parts.items()})
    return Worth(fields, logic.some(p.errs for p in parts.values()))


def _kind(value: Value) -> Kind:
    """The kind of a value that a policy writes into a set."""
    match value:
        case Atom(kind, _):
            return kind
        case Fields(fields) if {*fields} == {n for n, _ in ADDRESS.attributes}:
            return Primitive.IP
        case Fields(fields):
            return RecordKind(tuple(sorted((n, Attribute(_kind(v))) for n, (_, v) in fields.items())))
        case Known():
            raise Unsupported("a set of actions outside `in`")
        case _:
            assert_never(value)


def _element(value: Value) -> Kind:
    assert isinstance(value, Atom)
    assert isinstance(value.kind, SetKind)
    return value.kind.element


def _and(one: Worth, other: Worth) -> Worth:
    errs = logic.either(one.errs, logic.both(one.truth, other.errs))
    return boolean(logic.both(one.truth, other.truth), errs)


def _or(one: Worth, other: Worth) -> Worth:
    errs = logic.either(one.errs, logic.both(logic.no(one.truth), other.errs))
    return boolean(logic.either(one.truth, other.truth), errs)


def _is(value: Value, kind: str) -> Formula:
    own = ACTION if isinstance(value, Known) else value.kind if isinstance(value, Atom) else None
    return logic.truth(own == EntityKind(kind))


def _whole(kind: Primitive, term: Term, errs: Formula) -> Worth:
    """An integer of 64 bits, or an error."""
    return Worth(Atom(kind, term), logic.either(errs, z3.Or(term < LOWEST, term > HIGHEST)))


def _numbers(op: pst.BinaryOpName, one: Term, other: Term, errs: Formula) -> Worth:
    if order := _ORDERS.get(op):
        return boolean({"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[order], errs)
    match op:
        case "add":
            return _whole(Primitive.LONG, one + other, errs)
        case "sub":
            return _whole(Primitive.LONG, one - other, errs)
        case "mul":
            return _whole(Primitive.LONG, one * other, errs)
        case "offset":
            return _whole(Primitive.DATETIME, one + other, errs)
        case "duration_since":
            return _whole(Primitive.DURATION, one - other, errs)
        case _:
            raise Unsupported(f"`{op}`")


def _toward_zero(term: Term, by: int) -> Term:
    return z3.If(term >= 0, term / by, -(-term / by))


def _meet(value: Value, other: Term) -> Formula:
    assert isinstance(value, Atom)
    return _overlap(value.term, other, sort(_element(value)))


def _overlap(one: Term, other: Term, of: z3.SortRef) -> Formula:
    return z3.Not(z3.SetIntersect(one, other) == z3.EmptySet(of))


def _literal(op: str, arg: pst.Expr) -> Worth:
    """The value of an extension, which the validator lets be made of a literal only."""
    if not isinstance(arg, pst.StringLit):
        raise Unsupported(f"`{op}` of something else than a literal")
    try:
        if op == "ip":
            return Worth(_address(*extensions.address(arg.value)))
        kind, read = _LITERALS[op]
        return Worth(Atom(kind, z3.IntVal(read(arg.value))))
    except ValueError as error:
        raise Unsupported(f"`{op}` of `{arg.value}` ({error})") from error


def _address(six: bool, value: int, bits: int) -> Fields:
    parts = {"six": Atom(Primitive.BOOL, logic.truth(six)), "value": Atom(Primitive.LONG, z3.IntVal(value)),
             "bits": Atom(Primitive.LONG, z3.IntVal(bits))}  # fmt: skip
    return Fields({n: (TRUE, p) for n, p in parts.items()})


_KNOWN_RANGES: Final = {"is_loopback": ("127.0.0.0/8", "::1/128"), "is_multicast": ("224.0.0.0/4", "ff00::/8")}


def _address_is(op: str, value: Value) -> Formula:
    assert isinstance(value, Fields)
    six = value.fields["six"][1]
    assert isinstance(six, Atom)
    if op in _KNOWN_RANGES:
        return logic.some(_in_range(value, _address(*extensions.address(r))) for r in _KNOWN_RANGES[op])
    return six.term if op == "is_ipv6" else logic.no(six.term)


def _in_range(value: Value, network: Value) -> Formula:
    """Whether all of the one lies in the other, which is written out in the policy."""
    assert isinstance(value, Fields)
    assert isinstance(network, Fields)
    six, start, bits = (_part(value, n) for n in ("six", "value", "bits"))
    top, base, size = (_part(network, n) for n in ("six", "value", "bits"))
    if not (z3.is_int_value(base) and z3.is_int_value(size)):
        raise Unsupported("`isInRange` of a range that is not written out")
    free = 2 ** ((128 if logic.holds(top) else 32) - size.as_long())
    low = base.as_long() // free * free
    return logic.every([six if logic.holds(top) else logic.no(six), bits >= size, start >= low, start < low + free])


def _part(value: Fields, name: str) -> Term:
    found = value.fields[name][1]
    assert isinstance(found, Atom)
    return found.term
