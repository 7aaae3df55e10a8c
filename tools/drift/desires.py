"""How an object should be, and who says so: what Placet or kubectl applied last, or what somebody declared. Pure.

Called with objects as an API server gives them and with objects as people write them. What cannot be read desires
nothing; secret data is never compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from estate.canonical import Json
from estate.drifts import Basis
from tools.drift.owners import PLACET
from tools.kubernetes import applied

KUBECTL: Final = "kubectl.kubernetes.io/last-applied-configuration"
_KUBECTL_MANAGERS: Final = frozenset({"kubectl-client-side-apply"})
_LARGEST: Final = 256 * 1024
"""Bytes of all annotations of an object."""
_IDENTITY: Final = frozenset({"apiVersion", "kind", "metadata", "status"})
_COMPARED: Final = ("labels", "annotations", "finalizers", "ownerReferences")
_UNCOMPARED: Final = (KUBECTL, applied.ANNOTATION)

type Form = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Desire:
    """One basis's word on one object."""

    basis: Basis
    form: Form
    """Content, and of its metadata what people state."""
    appliers: frozenset[str] = frozenset()
    """The field managers that write it; empty: whoever holds most of it."""


def remembered(raw: Mapping[str, Any]) -> Iterator[Desire]:
    """What the object itself remembers of what was applied."""
    if (ours := applied.recalled(raw)) is not None:
        yield Desire(Basis.PLACET, form(ours), frozenset({PLACET}))
    if (theirs := _kubectl(raw)) is not None:
        yield Desire(Basis.KUBECTL, form(theirs), _KUBECTL_MANAGERS)


def declared(written: Mapping[str, Any], appliers: frozenset[str] = frozenset()) -> Desire:
    """An object that somebody declared elsewhere."""
    return Desire(Basis.DECLARED, form(written), appliers)


def form(written: Mapping[str, Any]) -> Form:
    """What an object states beyond which one it is and how it is."""
    about = written.get("metadata")
    told = {k: about[k] for k in _COMPARED if k in about} if isinstance(about, Mapping) else {}
    notes = told.get("annotations")
    if isinstance(notes, Mapping):
        told["annotations"] = {k: v for k, v in notes.items() if k not in _UNCOMPARED}
    content = {k: v for k, v in written.items() if k not in _IDENTITY}
    return content | ({"metadata": told} if told else {})


def _kubectl(raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    about = raw.get("metadata")
    notes = about.get("annotations") if isinstance(about, Mapping) else None
    text = notes.get(KUBECTL) if isinstance(notes, Mapping) else None
    if not isinstance(text, str) or len(text) > _LARGEST:
        return None
    try:
        found = orjson.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
