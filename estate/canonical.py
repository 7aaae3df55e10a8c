"""Canonical JSON (RFC 8785) and the digests that name things.

Everything that is signed, digested or logged passes through here. Refused, because two readers could see two
things: floats, integers beyond 2^53 - 1, duplicate keys, text that is not NFC, and control or bidirectional
formatting characters in text.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import Any

import orjson
import rfc8785

from estate.errors import BadInput
from estate.ids import Digest

type Json = None | bool | int | str | list[Json] | dict[str, Json]

LARGEST_INTEGER = 2**53 - 1
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
"""RFC 8785 for `_quick` values: of ASCII keys, the order of code points is that of UTF-16 units."""
_SCALARS, _KEYS = frozenset({str, int, bool, type(None)}), frozenset({str})
_ESCAPED = re.compile(rb'\\[^"\\nt]')
"""The escape of a control character that is not allowed (or what looks like one)."""
_ALLOWED_CONTROLS = frozenset("\n\t")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def dumps(value: Json) -> bytes:
    """The one RFC 8785 form of `value`.

    Raises:
        BadInput: the value holds something that has no single canonical form.
    """
    try:
        if (written := _quick(value)) is not None:
            return written
        _check(value, "$")
        return rfc8785.dumps(value)
    except RecursionError as error:
        raise BadInput("the value is nested too deeply to be written; flatten it") from error


def loads(text: bytes | str) -> Json:
    """Parse JSON strictly: duplicate keys, floats and unsafe integers are refused."""
    found = _own(text.encode("utf-8", "replace") if isinstance(text, str) else text)
    if found is not None:
        return found
    try:
        value: Json = json.loads(
            text, object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float, parse_int=_safe_int
        )
    except (ValueError, RecursionError) as error:
        raise BadInput(f"not canonical JSON: {error}") from error
    return value


def digest(data: bytes) -> Digest:
    """`sha256:` and the hexadecimal SHA-256 of `data`."""
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def digest_of(value: Json) -> Digest:
    """The digest of the canonical form of `value`."""
    return digest(dumps(value))


def text_fault(text: str) -> str | None:
    """Why `text` may not stand in a canonical form, or None when it may."""
    if text.isascii() and text.isprintable():
        return None
    if not unicodedata.is_normalized("NFC", text):
        return "not in Unicode normal form NFC"
    for character in text:
        if character in _BIDI:
            return f"bidirectional or invisible control U+{ord(character):04X}"
        if unicodedata.category(character) in {"Cc", "Cs"} and character not in _ALLOWED_CONTROLS:
            return f"control character U+{ord(character):04X}"
    return None


def clean_text(text: str, limit: int = 2000) -> str:
    """A sender's text made fit for a canonical form: NFC, hostile characters as U+FFFD, at most `limit` characters."""
    folded = unicodedata.normalize("NFC", text[: limit * 4])
    fit = "".join(c if text_fault(c) is None else "\ufffd" for c in folded)
    return unicodedata.normalize("NFC", fit)[:limit]


def _quick(value: Any) -> bytes | None:
    """The form of a value that is certainly canonical, with ASCII text only, as nearly all is. Encoded in C."""
    if not _plain(value):
        return None
    try:
        written = orjson.dumps(value, option=_OPTIONS)
    except orjson.JSONEncodeError:
        return None
    if not written.isascii() or 0x7F in written or _ESCAPED.search(written):
        return None
    return written


def _plain(value: Any) -> bool:
    """Whether `value` is of JSON's own types, floats excepted. Only what holds others costs a call."""
    kind = type(value)
    if kind is dict:
        if not _KEYS.issuperset(map(type, value)):
            return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind in _SCALARS
    for item in value:  # noqa: SIM110 - a generator would cost half as much again
        if type(item) not in _SCALARS and not _plain(item):
            return False
    return True


def _own(text: bytes) -> Json:
    """The value of a text that is a canonical form, as all that we wrote ourselves is; None for any other."""
    try:
        found: Json = orjson.loads(text)
        return found if _quick(found) == text else None
    except (orjson.JSONDecodeError, RecursionError):
        return None


def _check(value: Any, path: str) -> None:
    match value:
        case None | bool():
            return
        case int():
            if abs(value) > LARGEST_INTEGER:
                raise BadInput(f"integer beyond 2^53 at {path}; write it as text")
        case str():
            if fault := text_fault(value):
                raise BadInput(f"{fault} at {path}; rewrite the text without it")
        case list() | tuple():
            for index, item in enumerate(value):
                _check(item, f"{path}[{index}]")
        case dict():
            for key, item in value.items():
                if not isinstance(key, str) or text_fault(key):
                    raise BadInput(f"key `{key!r}` at {path} is not clean text")
                _check(item, f"{path}.{key}")
        case _:
            raise BadInput(f"`{type(value).__name__}` at {path} has no canonical form; use text or an integer")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key in an object")
    return found


def _no_float(text: str) -> Json:
    raise ValueError(f"`{text}` is not an integer")


def _safe_int(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError(f"integer `{text[:20]}` is beyond 2^53")
    return int(text)
