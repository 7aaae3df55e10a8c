"""Stretches of an export: consecutive leaf lines of one log, checked without anything that stands outside them.

`policies.ledger.verifying` cuts a log into stretches, has them checked here or in other processes (`sharing`), and
keeps for itself what concerns several logs or the order of entries. What a stretch needs of the leaves before it is
their frontier, and that follows from recorded hashes alone: a leaf that does not fit its own is a fault of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from estate.ids import Digest
from policies.ledger import lines, merkle
from policies.ledger.forms import Head
from policies.ledger.lines import Broken, Read
from policies.ledger.merkle import Growing
from policies.ledger.ordering import permits
from policies.ledger.port import EntryKind


class Stretch(NamedTuple):
    """Lines of a log from the entry `first` on."""

    origin: str
    first: int
    peaks: tuple[bytes, ...]
    """The frontier before them, largest first."""
    lines: Sequence[bytes]


class Doubt(NamedTuple):
    """What does not hold, by its place in the stretch."""

    at: int
    reason: str
    chain: bool = False
    """Whether it is not the entry that the one before it was appended to: that one was replaced."""


@dataclass(slots=True)
class Checked:
    """What was found in a stretch, and of each entry what its order and other logs depend on, in columns."""

    keys: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    proposals: list[Digest | None] = field(default_factory=list)
    roots: bytearray = field(default_factory=bytearray)
    """The root of the log after each entry."""
    heads: dict[int, tuple[Head, ...]] = field(default_factory=dict)
    """Of the entries that name tenants' logs."""
    refused: set[int] = field(default_factory=set)
    """The decisions that were no permits. An erased one is taken at its word."""
    erased: int = 0
    erasures: int = 0
    """How many bodies the entries say were erased."""
    doubts: list[Doubt] = field(default_factory=list)
    broken: str = ""
    """Why the line after the last entry is none that may stand there, if it is so."""


def check(stretch: Stretch) -> Checked:
    """Check every line: its form and place, its recorded hash, its predecessor's root, its content."""
    checked, tree = Checked(), Growing(stretch.first, stretch.peaks)
    before, chained = merkle.written(tree.root), True
    for at, line in enumerate(stretch.lines):
        try:
            read = lines.read(line)
        except Broken as broken:
            checked.broken = str(broken)
            break
        leaf, hashed = read.leaf, read.hashed
        if leaf.index != stretch.first + at or leaf.log != stretch.origin:
            checked.broken = f"entry {leaf.index} of `{leaf.log}` stands in its place"
            break
        if not read.fits and hashed.hex() != read.hash:
            hashed = lines.recorded(line)
            checked.doubts.append(
                Doubt(at, "it does not fit its recorded hash; the entry was changed after it was written")
            )
        elif chained and leaf.prev != before:
            checked.doubts.append(Doubt(at, "", chain=True))
            chained = False
        checked.keys.append(leaf.key)
        checked.kinds.append(leaf.entry.value)
        checked.proposals.append(leaf.proposal)
        if leaf.tenants:
            checked.heads[at] = leaf.tenants
        _hold_to_content(checked, at, read)
        tree.add(hashed)
        root = tree.root
        checked.roots += root
        before = merkle.written(root)
    return checked


def _hold_to_content(checked: Checked, at: int, read: Read) -> None:
    leaf, content = read.leaf, read.content
    if content is None:
        checked.erased += 1
        return
    if not read.fits and content.body_hash != leaf.body:
        checked.doubts.append(Doubt(at, "its body does not fit the salted hash in the leaf; the body was changed"))
    if content.signed_by != leaf.by:
        checked.doubts.append(Doubt(at, "its author does not fit the leaf; the author was changed"))
    if leaf.entry is EntryKind.DECIDED and not permits(content.body):
        checked.refused.add(at)
    if leaf.entry is EntryKind.ERASED and isinstance(count := content.body.get("bodies"), int):
        checked.erasures += count
