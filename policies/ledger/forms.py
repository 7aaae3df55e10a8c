"""The fields of a leaf as plain typed data: what the ledger's hot paths read and write (`policies.ledger.leaves` says
what they mean). Appending and verifying call this; a leaf is written in the very bytes of its record's canonical form.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from estate import canonical
from estate.ids import Digest
from policies.ledger.port import EntryKind

Count = Annotated[int, Meta(ge=0, le=canonical.LARGEST_INTEGER)]


class Head(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A tenant's log as a leaf of the install log names it."""

    origin: str
    root: str
    size: Count


class Leaf(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """The fields of a leaf, in the order of their names."""

    at: str
    body: str
    by: str
    entry: EntryKind
    incident: str | None
    index: Count
    key: str
    kind: Literal["placet.leaf"] = "placet.leaf"
    log: str
    prev: str
    proposal: Digest | None
    tenants: tuple[Head, ...]
    v: Literal[1] = 1


_encode = msgspec.json.Encoder().encode
"""The fields are declared by name: so they are written."""


def written(leaf: Leaf) -> bytes:
    """The canonical bytes. Raises BadInput: a text in it has no single form."""
    data = _encode(leaf)
    if data.isascii() and 0x5C not in data and 0x7F not in data:
        return data
    form: canonical.Json = msgspec.to_builtins(leaf)
    return canonical.dumps(form)
