"""Reads the leaf lines of an export: strictly, and fast, because a verifier reads millions of them.

The fast way decodes leaf and body into typed fields and writes them again; only where that gives the very same bytes,
without a float or an integer beyond 2^53, and where the hashes of leaf and content fit, is the line taken. Everything
else goes the slow way through `exports.LeafLine`, which takes what is right (text beyond ASCII) and says what is wrong.
Called by `policies.ledger.stretches`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NoReturn

import msgspec
import orjson
from msgspec import Raw, Struct
from pydantic import ValidationError

from estate import canonical
from estate.canonical import Json
from estate.errors import BadInput
from estate.ids import Digest
from estate.records import Model, explain
from policies.ledger.exports import LeafLine
from policies.ledger.forms import Leaf
from policies.ledger.leaves import HUMAN, ORIGIN, SALT_BYTES
from policies.ledger.merkle import HASH_BYTES, leaf_hash

_CONTENT = b'{"content":'
_HASH = b',"hash":"'
_LEAF = b'","kind":"leaf","leaf":'
"""What stands before content, hash and leaf in the canonical form of a line. The leaf is its last field; no field of a
leaf is named so, and in a text the quotation marks would be escaped."""
_ESCAPES = re.compile(rb"\\[ubfr]")
"""Of a control character, which no canonical text holds (or a false alarm, for the slow way to find out)."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII)
_FORMS = {
    "incident": re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,62}[a-z0-9])?"),
    "digest": _DIGEST,
    "origin": re.compile(ORIGIN.removesuffix("$")),
}


class _Content(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    body: Raw
    by: str
    salt: str


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
    hashed: bytes
    """The leaf's hash."""
    hash: str
    """As recorded, in hexadecimal."""
    content: Content | None
    fits: bool
    """Whether the recorded hash is the leaf's, and the content is what the leaf hashes."""


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


_leaf = msgspec.json.Decoder(Leaf).decode
_held = msgspec.json.Decoder(_Content).decode
_body = msgspec.json.Decoder(dict[str, Any], float_hook=_float).decode
_encode = msgspec.json.Encoder().encode
"""The fields of a leaf and of a content are declared by name: so they are written."""


def recorded(line: bytes) -> bytes:
    """The hash that a line records for its leaf, or that of its leaf where none is readable. Of any line."""
    at = line.rfind(_LEAF)
    try:
        hashed = bytes.fromhex(line[at - 2 * HASH_BYTES : at].decode())
    except ValueError:
        hashed = b""
    return hashed if len(hashed) == HASH_BYTES else leaf_hash(line[at + len(_LEAF) : -2])


def _fast(line: bytes) -> Read:
    if not line.isascii() or 0x7F in line or (0x5C in line and _ESCAPES.search(line)):
        raise ValueError("for the slow way")
    at = line.rindex(_LEAF)
    mark = line.rindex(_HASH, 0, at)
    data, written = line[at + len(_LEAF) : -2], line[mark + len(_HASH) : at].decode()
    leaf, hashed = _leaf(data), leaf_hash(data)
    if written != hashed.hex() or _encode(leaf) != data or line[-2:] != b"}\n" or not line.startswith(_CONTENT):
        raise ValueError("not canonical, or not what was recorded")
    _check(leaf)
    return Read(leaf, data, hashed, written, _content(line[len(_CONTENT) : mark], leaf), True)


def _check(leaf: Leaf) -> None:
    """What the types do not say; of the body's digest its content does. Raises ValueError."""
    if (time := _TIME.fullmatch(leaf.at)) is None or not _is_day(time[1]):
        raise ValueError("no time")
    if not (_DIGEST.fullmatch(leaf.prev) and _has_form("origin", leaf.log)):
        raise ValueError("no digest")
    if leaf.incident is not None and not _has_form("incident", leaf.incident):
        raise ValueError("no incident")
    if leaf.proposal is not None and not _has_form("digest", leaf.proposal):
        raise ValueError("no proposal")
    for head in leaf.tenants:
        if not (_DIGEST.fullmatch(head.root) and _has_form("origin", head.origin)):
            raise ValueError("no root")


@lru_cache(maxsize=64)
def _is_day(text: str) -> bool:
    return date.fromisoformat(text) is not None


@lru_cache(maxsize=4096)
def _has_form(form: str, text: str) -> bool:
    return _FORMS[form].fullmatch(text) is not None


def _content(data: bytes, leaf: Leaf) -> Content | None:
    if data == b"null":
        if not _DIGEST.fullmatch(leaf.body):
            raise ValueError("no digest")
        return None
    content = _held(data)
    text, salt = bytes(content.body), bytes.fromhex(content.salt)
    body = _body(text)
    if orjson.dumps(body, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER) != text or _encode(content) != data:
        raise ValueError("not canonical")
    if salt.hex() != content.salt or len(salt) != SALT_BYTES:
        raise ValueError("no salt")
    found = Content(salt, text, body, content.by)
    if found.body_hash != leaf.body:
        raise ValueError("not what was hashed")
    return found


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
    data = found.leaf.canonical()
    hashed = leaf_hash(data)
    fits = hashed.hex() == found.hash and (content is None or content.body_hash == leaf.body)
    return Read(leaf, data, hashed, found.hash, content, fits)
