"""Random policies, stores and requests over a schema that uses all that Cedar has, and how a request is bound to terms.

The policies are well typed but may err: they look up what may not be there, and their sums overflow.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import cedarpy
import z3

from policies.proving import extensions, logic
from policies.proving.kinds import EntityKind, Kind, Primitive, RecordKind, Schema, SetKind
from policies.proving.logic import TRUE, Formula
from policies.proving.schemas import parse
from policies.proving.sheets import Drawing, Policy, Sheet, environments, patterns
from policies.proving.strings import Strings
from policies.proving.values import Atom, Fields, Space, Value, packed, same, sort
from policies.proving.witnesses import Case, Cedar

SCHEMA: Final = """
// A little of everything.
type Place = { city: String, zip?: Long };
entity Group in [Group] { level: Long };
entity User in [Group, Group] {
  name: String, age?: Long, nicknames: Set<String>, boss?: User, home: Place, seen: datetime,
} tags String;
entity Folder in [Folder];
entity Doc in [Folder] = { owner: User, size: Long, "read only": Bool };
entity Color enum ["red", "blue"];
action "any";
action "read", "write" in [Action::"any"] appliesTo {
  principal: User, resource: [Doc],
  context: {
    n: Long, m?: Long, s: String, t?: String, b: Bool, names: Set<String>, numbers: Set<Long>, users: Set<User>,
    groups: Set<Group>, nested: Set<Set<Long>>, place: Place, places: Set<Place>, flags: Set<Bool>,
    ip: ipaddr, ips: Set<ipaddr>, price: decimal, at: datetime, length: duration, color: Color, group: Group,
    maybe?: { deep?: Long, user: User },
  },
};
"""
LONGS: Final = ("0", "1", "-1", "2", "7", "9223372036854775807", "-9223372036854775808", "4611686018427387904")
TEXTS: Final = ("", "a", "b", "ab", "ba", "abc", "a*b", "é")
LIKES: Final = ("*", "a*", "*b", "a*b", "*a*", "b", r"a\**", "*é*")
IPS: Final = (
    "10.0.0.1",
    "10.0.0.0/8",
    "127.0.0.1",
    "127.0.0.0/7",
    "224.1.1.1",
    "::1",
    "ff00::1",
    "fe80::/10",
    "10.1.0.0/16",
)
DECIMALS: Final = ("0.0", "1.5", "-1.5", "922337203685477.5807")
TIMES: Final = ("2024-01-01", "1969-12-31T23:00:00Z", "2024-02-29T12:30:00.250Z", "2024-01-01T00:00:00+0130")
SPANS: Final = ("0ms", "1d", "-1h30m", "9223372036854775807ms", "-1ms")
IDS: Final = {"User": ("ann", "bob", "eve"), "Group": ("g1", "g2", "g3"), "Folder": ("f1", "f2"), "Doc": ("d1", "d2"),
              "Color": ("red", "blue")}  # fmt: skip


PRINCIPALS: Final = (
    "principal",
    'principal == User::"ann"',
    'principal in Group::"g1"',
    "principal is User",
    'principal is User in Group::"g2"',
)
HAS: Final = (
    "context has m",
    "principal has age",
    "principal has boss",
    "context has t",
    "context has maybe.deep",
    "principal has boss.age",
    "resource.owner has home.zip",
    "context.place has zip",
)
FOLDERS: Final = ('Folder::"f2"', '[Folder::"f1", Folder::"f2"]', "resource")
PLACES: Final = (
    "context.place == principal.home",
    'context.place == {city: "a", zip: 7}',
    'context.places.contains({city: "a"})',
    "context.places.contains(principal.home)",
)
KINDS: Final = (
    'context.color == Color::"red"',
    "principal is User",
    'context.group in Group::"g3"',
    'action == Action::"write"',
    'action in [Action::"any", Action::"read"]',
)
UNKNOWN_LONGS: Final = (
    "context.n",
    "context.m",
    "principal.age",
    "resource.size",
    "context.group.level",
    "resource.owner.home.zip",
    "context.maybe.deep",
)


@dataclass(frozen=True)
class Policies:
    """Expressions by type, as text."""

    draw: random.Random

    def text(self, name: str) -> str:
        """One policy, as often a permit as a forbid."""
        draw = self.draw
        principal = draw.choice(PRINCIPALS)
        action = draw.choice(
            ("action", 'action == Action::"read"', 'action in [Action::"any"]', 'action in Action::"write"')
        )
        resource = draw.choice(("resource", 'resource in Folder::"f1"', "resource is Doc"))
        clauses = [f"{draw.choice(('when', 'unless'))} {{ {self.bool(4)} }}" for _ in range(draw.randint(0, 2))]
        effect = draw.choice(("permit", "forbid"))
        return f'@id("{name}")\n{effect}({principal}, {action}, {resource}) {" ".join(clauses)};\n'

    def bool(self, depth: int) -> str:
        """A Boolean."""
        if depth == 0:
            return self.draw.choice(("true", "false", "context.b", 'resource["read only"]'))
        return f"({self._compound(depth - 1)})"

    def _compound(self, d: int) -> str:  # noqa: C901, PLR0912 - one line for each of Cedar's operators
        draw = self.draw
        match draw.randint(0, 29):
            case 0 | 1 | 2:
                return f"{self.bool(d)} && {self.bool(d)}"
            case 3 | 4 | 5:
                return f"{self.bool(d)} || {self.bool(d)}"
            case 6 | 7:
                return f"!{self.bool(d)}"
            case 8:
                return f"if {self.bool(d)} then {self.bool(d)} else {self.bool(d)}"
            case 9 | 10:
                return f"{self.long(d)} {draw.choice(('<', '<=', '>', '>=', '==', '!='))} {self.long(d)}"
            case 11:
                return f"{self.string(d)} {draw.choice(('==', '!='))} {self.string(d)}"
            case 12:
                return f'{self.string(d)} like "{draw.choice(LIKES)}"'
            case 13:
                return f"{self.names(d)}.{draw.choice(('containsAll', 'containsAny'))}({self.names(d)})"
            case 14:
                return f"{self.names(d)}.contains({self.string(d)})"
            case 15:
                return f"{draw.choice((self.names(d), 'context.users', 'context.places', 'context.flags'))}.isEmpty()"
            case 16:
                return f"context.numbers.contains({self.long(d)})"
            case 17:
                return draw.choice(HAS)
            case 18:
                return f"{self.user(d)} == {self.user(d)}"
            case 19:
                return f"{self.user(d)} in {self.group(d)}"
            case 20:
                several = draw.choice(("context.groups", f"[{self.group(d)}, {self.group(d)}]"))
                return f"{draw.choice((self.user(d), self.group(d)))} in {several}"
            case 21:
                return f"resource in {draw.choice(FOLDERS)}"
            case 22:
                record = f"{{a: {self.long(d)}, b: {{c: 1}}}} == {{b: {{c: {self.long(d)}}}, a: 1}}"
                return draw.choice((*PLACES, record))
            case 23:
                return draw.choice(self._members(d))
            case 24:
                ranged = f'{self.ip()}.isInRange(ip("{draw.choice(IPS)}"))'
                asked = f"{self.ip()}.{draw.choice(('isIpv4', 'isIpv6', 'isLoopback', 'isMulticast'))}()"
                return draw.choice((ranged, asked, f"{self.ip()} == {self.ip()}", f"context.ips.contains({self.ip()})"))
            case 25:
                order = draw.choice(("lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"))
                return f'context.price.{order}(decimal("{draw.choice(DECIMALS)}"))'
            case 26:
                return f"{self.time(d)} {draw.choice(('<', '>=', '=='))} {self.time(d)}"
            case 27:
                return f"{self.span(d)} {draw.choice(('<=', '>', '!='))} {self.span(d)}"
            case 28:
                key = draw.choice(('"a"', "context.s"))
                return draw.choice((f"{self.user(d)}.hasTag({key})", f'{self.user(d)}.getTag({key}) == "b"'))
            case _:
                return draw.choice(KINDS)

    def _members(self, d: int) -> tuple[str, ...]:
        return (
            f"context.nested.contains([{self.long(d)}])",
            "context.nested.contains(context.numbers)",
            f"context.flags.contains({self.bool(d)})",
            f"context.users.contains({self.user(d)})",
            "[1, 2].containsAll(context.numbers)",
        )

    def long(self, depth: int) -> str:
        """A Long."""
        if depth <= 0 or self.draw.random() < 0.5:
            return self.draw.choice((*LONGS, *UNKNOWN_LONGS))
        one, other = self.long(depth - 1), self.long(depth - 1)
        time, span = self.time(depth - 1), self.span(depth - 1)
        return self.draw.choice((f"({one} + {other})", f"({one} - {other})", f"({self.draw.choice(LONGS)} * {other})",
                                 f"(-({one}))", f"(if {self.bool(depth - 1)} then {one} else {other})",
                                 f"{span}.{self.draw.choice(('toSeconds', 'toDays', 'toMilliseconds'))}()",
                                 f"{time}.toTime().toMinutes()"))  # fmt: skip

    def string(self, depth: int) -> str:
        """A String."""
        text = f'"{self.draw.choice(TEXTS)}"'
        if depth <= 0 or self.draw.random() < 0.8:
            return self.draw.choice((text, "context.s", "context.t", "principal.name", "resource.owner.name",
                                     "context.place.city", 'principal.getTag("a")'))  # fmt: skip
        return f"(if {self.bool(depth - 1)} then {text} else {self.string(depth - 1)})"

    def names(self, depth: int) -> str:
        """A set of Strings."""
        written = f"[{self.string(depth - 1)}, {self.string(depth - 1)}]"
        return self.draw.choice((written, "context.names", "principal.nicknames", "resource.owner.nicknames"))

    def user(self, depth: int) -> str:
        """A User."""
        options = (
            "principal",
            "resource.owner",
            'User::"bob"',
            'User::"nobody"',
            "principal.boss",
            "context.maybe.user",
        )
        if depth <= 0 or self.draw.random() < 0.8:
            return self.draw.choice(options)
        return f"(if {self.bool(depth - 1)} then {self.user(0)} else {self.user(0)})"

    def group(self, _: int) -> str:
        """A Group."""
        return self.draw.choice(("context.group", 'Group::"g1"', 'Group::"g2"', 'Group::"g9"'))

    def ip(self) -> str:
        """An address."""
        return self.draw.choice(("context.ip", f'ip("{self.draw.choice(IPS)}")'))

    def time(self, depth: int) -> str:
        """A moment."""
        if depth <= 0 or self.draw.random() < 0.6:
            return self.draw.choice(("context.at", "principal.seen", f'datetime("{self.draw.choice(TIMES)}")'))
        return self.draw.choice(
            (f"{self.time(depth - 1)}.offset({self.span(depth - 1)})", f"{self.time(depth - 1)}.toDate()")
        )

    def span(self, depth: int) -> str:
        """A duration."""
        if depth <= 0 or self.draw.random() < 0.7:
            return self.draw.choice(("context.length", f'duration("{self.draw.choice(SPANS)}")'))
        return f"{self.time(depth - 1)}.durationSince({self.time(depth - 1)})"


@cache
def schema() -> Schema:
    """The schema, read once."""
    return parse(SCHEMA)


@dataclass(frozen=True)
class Trial:
    """One random bundle, translated and as Cedar has it."""

    text: str
    cedar: Cedar
    sheets: dict[str, Sheet]

    @classmethod
    def of(cls, seed: int) -> Trial:
        """The bundle of that seed."""
        made = Policies(random.Random(seed))
        text = "".join(made.text(f"p{n}") for n in range(made.draw.randint(1, 3)))
        trees = cedarpy.policies_to_pst(text).static_policies.values()
        policies = [Policy(t.annotations["id"], 2, t) for t in trees]
        drawing = Drawing(schema(), Strings(patterns(policies)))
        sheets = {e.action: drawing.sheet(e, policies) for e in environments(schema())}
        return cls(text, Cedar(cedarpy.PolicySet.from_str(text), _cedar_schema()), sheets)


@cache
def _cedar_schema() -> cedarpy.Schema:
    return cedarpy.Schema.from_str(SCHEMA)


def cases(seed: int, number: int) -> Iterator[Case]:
    """Random requests on one random store, which fit the schema."""
    draw = random.Random(seed)
    store = tuple(_entities(draw))
    for _ in range(number):
        action = draw.choice(("read", "write"))
        yield Case(
            {
                "principal": {"type": "User", "id": draw.choice(IDS["User"])},
                "action": {"type": "Action", "id": action},
                "resource": {"type": "Doc", "id": draw.choice(IDS["Doc"])},
                "context": _json(draw, schema().actions[action].context),
            },
            store,
        )


def _entities(draw: random.Random) -> Iterator[Any]:
    """Some of the entities; parents come later in the order of their ids, so that nothing goes round."""
    for kind in ("User", "Group", "Folder", "Doc"):
        for number, name in enumerate(IDS[kind]):
            if draw.random() < 0.75:
                above = [
                    (k, i)
                    for k in schema().entities[kind].parents
                    for n, i in enumerate(IDS[k])
                    if k != kind or n > number
                ]
                parents = [{"type": k, "id": i} for k, i in above if draw.random() < 0.4]
                tags = {t: draw.choice(TEXTS) for t in ("a", "b") if draw.random() < 0.5}
                said = {
                    "uid": {"type": kind, "id": name},
                    "attrs": _json(draw, schema().entities[kind].attributes),
                    "parents": parents,
                }
                yield said | ({"tags": tags} if kind == "User" else {})


def _json(draw: random.Random, kind: Kind) -> Any:
    match kind:
        case Primitive.BOOL:
            return draw.random() < 0.5
        case Primitive.LONG:
            return int(draw.choice(LONGS))
        case Primitive.STRING:
            return draw.choice(TEXTS)
        case Primitive.DECIMAL:
            return extensions.json_of("decimal", draw.choice(DECIMALS))
        case Primitive.DATETIME:
            return extensions.json_of("datetime", draw.choice(TIMES))
        case Primitive.DURATION:
            return extensions.json_of("duration", draw.choice(SPANS))
        case Primitive.IP:
            return extensions.json_of("ip", draw.choice(IPS))
        case EntityKind(name):
            return {"__entity": {"type": name, "id": draw.choice(IDS[name])}}
        case SetKind(element):
            return [_json(draw, element) for _ in range(draw.randint(0, 2))]
        case RecordKind(attributes):
            return {n: _json(draw, a.kind) for n, a in attributes if a.required or draw.random() < 0.6}


def asked(sheet: Sheet, case: Case) -> list[Formula]:
    """What makes the unknowns of a sheet be this request."""
    space, request = sheet.space, case.request
    said = [same(sheet.variables["context"], known(space, sheet.environment.context, request["context"]))]
    said += [same(sheet.variables[n], known(space, EntityKind(uid["type"]), {"__entity": uid}))
             for n in ("principal", "resource") for uid in (request[n],)]  # type: ignore[index]  # fmt: skip
    return said


def stored(space: Space, case: Case) -> Iterator[Formula]:
    """What makes the functions of a sheet be this store."""
    held = {(e["uid"]["type"], e["uid"]["id"]): e for e in case.entities}  # type: ignore[call-overload,index]
    for kind, ids in IDS.items():
        for name in {*ids, "nobody", "g9"}:
            term, entity = space.ids.term(name), held.get((kind, name))
            yield space.exists(kind, term) if entity is not None else z3.Not(space.exists(kind, term))
            if entity is not None:
                yield from _entity(space, kind, term, entity, held)


def _entity(space: Space, kind: str, term: z3.ExprRef, entity: Any, held: Any) -> Iterator[Formula]:
    said = space.schema.entities[kind]
    yield same(space.attributes(kind, term), known(space, said.attributes, entity["attrs"]))
    for above in said.parents:
        ids = [
            {"__entity": {"type": above, "id": i}} for k, i in _ancestors(held, kind, entity["uid"]["id"]) if k == above
        ]
        yield space.ancestors(kind, term, above) == packed(
            known(space, SetKind(EntityKind(above)), ids), SetKind(EntityKind(above))
        )
    for text in TEXTS if said.tags else ():
        present, value = space.tag(kind, term, space.strings.term(text))
        yield present == (text in entity["tags"])
        if text in entity["tags"]:
            yield same(value, known(space, Primitive.STRING, entity["tags"][text]))


def _ancestors(held: Any, kind: str, name: str) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    todo = [(kind, name)]
    while todo:
        for parent in held.get(todo.pop(), {"parents": ()})["parents"]:
            key = (parent["type"], parent["id"])
            if key not in found:
                found.add(key)
                todo.append(key)
    return found


def known(space: Space, kind: Kind, value: Any) -> Value:
    """The constant of a JSON value."""
    match kind:
        case Primitive.BOOL:
            return Atom(kind, logic.truth(value))
        case Primitive.LONG:
            return Atom(kind, z3.IntVal(value))
        case Primitive.STRING:
            return Atom(kind, space.strings.term(value))
        case Primitive.DECIMAL | Primitive.DATETIME | Primitive.DURATION:
            read = {Primitive.DECIMAL: extensions.decimal, Primitive.DATETIME: extensions.instant}.get(
                kind, extensions.duration
            )
            return Atom(kind, z3.IntVal(read(value["__extn"]["arg"])))
        case Primitive.IP:
            six, number, bits = extensions.address(value["__extn"]["arg"])
            return Fields({"six": (TRUE, Atom(Primitive.BOOL, logic.truth(six))),
                           "value": (TRUE, Atom(Primitive.LONG, z3.IntVal(number))),
                           "bits": (TRUE, Atom(Primitive.LONG, z3.IntVal(bits)))})  # fmt: skip
        case EntityKind():
            return Atom(kind, space.ids.term(value["__entity"]["id"]))
        case SetKind(element):
            found = z3.EmptySet(sort(element))
            for each in value:
                found = z3.SetAdd(found, packed(known(space, element, each), element))
            return Atom(kind, found)
        case RecordKind(attributes):
            return Fields({n: (TRUE, known(space, a.kind, value[n])) for n, a in attributes if n in value})
