"""Trees and proofs against RFC 6962 written down a second time, as recursively as the RFC writes it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.errors import BadInput
from policies.ledger import merkle
from policies.ledger.archives import Proof
from policies.ledger.merkle import Frontier, Head, Subtree


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def half(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def naive_root(d: list[bytes]) -> bytes:
    if not d:
        return sha(b"")
    if len(d) == 1:
        return sha(b"\0" + d[0])
    k = half(len(d))
    return sha(b"\1" + naive_root(d[:k]) + naive_root(d[k:]))


def naive_path(m: int, d: list[bytes]) -> list[bytes]:
    if len(d) == 1:
        return []
    k = half(len(d))
    if m < k:
        return [*naive_path(m, d[:k]), naive_root(d[k:])]
    return [*naive_path(m - k, d[k:]), naive_root(d[:k])]


def naive_subproof(m: int, d: list[bytes], b: bool) -> list[bytes]:
    if m == len(d):
        return [] if b else [naive_root(d)]
    k = half(len(d))
    if m <= k:
        return [*naive_subproof(m, d[:k], b), naive_root(d[k:])]
    return [*naive_subproof(m - k, d[k:], False), naive_root(d[:k])]


def grown(leaves: list[bytes]) -> tuple[Frontier, dict[Subtree, bytes]]:
    frontier, stored = Frontier(), dict[Subtree, bytes]()
    for leaf in leaves:
        frontier, made = frontier.append(merkle.leaf_hash(leaf))
        stored.update(made)
    return frontier, stored


trees = st.lists(st.binary(max_size=4), max_size=70)


@given(trees)
def test_a_grown_log_has_the_root_of_the_rfc(leaves: list[bytes]) -> None:
    """A root that differs from everybody else's proves nothing to an outsider."""
    frontier, _ = grown(leaves)
    assert frontier.root == naive_root(leaves)
    assert Frontier.read(frontier.size, frontier.packed) == frontier


@given(trees.filter(bool), st.data())
def test_an_inclusion_proof_is_the_rfcs_and_holds(leaves: list[bytes], data: st.DataObject) -> None:
    frontier, stored = grown(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = Proof.of(frontier, merkle.inclusion(index, len(leaves)), stored)
    assert list(proof.hashes) == naive_path(index, leaves)
    assert merkle.included(merkle.leaf_hash(leaves[index]), index, len(leaves), proof.hashes, proof.root)


@given(trees.filter(bool), st.data())
def test_a_consistency_proof_is_the_rfcs_and_holds(leaves: list[bytes], data: st.DataObject) -> None:
    frontier, stored = grown(leaves)
    old = data.draw(st.integers(1, len(leaves)))
    proof = Proof.of(frontier, merkle.consistency(old, len(leaves)), stored)
    assert list(proof.hashes) == naive_subproof(old, leaves, True)
    before = Head(old, naive_root(leaves[:old]))
    assert merkle.extends(before, Head(proof.size, proof.root), proof.hashes)


@given(trees.filter(lambda d: len(d) > 1), st.data())
def test_a_changed_proof_holds_no_longer(leaves: list[bytes], data: st.DataObject) -> None:
    """Verifiers that accept anything would pass the tests above."""
    frontier, stored = grown(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    hashes = list(Proof.of(frontier, merkle.inclusion(index, len(leaves)), stored).hashes)
    at, bit = data.draw(st.integers(0, len(hashes) * 256 - 1)), 0
    at, bit = divmod(at, 256)
    hashes[at] = bytes(b ^ (1 << bit % 8 if i == bit // 8 else 0) for i, b in enumerate(hashes[at]))
    hashed = merkle.leaf_hash(leaves[index])
    assert not merkle.included(hashed, index, len(leaves), hashes, frontier.root)
    assert not merkle.included(hashed, index, len(leaves), hashes[:-1], frontier.root)
    assert not merkle.included(hashed, index, len(leaves), [*hashes, hashes[0]], frontier.root)


@given(st.integers(1, 2**40), st.data())
def test_proofs_read_a_logarithm_of_the_log(size: int, data: st.DataObject) -> None:
    """A million entries must not mean a million reads."""
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    for parts in (merkle.inclusion(index, size), merkle.consistency(old, size)):
        assert len(parts) <= size.bit_length() + 1
        assert sum(map(len, parts)) <= 2 * size.bit_length() + 1


def test_a_leaf_that_is_not_there_has_no_proof() -> None:
    with pytest.raises(BadInput, match="leaf `3` is not in a log of 3"):
        merkle.inclusion(3, 3)
    with pytest.raises(BadInput, match="no consistency"):
        merkle.consistency(4, 3)


def test_roots_that_are_no_prefix_of_each_other_are_refused() -> None:
    frontier, stored = grown([b"a", b"b", b"c"])
    proof = Proof.of(frontier, merkle.consistency(2, 3), stored)
    new = Head(3, frontier.root)
    assert not merkle.extends(Head(2, sha(b"other")), new, proof.hashes)
    assert not merkle.extends(Head(3, sha(b"other")), new, ())
    assert not merkle.extends(Head(4, frontier.root), new, proof.hashes)
