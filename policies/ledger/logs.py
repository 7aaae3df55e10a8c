"""What is known of one log of an export while it is checked, and after. Called by `policies.ledger.verifying` alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from estate.ids import Digest
from policies.ledger import merkle
from policies.ledger.merkle import HASH_BYTES, Growing
from policies.ledger.port import EntryKind

KINDS: Final = {kind.value: kind for kind in EntryKind}


class Entry(NamedTuple):
    """What the order of an entry depends on."""

    key: str
    entry: EntryKind
    proposal: Digest | None


@dataclass(slots=True)
class Log:
    """What is known of a log while and after it is read."""

    origin: str
    begins: int
    """The line of its first entry."""
    tree: Growing = field(default_factory=Growing)
    """What was read, by its recorded hashes; it runs ahead of what was checked."""
    size: int = 0
    """How much was checked."""
    roots: bytearray = field(default_factory=lambda: bytearray(merkle.EMPTY_ROOT))
    keys: list[str] = field(default_factory=list)
    """Of a tenant's log."""
    erased: int = 0
    checkpoints: int = 0
    signed: int = -1
    """The size of the newest checkpoint read."""
    named: int = 0
    """For a tenant's log: the size that the install log has accounted for."""
    adrift: bool = False
    """An entry was replaced: the roots after it are others, and say nothing of the entries after it."""

    def root(self, size: int) -> bytes:
        """Its root when it had that size."""
        return bytes(self.roots[size * HASH_BYTES : (size + 1) * HASH_BYTES])
