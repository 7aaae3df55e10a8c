"""Where a field is: the elements of FieldsV1, in which an API server writes down who holds what. Pure.

`f:name` is a field or a key of a map, `k:{"name":"main"}` an item of a list by its merge keys, `v:"x"` a member of a
set. What people read is `spec.containers[name=main].image`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from estate.canonical import Json, clean_text

type Path = tuple[str, ...]

LONGEST = 500
_PLAIN = re.compile(r"[A-Za-z0-9_\-]+")


def field(name: str) -> str:
    """The element of a field, or of a key of a map."""
    return f"f:{name}"


def item(keys: Mapping[str, Json]) -> str:
    """The element of an item of a list by its merge keys."""
    return f"k:{json.dumps(keys, sort_keys=True, separators=(',', ':'), ensure_ascii=False)}"


def member(value: Json) -> str:
    """The element of a member of a set."""
    return f"v:{json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False)}"


def written(path: Path) -> str:
    """As people read it."""
    return clean_text("".join(map(_written, path)).removeprefix("."), LONGEST)


def matches(text: str, pattern: str) -> bool:
    """Whether a written path is that of the pattern or below it; `*` stands for anything, `[…]` for itself."""
    plain = pattern.replace("[", "[[]")
    return fnmatchcase(text, plain) or fnmatchcase(text, f"{plain}.*") or fnmatchcase(text, f"{plain}[[]*")


def _written(element: str) -> str:
    sort, text = element[:2], element[2:]
    match sort:
        case "f:":
            return f".{text}" if _PLAIN.fullmatch(text) else f"[{text}]"
        case "k:":
            keys = json.loads(text)
            return f"[{','.join(f'{k}={_word(v)}' for k, v in keys.items())}]"
        case _:
            return f"[={_word(json.loads(text))}]"


def _word(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)
