"""Who holds a field, read off managedFields: manager, operation, subresource and time of each. Pure.

What cannot be read names nobody; a manager's name is its client's to choose, so it is told as a trace and nothing rests
on it but words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from estate.canonical import clean_text
from estate.hands import Hand
from tools.drift.paths import Path

APPLY = "Apply"
UPDATE = "Update"
_LONGEST = 128
_OWN = frozenset({"kube-controller-manager", "kube-scheduler", "kubelet", "kube-apiserver"})


def hands(raw: Mapping[str, Any], path: Path) -> tuple[Hand, ...]:
    """Everybody who holds the field at `path`, or something below it, the newest first.

    What holds nothing further may be an atom or an emptied map, so a holder of what is above it is not told.
    """
    found = [_hand(e) for e in entries(raw) if _covers(e.get("fieldsV1"), path)]
    return tuple(sorted(found, key=_time, reverse=True))


def oldest(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The manager that wrote first, as far as it is recorded."""
    known = [hand for hand in map(_hand, entries(raw)) if hand.at is not None]
    return (min(known, key=_time).manager,) if known else ()


def last(raw: Mapping[str, Any]) -> Hand | None:
    """Who wrote it last, its status aside, if that was not the cluster itself: a controller's hand only follows
    somebody else's.
    """
    written = [hand for hand in map(_hand, entries(raw)) if not hand.subresource]
    newest = max(written, key=_time, default=None)
    return newest if newest is not None and newest.manager not in _OWN else None


def entries(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The readable entries of managedFields."""
    about = raw.get("metadata")
    listed = about.get("managedFields") if isinstance(about, Mapping) else None
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("manager"), str):
            yield entry


def _hand(entry: Mapping[str, Any]) -> Hand:
    manager, operation, subresource = (
        clean_text(str(entry.get(k) or ""), _LONGEST) for k in ("manager", "operation", "subresource")
    )
    return Hand(manager=manager, operation=operation, subresource=subresource, at=at(entry.get("time")))


def _covers(fields: object, path: Path) -> bool:
    for element in path:
        if not isinstance(fields, Mapping):
            return False
        fields = _entered(fields, element)
    return bool(path) and isinstance(fields, Mapping)


def _entered(fields: Mapping[str, Any], element: str) -> object:
    if element in fields or not element.startswith("k:"):
        return fields.get(element)
    wanted = json.loads(element[2:])
    return next((below for name, below in fields.items() if name.startswith("k:") and _read(name) == wanted), None)


def _read(element: str) -> object:
    try:
        return json.loads(element[2:])
    except ValueError:
        return None


def at(value: object) -> datetime | None:
    """A time as an API server writes it. Those that no calendar in use has are left out."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None and 1970 <= found.year < 9000 else None


def _time(hand: Hand) -> tuple[bool, float]:
    return (hand.at is not None, hand.at.timestamp() if hand.at is not None else 0.0)
