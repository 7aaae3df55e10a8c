"""Whose word each field of a thing is, and how old that word is. Pure.

Called by the door and by the catalogue's `describe`. A field that says nothing has no source. What a cluster shows of
its nodes and workloads carries no origin of its own: its time is that at which the cluster's newest word came.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from estate.canonical import Json
from estate.hardware import Accelerator, Node
from estate.ids import NodeId
from estate.itemkinds import ItemKind
from estate.origins import Origin
from estate.records import Model, Time
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.views.things import Thing

_NO_WORDS = frozenset({"kind", "v", "id", "origins"})


class Word(Model):
    """The fields that one source said at one time."""

    source: str
    observed_at: Time | None
    """Null: a declaration that gives no time; it holds until somebody writes another."""
    fields: tuple[str, ...]


def of(snapshot: Snapshot, thing: Thing) -> tuple[Word, ...]:
    """Every field of the thing that says something, by whose word it is."""
    found: dict[tuple[str, datetime | None], list[str]] = {}
    for part in thing.parts:
        for name, source, at in _said(snapshot, thing.ref, part):
            found.setdefault((source, at), []).append(name)
    return tuple(Word(source=s, observed_at=at, fields=tuple(fields)) for (s, at), fields in found.items())


def shown(snapshot: Snapshot, thing: Thing, now: datetime) -> list[Json]:
    """The same for people, who ask how old it is."""
    return [word.json_form() | {"age_seconds": _age(word, now)} for word in of(snapshot, thing)]


def _age(word: Word, now: datetime) -> int | None:
    return None if word.observed_at is None else max(0, int((now - word.observed_at).total_seconds()))


def _said(snapshot: Snapshot, ref: Ref, part: Model) -> Iterator[tuple[str, str, datetime | None]]:
    source, at = _teller(snapshot, ref, part)
    for name, field in type(part).model_fields.items():
        value = getattr(part, name)
        silent = isinstance(part, ItemKind) and not field.is_required() and value == field.get_default()
        if name in _NO_WORDS or value in (None, "", ()) or silent:
            continue
        origin = _origin(part, name)
        yield (name, source, at) if origin is None else (name, origin.source, origin.observed_at or at)


def _teller(snapshot: Snapshot, ref: Ref, part: Model) -> tuple[str, datetime | None]:
    """Whose word a field is that has no origin."""
    match part:
        case Node():
            return f"cluster {part.cluster}", snapshot.told_at(ref)
        case Workload():
            return f"cluster {part.cluster}", snapshot.told_at(ref)
        case Accelerator():
            home = Ref("node", ref.id.rpartition("/")[0])
            node = snapshot.node(NodeId(home.id))
            return f"cluster {node.cluster if node is not None else ''}", snapshot.told_at(home)
        case ItemKind():
            return "", None
        case _:
            facts = snapshot.facts
            return f"facts {facts.version}, signed by {facts.author}", None


def _origin(part: Model, field: str) -> Origin | None:
    """Who named the field; else who spoke of all of its layer."""
    if not isinstance(part, Node | ItemKind):
        return None
    layer = part.layer_of(field)
    of_layer = [o for o in part.origins if o.layer is layer]
    named = (o for o in of_layer if field in o.fields)
    return next(named, None) or next((o for o in of_layer if not o.fields), None)
