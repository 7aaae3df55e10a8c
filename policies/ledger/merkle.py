"""RFC 6962 Merkle trees: appending in O(log n), and proofs as lists of complete subtrees to read.

Everything here is pure. An adapter stores the complete subtrees that `Frontier.append` returns, and reads for a
proof exactly those that `inclusion` or `consistency` name; verifiers need neither.

https://www.rfc-editor.org/rfc/rfc6962#section-2.1, verification after https://www.rfc-editor.org/rfc/rfc9162#section-2.1
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from estate.errors import BadInput

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 ‖ leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def written(root: bytes) -> str:
    """A root hash as a leaf writes it."""
    return f"sha256:{root.hex()}"


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Subtree(NamedTuple):
    """A complete subtree: the leaves from `place << level` up to `(place + 1) << level`, the last excluded."""

    level: int
    place: int


type Part = tuple[Subtree, ...]
"""Complete subtrees from left to right whose fold is one hash of a proof."""


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over complete subtrees of falling size, from left to right; of none, the empty root."""
    if not hashes:
        return EMPTY_ROOT
    folded = hashes[-1]
    for left in reversed(hashes[:-1]):
        folded = node_hash(left, folded)
    return folded


def cover(low: int, high: int) -> Part:
    """The complete subtrees of the leaves from `low` up to `high`, where `low` is aligned as RFC 6962 splits are."""
    parts, at = [], low
    for level in reversed(range((high - low).bit_length())):
        if (high - low) >> level & 1:
            parts.append(Subtree(level, at >> level))
            at += 1 << level
    return tuple(parts)


@dataclass(frozen=True)
class Frontier:
    """What appending needs of a log: its size and the hashes of its complete subtrees, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    @classmethod
    def read(cls, size: int, peaks: bytes) -> Frontier:
        """The frontier stored as `packed`."""
        hashes = tuple(peaks[i : i + HASH_BYTES] for i in range(0, len(peaks), HASH_BYTES))
        if len(hashes) != size.bit_count():
            raise ValueError(f"{len(hashes)} peaks do not make a log of {size} leaves")
        return cls(size, hashes)

    @property
    def packed(self) -> bytes:
        """The peaks, one after the other."""
        return b"".join(self.peaks)

    @cached_property
    def root(self) -> bytes:
        """The root hash of the log."""
        return fold(self.peaks)

    def append(self, hashed_leaf: bytes) -> tuple[Frontier, tuple[tuple[Subtree, bytes], ...]]:
        """The frontier with one leaf more, and the subtrees that this leaf completes."""
        peaks, node, level, index = list(self.peaks), hashed_leaf, 0, self.size
        made = [(Subtree(0, index), node)]
        while index & 1:
            node = node_hash(peaks.pop(), node)
            level, index = level + 1, index >> 1
            made.append((Subtree(level, index), node))
        return Frontier(self.size + 1, (*peaks, node)), tuple(made)


class Growing:
    """A log that is read from some leaf on: as `Frontier`, in place, for those who keep no subtrees."""

    __slots__ = ("_lefts", "_newest", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        self._newest = peaks[-1] if peaks else b""
        self._lefts = [b"\x01" + peak for peak in peaks[:-1]]
        """Each peak before the newest, as the beginning of what is hashed with what follows it."""

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The hashes of its complete subtrees, largest first."""
        return (*(left[1:] for left in self._lefts), self._newest) if self.size else ()

    def add(self, hashed_leaf: bytes) -> None:
        """One leaf more."""
        lefts, node, index, sha256 = self._lefts, hashed_leaf, self.size, hashlib.sha256
        if index:
            lefts.append(b"\x01" + self._newest)
        while index & 1:
            node = sha256(lefts.pop() + node).digest()
            index >>= 1
        self._newest = node
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root hash of the log as it now is."""
        if not self.size:
            return EMPTY_ROOT
        folded, sha256 = self._newest, hashlib.sha256
        for left in reversed(self._lefts):
            folded = sha256(left + folded).digest()
        return folded


def inclusion(index: int, size: int) -> tuple[Part, ...]:
    """The proof that leaf `index` is in the log of `size`, from the leaf up: RFC 6962 PATH."""
    if not 0 <= index < size:
        raise BadInput(f"leaf `{index}` is not in a log of {size}")
    low, high, path = 0, size, list[Part]()
    while high - low > 1:
        split = low + _split(high - low)
        path.append(cover(split, high) if index < split else cover(low, split))
        low, high = (low, split) if index < split else (split, high)
    return tuple(reversed(path))


def consistency(old: int, new: int) -> tuple[Part, ...]:
    """The proof that the log of size `old` is a prefix of that of `new`: RFC 6962 PROOF."""
    if not 0 < old <= new:
        raise BadInput(f"a log of {new} leaves proves no consistency with size `{old}`")
    low, high, path = 0, new, list[Part]()
    while high != old:
        split = low + _split(high - low)
        path.append(cover(split, high) if old <= split else cover(low, split))
        low, high = (low, split) if old <= split else (split, high)
    if low:
        path.append(cover(low, old))
    return tuple(reversed(path))


def included(hashed_leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows the leaf at `index` of the log of `size` with that root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, folded = index, size - 1, hashed_leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            folded = node_hash(sibling, folded)
            at, last = _skip_right_edge(at, last)
        else:
            folded = node_hash(folded, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and folded == root


@dataclass(frozen=True, slots=True)
class Head:
    """A size and the root hash at it."""

    size: int
    root: bytes


def extends(old: Head, new: Head, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that `old` is a prefix of `new` (RFC 9162 §2.1.4.2)."""
    if old.size == new.size:
        return old.root == new.root and not proof
    if not 0 < old.size < new.size or not proof:
        return False
    path = [old.root, *proof] if old.size.bit_count() == 1 else list(proof)
    at, last = _up_from(old.size - 1, new.size - 1)
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            at, last = _skip_right_edge(at, last)
        else:
            after = node_hash(after, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and before == old.root and after == new.root


def _split(leaves: int) -> int:
    """The largest power of two below `leaves`."""
    return 1 << (leaves - 1).bit_length() - 1


def _skip_right_edge(at: int, last: int) -> tuple[int, int]:
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _up_from(at: int, last: int) -> tuple[int, int]:
    while at & 1:
        at, last = at >> 1, last >> 1
    return at, last
