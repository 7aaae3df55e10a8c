"""Reads the leaf lines of an export: strictly, and fast, because a verifier reads millions of them.

The fast way decodes a line into typed fields and writes it again; only where that gives the very same bytes, without a
float or an integer beyond 2^53, is the line taken. Everything else goes the slow way through `exports.LeafLine`, which
takes what is right (text beyond ASCII) and says what is wrong. Called by `policies.ledger.verifying`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, NoReturn

import msgspec
import orjson
from msgspec import Struct
from pydantic import ValidationError

from estate import canonical
from estate.canonical import Json
from estate.errors import BadInput
from estate.ids import Digest
from estate.records import Model, explain
from policies.ledger.exports import LeafLine
from policies.ledger.forms import Leaf
from policies.ledger.leaves import HUMAN, ORIGIN, SALT_BYTES

_LEAF = b',"kind":"leaf","leaf":'
_ESCAPES = re.compile(rb"\\[ubfr]")
"""Of a control character, which no canonical text holds (or a false alarm, for the slow way to find out)."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TIME_LENGTH = len("2026-11-21T08:00:00.000000Z")
_FORMS = {
    "incident": re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,62}[a-z0-9])?"),
    "digest": _DIGEST,
    "origin": re.compile(ORIGIN.removesuffix("$")),
}


class _Content(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    body: dict[str, Any]
    by: str
    salt: str


class _Line(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    content: _Content | None
    hash: str
    kind: Literal["leaf"]
    leaf: Leaf


class Broken(Exception):
    """The line is not what stands in an export."""


class Content(Struct, frozen=True, gc=False):
    """The erasable part of a line."""

    salt: bytes
    data: bytes
    """The body's canonical JSON."""
    body: Mapping[str, Json]
    by: str

    @property
    def body_hash(self) -> Digest:
        """What the leaf's `body` must say."""
        return canonical.digest(self.salt + self.data)

    @property
    def signed_by(self) -> str:
        """What the leaf's `by` must say."""
        if not self.by.startswith(HUMAN):
            return self.by
        return HUMAN + canonical.digest(self.salt + b"by:" + self.by.encode())


class Read(Struct, frozen=True, gc=False):
    """A leaf line in its one canonical form."""

    leaf: Leaf
    data: bytes
    """The leaf's canonical bytes."""
    hash: str
    """As recorded, in hexadecimal."""
    content: Content | None


def read(line: bytes) -> Read:
    """The leaf in `line`. Raises Broken: with the reason."""
    try:
        return _fast(line)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return _slow(line)


def strict[M: Model](line: bytes, model: type[M]) -> M:
    """The one model that `line` may hold, in its one canonical form. Raises Broken."""
    try:
        found = model.model_validate(canonical.loads(line))
        fits = found.canonical() + b"\n" == line
    except ValidationError as error:
        raise Broken(f"not the line expected here: {explain(error)}") from error
    except (BadInput, RecursionError) as error:
        raise Broken(str(error)) from error
    if not fits:
        raise Broken("the line is not in canonical form; it was changed")
    return found


def _float(text: str) -> NoReturn:
    raise ValueError(f"`{text}` is not an integer")


_decoder = msgspec.json.Decoder(_Line, float_hook=_float)
_encoder = msgspec.json.Encoder(order="sorted")


def _fast(line: bytes) -> Read:
    if not line.isascii() or b"\x7f" in line or (b"\\" in line and _ESCAPES.search(line)):
        raise ValueError("for the slow way")
    decoded = _decoder.decode(line)
    if _encoder.encode(decoded) != line[:-1] or line[-1:] != b"\n":
        raise ValueError("not canonical")
    _check(decoded.leaf)
    # The leaf is the last field, and no field of it is named `leaf`.
    data = line[line.rindex(_LEAF) + len(_LEAF) : -2]
    return Read(decoded.leaf, data, decoded.hash, _content(decoded.content) if decoded.content else None)


def _check(leaf: Leaf) -> None:
    """What the types do not say. Raises ValueError."""
    datetime.fromisoformat(leaf.at)
    if len(leaf.at) != _TIME_LENGTH or leaf.at[-1] != "Z" or leaf.at[10] != "T":
        raise ValueError("no time")
    if not (_DIGEST.fullmatch(leaf.prev) and _DIGEST.fullmatch(leaf.body) and _has_form("origin", leaf.log)):
        raise ValueError("no digest")
    if leaf.incident is not None and not _has_form("incident", leaf.incident):
        raise ValueError("no incident")
    if leaf.proposal is not None and not _has_form("digest", leaf.proposal):
        raise ValueError("no proposal")
    for head in leaf.tenants:
        if not (_DIGEST.fullmatch(head.root) and _has_form("origin", head.origin)):
            raise ValueError("no root")


@lru_cache(maxsize=4096)
def _has_form(form: str, text: str) -> bool:
    return _FORMS[form].fullmatch(text) is not None


def _content(content: _Content) -> Content:
    data = orjson.dumps(content.body, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    salt = bytes.fromhex(content.salt)
    if salt.hex() != content.salt or len(salt) != SALT_BYTES:
        raise ValueError("no salt")
    return Content(salt, data, content.body, content.by)


def _slow(line: bytes) -> Read:
    found = strict(line, LeafLine)
    content = None
    if found.content is not None:
        try:
            kept = found.content.content()
        except (BadInput, ValueError) as error:
            raise Broken(f"its content is malformed: {error}") from error
        content = Content(kept.salt, kept.body, found.content.body, found.content.by)
    leaf = msgspec.convert(found.leaf.json_form(), Leaf)
    return Read(leaf, found.leaf.canonical(), found.hash, content)
