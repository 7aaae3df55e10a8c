"""Who holds which field of an object, read off its managedFields. Pure; called before every server-side apply.

An apply gives up whatever it leaves out, so each of ours starts from all that we hold. Force is never used: whoever
else holds a field is named instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from estate.canonical import Json
from estate.manifests import OWN, Form

MANAGER = "placet"
"""The field manager of all that we write."""


def owned(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What we hold of the object by server-side apply, as the configuration that would apply just that."""
    for entry in _entries(raw):
        if entry.get("manager") == MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource"):
            held = _extract(raw, entry.get("fieldsV1") or {})
            return held if isinstance(held, dict) else {}
    return {}


def held_form(raw: Mapping[str, Any]) -> Form:
    """What Placet holds of an object beyond its own marks: see `estate.manifests.form_of`."""
    return stated(owned(raw))


def stated(held: Mapping[str, Any]) -> Form:
    """What a configuration of ours states beyond which object it is, and beyond our own marks."""
    about = held.get("metadata")
    told = {field: _foreign(values) for field, values in about.items()} if isinstance(about, Mapping) else {}
    kept: Form = {field: values for field, values in told.items() if values}
    content: Form = {k: v for k, v in held.items() if k not in ("apiVersion", "kind", "metadata")}
    return content | ({"metadata": kept} if kept else {})


def holders(raw: Mapping[str, Any], *path: str) -> tuple[str, ...]:
    """The other managers that hold the field at `path`, sorted."""
    held = (e for e in _entries(raw) if e.get("manager") != MANAGER and _covers(e.get("fieldsV1"), path))
    found = {str(e.get("manager")) for e in held}
    return tuple(sorted(found))


def strangers(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The other managers that hold any content of the object, sorted. Labels, annotations and status are no content."""
    content = ((e.get("manager"), e.get("fieldsV1")) for e in _entries(raw) if not e.get("subresource"))
    told = ((m, set(held)) for m, held in content if isinstance(held, Mapping))
    return tuple(sorted({str(m) for m, held in told if m != MANAGER and held - {"f:metadata", "f:status"}}))


def _entries(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What cannot be read as one holds nothing."""
    about = raw.get("metadata")
    told = about.get("managedFields") if isinstance(about, Mapping) else None
    yield from (e for e in told if isinstance(e, Mapping)) if isinstance(told, list) else ()


def _covers(fields: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(fields, Mapping) or f"f:{name}" not in fields:
            return False
        fields = fields[f"f:{name}"]
    return True


def _extract(value: Any, fields: Mapping[str, Any]) -> Any:
    """The part of `value` that `fields` (FieldsV1) names; a field without children is held whole."""
    if not any(name != "." for name in fields):
        return value
    if isinstance(value, list):
        return list(_items(value, fields))
    children = {name[2:]: below for name, below in fields.items() if name.startswith("f:")}
    return {name: _extract(value[name], below) for name, below in children.items() if name in value}


def _items(values: list[Any], fields: Mapping[str, Any]) -> Iterator[Any]:
    """In the order of the list, whatever the order of the fields."""
    named = [(name[:2], json.loads(name[2:]), below) for name, below in fields.items() if name[:2] in ("k:", "v:")]
    for value in values:
        for sort, known, below in named:
            if sort == "k:" and all(value.get(k) == known[k] for k in known):
                yield _extract(value, below)
            elif sort == "v:" and value == known:
                yield value


def _foreign(values: Json) -> Json:
    return {k: v for k, v in values.items() if not k.startswith(OWN)} if isinstance(values, dict) else values
