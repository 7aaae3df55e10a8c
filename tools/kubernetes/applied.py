"""What Placet applied last, kept in the object itself as `kubectl apply` keeps it, so that drift can be told. Pure.

managedFields say what Placet holds now, and forget a field that somebody took away or took over. Whoever may write the
object may write this too; that is then a drift of its own, and the law never reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from estate import canonical
from estate.errors import BadInput
from estate.manifests import OWN, Form
from tools.kubernetes import ownership

ANNOTATION: Final = f"{OWN}applied"
LARGEST: Final = 64 * 1024
"""Bytes; an object's annotations may have 256 KiB in all."""


def remembered(held: Mapping[str, Any]) -> dict[str, str]:
    """The annotation that says what is applied; none where nothing is, or it has no canonical form."""
    form = ownership.stated(held)
    try:
        text = canonical.dumps(form).decode()
    except BadInput:
        return {}
    return {ANNOTATION: text} if form and len(text) <= LARGEST else {}


def recalled(raw: Mapping[str, Any]) -> Form | None:
    """What was applied last, as `estate.manifests.form_of` writes it; None where the object does not remember."""
    about = raw.get("metadata")
    told = about.get("annotations") if isinstance(about, Mapping) else None
    text = told.get(ANNOTATION) if isinstance(told, Mapping) else None
    if not isinstance(text, str) or len(text) > LARGEST:
        return None
    try:
        found = canonical.loads(text)
    except BadInput:
        return None
    return found if isinstance(found, dict) else None
