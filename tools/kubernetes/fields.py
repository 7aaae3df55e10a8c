"""Read one field of a raw object: what is missing has a default, what has the wrong type refuses the whole object.

An API server never sends a wrong type, so an object with one is hostile or broken, and half of it is not worth having.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from estate import canonical
from estate.errors import BadInput

LONGEST_TEXT = 1024
_WHOLE = re.compile(r"(0|[1-9][0-9]{0,8})(k?)")

type Raw = Mapping[str, object]


def mapping(value: object, at: str) -> Raw:
    """An object; empty when it is missing or null."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadInput(f"{at}: expected an object, found {_kind(value)}")
    return value


def sequence(value: object, at: str) -> Sequence[object]:
    """A list; empty when it is missing or null."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadInput(f"{at}: expected a list, found {_kind(value)}")
    return value


def text(value: object, at: str) -> str:
    """Text that may stand in a canonical form; empty when it is missing or null."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadInput(f"{at}: expected text, found {_kind(value)}")
    if len(value) > LONGEST_TEXT:
        raise BadInput(f"{at}: {len(value)} characters are more than {LONGEST_TEXT}")
    if fault := canonical.text_fault(value):
        raise BadInput(f"{at}: {fault}")
    return value


def needed(value: object, at: str) -> str:
    """Text that must be there."""
    found = text(value, at)
    if not found:
        raise BadInput(f"{at}: is missing")
    return found


def flag(value: object, at: str) -> bool:
    """True or false; false when it is missing or null."""
    if value is None:
        return False
    if not isinstance(value, bool):
        raise BadInput(f"{at}: expected true or false, found {_kind(value)}")
    return value


def integer(value: object, at: str, default: int) -> int:
    """A count, zero or more."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(f"{at}: expected an integer, found {_kind(value)}")
    if not 0 <= value <= 2**31:
        raise BadInput(f"{at}: is out of range")
    return value


def count(value: object, at: str) -> int:
    """A quantity of an extended resource: a whole number, as Kubernetes asks for."""
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
        return value
    found = _WHOLE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise BadInput(f"{at}: `{_short(value)}` is not a whole quantity")
    return int(found[1]) * (1000 if found[2] else 1)


def words(value: object, at: str) -> dict[str, str]:
    """Labels or annotations: pairs of text. A pair that is none, or is unfit to be kept, is left out."""
    return {
        key: word
        for key, word in mapping(value, at).items()
        if isinstance(word, str) and _fit(key) and len(word) <= LONGEST_TEXT and _fit(word)
    }


def _fit(value: str) -> bool:
    return canonical.text_fault(value) is None


def _kind(value: object) -> str:
    return type(value).__name__


def _short(value: object) -> str:
    return canonical.clean_text(value[:40], limit=40) if isinstance(value, str) else _kind(value)
