"""Once per step: the keys of our newest writes stand in the written object itself, in the very same write.

Pure. A step may take several writes, and a cluster may demand that each carries a value that was not there before, so
an entry is the step's key and, from the second write on, a count: `…:1:do`, `…:1:do+2`. What was taken back ends in
`-3` and no longer counts as written, so that a refusal burns no key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tools.execution.port import StepKey

WARRANT = "placet.dev/warrant"
"""The annotation. Its value: entries by comma, the newest first."""
KEPT = 6
"""So many steps are remembered by an object: more than one execution writes to it while another is resumed."""

_ENTRY = re.compile(r"(?P<step>[^+-]+)(?:(?P<sign>[+-])(?P<count>[0-9]{1,6}))?")
_LONGEST = 160


def standing(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The entries of an object, the newest first. What is longer than any of ours is not one of ours."""
    written = ((raw.get("metadata") or {}).get("annotations") or {}).get(WARRANT, "")
    return tuple(entry for entry in written.split(",") if 0 < len(entry) <= _LONGEST)


def holds(raw: Mapping[str, Any], key: StepKey) -> bool:
    """Whether the object carries a write of this step that was not taken back."""
    return any(_step(e) == str(key) and "-" not in e for e in standing(raw))


def newest(raw: Mapping[str, Any], key: StepKey) -> bool:
    """Whether this step was the last of ours to write the object."""
    return any(_step(e) == str(key) for e in standing(raw)[:1])


def stamped(raw: Mapping[str, Any], key: StepKey, *, withdrawn: bool = False) -> str:
    """The value that the next write of this step carries: never one that is there already."""
    entries = standing(raw)
    written = max((_count(e) for e in entries if _step(e) == str(key)), default=0)
    mark = f"-{written + 1}" if withdrawn else f"+{written + 1}" if written else ""
    others = [e for e in entries if _step(e) != str(key)]
    return ",".join([f"{key}{mark}", *others][:KEPT])


def _step(entry: str) -> str:
    found = _ENTRY.fullmatch(entry)
    return found["step"] if found else entry


def _count(entry: str) -> int:
    found = _ENTRY.fullmatch(entry)
    return int(found["count"] or 1) if found else 1
