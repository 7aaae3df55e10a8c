"""Strict YAML: one document of maps, lists, text, integers, true, false and null, with the line of every value.

Refused, because a person and a program could read two things, or a small file could become a large one: duplicate
keys, anchors and aliases, tags, fractions, several documents, deep nesting, large files. Text stays text: `no` is a
country, and a date is read by the field that wants one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

from estate.canonical import Json
from estate.errors import BadInput

LARGEST_FILE = 16 * 1024 * 1024
DEEPEST = 64
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FRACTION = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+|[0-9]+[eE][-+]?[0-9]+|\.inf|\.nan)", re.I)
_WORDS: dict[str, Json] = {"": None, "~": None, "null": None, "true": True, "false": False}

type Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its value, and the line (from 1) on which the value at each path begins."""

    name: str
    value: Json
    lines: dict[Path, int]

    def line_of(self, path: Path) -> int | None:
        """The line of the value at `path`, or of its nearest parent. Parts that the file has not are passed over."""
        at: Path = ()
        for part in path:
            if (*at, part) in self.lines:
                at = (*at, part)
        return self.lines.get(at)

    def place(self, path: Path = ()) -> str:
        """`name:line`, or the name alone."""
        line = self.line_of(path)
        return f"{self.name}:{line}" if line else self.name


@dataclass(slots=True)
class _Open:
    """A map or list that is not closed yet; a map remembers the key that waits for its value."""

    value: dict[str, Json] | list[Json]
    path: Path
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    name: str
    root: list[Json] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    lines: dict[Path, int] = field(default_factory=dict)
    documents: int = 0

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.AliasEvent():
                raise self._fault(event, "an alias is not allowed here; write the value out")
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise self._fault(event, "a second document; keep one in a file")
            case yaml.ScalarEvent() | yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._value(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self.stack.pop()
            case _:
                pass

    def _value(self, event: yaml.ScalarEvent | yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if event.anchor or (event.tag and event.tag != "!"):
            raise self._fault(event, "anchors and tags are not allowed here; write the plain value")
        if self._awaits_key():
            self._name_key(event)
            return
        path = self._next_path()
        self.lines.setdefault(path, _line(event))
        if isinstance(event, yaml.ScalarEvent):
            self._place(self._scalar(event))
        else:
            opened: dict[str, Json] | list[Json] = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._place(opened)
            self.stack.append(_Open(opened, path))
            if len(self.stack) > DEEPEST:
                raise self._fault(event, f"nested deeper than {DEEPEST} levels; flatten it")

    def _awaits_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None

    def _name_key(self, event: yaml.Event) -> None:
        top = self.stack[-1]
        assert isinstance(top.value, dict)
        if not isinstance(event, yaml.ScalarEvent):
            raise self._fault(event, "a key must be text")
        if event.value in top.value:
            raise self._fault(event, f"key `{event.value}` is there twice; keep one")
        top.key = event.value
        self.lines[(*top.path, event.value)] = _line(event)

    def _next_path(self) -> Path:
        if not self.stack:
            return ()
        top = self.stack[-1]
        return (*top.path, len(top.value) if isinstance(top.value, list) else str(top.key))

    def _place(self, value: Json) -> None:
        if not self.stack:
            self.root.append(value)
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        else:
            top.value[str(top.key)] = value
            top.key = None

    def _scalar(self, event: yaml.ScalarEvent) -> Json:
        text = str(event.value)
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _FRACTION.fullmatch(text):
            raise self._fault(event, f"`{text}` is a fraction; write an integer, or text in quotes")
        return int(text) if _INTEGER.fullmatch(text) and len(text) < 20 else text

    def _fault(self, event: yaml.Event, fault: str) -> BadInput:
        return BadInput(f"{self.name}:{_line(event)}: {fault}")


def parse(data: bytes, name: str) -> Document:
    """The one document in `data`; `name` is what errors call the file.

    Raises:
        BadInput: it is not strict YAML, with file, line and remedy.
    """
    if len(data) > LARGEST_FILE:
        raise BadInput(f"{name}: {len(data)} bytes are more than the {LARGEST_FILE} a file may have; split it")
    builder = _Builder(name)
    try:
        for event in yaml.parse(data.decode(), Loader=_LOADER):
            builder.take(event)
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise BadInput(_yaml_fault(name, error)) from error
    return Document(name, builder.root[0] if builder.root else None, builder.lines)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _yaml_fault(name: str, error: yaml.YAMLError) -> str:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    problem = (error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error).splitlines()[0]) or "unreadable"
    place = f"{name}:{mark.line + 1}" if mark else name
    return f"{place}: not YAML: {problem.lower()}; correct the syntax there"
