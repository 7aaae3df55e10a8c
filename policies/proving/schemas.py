"""Read a Cedar schema (its human form): cedarpy checks schemas and gives no tree of them.

Called with a text that Cedar has already accepted, so that only what is not understood here is an error. Namespaces
are not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from estate.errors import BadInput
from policies.proving.kinds import (
    ActionType,
    Attribute,
    EntityKind,
    EntityType,
    Kind,
    Primitive,
    RecordKind,
    Schema,
    SetKind,
)

_TOKEN: Final = re.compile(r'\s+|//[^\n]*|("(?:[^"\\]|\\.)*")|([A-Za-z_]\w*)|(::|[{}\[\]<>():;,=?@])')
_BUILTIN: Final = {p.value: p for p in Primitive} | {"Boolean": Primitive.BOOL}


def parse(text: str) -> Schema:
    """The schema that is written. Raises BadInput where it is not understood."""
    reader = _Reader(_tokens(text))
    while reader.left:
        reader.declaration()
    entities = {e.name: e for e in (make() for make in reader.entities)}
    return Schema(entities, {a.name: a for a in (make() for make in reader.actions)})


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadInput(f"the schema is not understood at `{text[at : at + 20]}`; the proofs know no such token")
        found += [group for group in match.groups() if group]
        at = match.end()
    return found


@dataclass
class _Reader:
    """A recursive descent; what names something declared later is made once everything is read."""

    left: list[str]
    common: dict[str, Callable[[], Kind]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    entities: list[Callable[[], EntityType]] = field(default_factory=list)
    actions: list[Callable[[], ActionType]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left.reverse()

    def take(self, *wanted: str) -> str:
        """The next token, which is one of those wanted (any, when none is named)."""
        token = self.left.pop() if self.left else "the end"
        if wanted and token not in wanted:
            raise BadInput(f"the schema is not understood at `{token}`; the proofs expected `{'` or `'.join(wanted)}`")
        return token

    def next_is(self, token: str) -> bool:
        """Whether that comes next, which is then taken."""
        if self.left and self.left[-1] == token:
            self.left.pop()
            return True
        return False

    def declaration(self) -> None:
        """One entity, type or action, after its annotations."""
        self.annotations()
        match self.take("entity", "type", "action"):
            case "entity":
                self.entity()
            case "type":
                name = self.take()
                self.take("=")
                self.common[name] = self.kind()
                self.take(";")
            case _:
                self.action()

    def annotations(self) -> None:
        """Skip what is said to people."""
        while self.next_is("@"):
            self.take()
            if self.next_is("("):
                self.take()
                self.take(")")

    def entity(self) -> None:
        """`entity A, B in [C] { … } tags T;` or `entity A enum ["x"];`"""
        names = self.several(self.take)
        self.known.update(names)
        named = tuple(_text(t) for t in self.listed(self.take)) if self.next_is("enum") else None
        parents = frozenset(self.listed(self.path)) if self.next_is("in") else frozenset()
        self.next_is("=")
        attributes = self.record() if self.left and self.left[-1] == "{" else RecordKind
        tags = self.kind() if self.next_is("tags") else None
        self.take(";")
        for name in names:
            self.entities.append(
                lambda name=name: EntityType(name, parents, attributes(), tags() if tags else None, named)  # type: ignore[misc]
            )

    def action(self) -> None:
        """`action "a", "b" in [Action::"c"] appliesTo { … };`"""
        names = [_text(n) for n in self.several(self.take)]
        groups = frozenset(self.listed(self.group)) if self.next_is("in") else frozenset()
        said = self.applies() if self.next_is("appliesTo") else _Applies()
        self.take(";")
        for name in names:
            self.actions.append(
                lambda name=name: ActionType(name, groups, said.principals, said.resources, _record(said.context()))  # type: ignore[misc]
            )

    def group(self) -> str:
        """`"c"`, `c` or `Action::"c"`."""
        token = self.take()
        while self.next_is("::"):
            token = self.take()
        return _text(token)

    def applies(self) -> _Applies:
        """Who does it to what, knowing what."""
        said = _Applies()
        self.take("{")
        while not self.next_is("}"):
            word = self.take("principal", "resource", "context")
            self.take(":")
            match word:
                case "principal":
                    said.principals = tuple(self.listed(self.path))
                case "resource":
                    said.resources = tuple(self.listed(self.path))
                case _:
                    said.context = self.kind()
            self.next_is(",")
        return said

    def kind(self) -> Callable[[], Kind]:
        """A type, made when everything is known."""
        if self.left and self.left[-1] == "{":
            return self.record()
        name = self.path()
        if name == "Set":
            self.take("<")
            element = self.kind()
            self.take(">")
            return lambda: SetKind(element())
        return lambda: self.named(name)

    def named(self, name: str) -> Kind:
        """What a name means: a common type before an entity, before what Cedar brings."""
        if name in self.common:
            return self.common[name]()
        if name in self.known:
            return EntityKind(name)
        found = _BUILTIN.get(name.removeprefix("__cedar::"))
        if found is None:
            raise BadInput(f"the schema names the type `{name}`, which the proofs do not know")
        return found

    def record(self) -> Callable[[], RecordKind]:
        """`{ a: T, "b"?: U }`."""
        self.take("{")
        made: list[tuple[str, Callable[[], Kind], bool]] = []
        while not self.next_is("}"):
            self.annotations()
            name = _text(self.take())
            required = not self.next_is("?")
            self.take(":")
            made.append((name, self.kind(), required))
            self.next_is(",")
        return lambda: RecordKind(tuple(sorted((n, Attribute(k(), r)) for n, k, r in made)))

    def path(self) -> str:
        """A name, which no namespace may stand before."""
        parts = [self.take()]
        while self.next_is("::"):
            parts.append(self.take())
        return "::".join(parts)

    def several[T](self, one: Callable[[], T]) -> list[T]:
        """At least one, between commas."""
        found = [one()]
        while self.next_is(","):
            found.append(one())
        return found

    def listed[T](self, one: Callable[[], T]) -> list[T]:
        """One, or any number in brackets."""
        if not self.next_is("["):
            return [one()]
        found: list[T] = []
        while not self.next_is("]"):
            found.append(one())
            self.next_is(",")
        return found


@dataclass
class _Applies:
    principals: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    context: Callable[[], Kind] = RecordKind


def _record(kind: Kind) -> RecordKind:
    if not isinstance(kind, RecordKind):
        raise BadInput("the schema has a context that is no record; write one")
    return kind


def _text(token: str) -> str:
    """What a string says. Cedar's escapes are JSON's, but for `\\0`, `\\'` and `\\u{…}`."""
    if not token.startswith('"'):
        return token
    plain = re.sub(r"\\u\{([0-9a-fA-F]+)\}", lambda m: json.dumps(chr(int(m[1], 16)))[1:-1], token)
    return str(json.loads(plain.replace("\\'", "'").replace("\\0", "\\u0000")))
