"""What a ledger's custodian may do beyond the port: prove, checkpoint, and erase what a law says must go.

The console's `ledger` verbs call this. Nothing here can change or remove a leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from policies.ledger import merkle
from policies.ledger.merkle import Frontier, Part, Subtree
from policies.ledger.port import Ledger
from policies.signing.port import Signer


@dataclass(frozen=True, slots=True)
class Proof:
    """A Merkle proof of a log at `size`, with the root it proves against. Check it with `policies.ledger.merkle`."""

    size: int
    root: bytes
    hashes: tuple[bytes, ...]

    @classmethod
    def of(cls, frontier: Frontier, parts: Sequence[Part], subtrees: Mapping[Subtree, bytes]) -> Self:
        """The proof made of `parts`, whose subtrees were read."""
        return cls(frontier.size, frontier.root, tuple(merkle.fold([subtrees[s] for s in part]) for part in parts))


class Archive(Ledger, Protocol):
    """A ledger whose logs can be proven, checkpointed and relieved of bodies."""

    async def inclusion(self, origin: str, index: int) -> Proof:
        """That leaf `index` is in the log as it now is, by O(log n) reads. Raises BadInput: there is no such leaf."""

    async def consistency(self, origin: str, size: int) -> Proof:
        """That the log of `size` is a prefix of what it now is, by O(log n) reads. Raises BadInput: it is shorter."""

    async def hashes(self, origin: str, parts: tuple[Part, ...]) -> tuple[bytes, ...]:
        """The hashes of a proof (`merkle.inclusion`, `merkle.consistency`) between sizes that the log has reached."""

    async def checkpoint(self) -> tuple[str, ...]:
        """Sign and keep the head of every log; the notes. Raises BadInput: opened without the ledger key."""

    async def succeed(self, signer: Signer, known: Callable[[int], None]) -> int:
        """Sign once more with the old key, and with this one from then on; the size up to which the old one signed.

        In between `known` makes the change known, given that size: nothing is signed meanwhile.
        """

    async def erase(self, key: str) -> int:
        """Forget body, salt and author's name of the entry under `key` and of its projections; how many."""
