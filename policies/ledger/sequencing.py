"""Turns a draft into the leaves to store: pure, and shared by every adapter of the ledger.

Inside its transaction an adapter gives `Sequencer.sequence` the frontiers of the logs concerned and writes what comes
back. Projections come first, because the install log's leaf holds the tenant logs' heads after them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC

import orjson

from estate.clocks import Entropy
from estate.ids import InstallationId
from estate.records import write_time
from policies.ledger import forms, leaves, merkle
from policies.ledger.forms import Head
from policies.ledger.leaves import Content, Leaf
from policies.ledger.merkle import Frontier, Subtree
from policies.ledger.port import Draft, Entry


@dataclass(frozen=True, slots=True)
class Row:
    """One leaf as stored; without content once that was erased."""

    data: bytes
    leaf_hash: bytes
    content: Content | None


@dataclass(frozen=True, slots=True)
class Sequenced:
    """One leaf at its place, with everything to store for it."""

    row: Row
    origin: str
    index: int
    subtrees: tuple[tuple[Subtree, bytes], ...]
    """The subtrees that this leaf completes."""
    after: Frontier

    @property
    def head(self) -> Head:
        """The log after this leaf, as the install log's leaf names it."""
        return Head(origin=self.origin, size=self.after.size, root=merkle.written(self.after.root))


@dataclass(frozen=True, slots=True)
class Sequencer:
    """Gives drafts their place in the logs of one installation."""

    installation: InstallationId
    entropy: Entropy

    @property
    def install(self) -> str:
        """The origin of the install log."""
        return leaves.install_origin(self.installation)

    def origins(self, draft: Draft) -> tuple[str, ...]:
        """The logs that `draft` appends to: the tenants' by name, then the install log."""
        return (*(leaves.tenant_origin(self.installation, t) for t in sorted(draft.projections)), self.install)

    def sequence(self, draft: Draft, frontier_of: Callable[[str], Frontier]) -> tuple[Sequenced, ...]:
        """The leaves of `draft` in the order of `origins`; the last is the entry itself.

        Raises:
            BadInput: key or body cannot stand in a ledger.
        """
        leaves.check_key(draft.key)
        bodies = [*(draft.projections[t] for t in sorted(draft.projections)), draft.body]
        by, at = str(draft.by), write_time(draft.at)
        made: list[Sequenced] = []
        for origin, body in zip(self.origins(draft), bodies, strict=True):
            heads = tuple(s.head for s in made) if origin == self.install else ()
            content = Content.of(body, by, self.entropy(leaves.SALT_BYTES))
            made.append(_place(draft, at, origin, frontier_of(origin), content, heads))
        return tuple(made)


def entry_made(made: Sequenced, draft: Draft) -> Entry:
    """The entry that `draft` has become, as `entry_of` reads it back."""
    content = made.row.content
    assert content is not None, "nothing is erased that was just written"
    return Entry(
        index=made.index,
        kind=draft.kind,
        at=draft.at.astimezone(UTC),
        by=content.by,
        key=draft.key,
        incident=draft.incident,
        proposal=draft.proposal,
        leaf=made.row.data,
        leaf_hash=made.row.leaf_hash,
        body=orjson.loads(content.body),
        salt=content.salt,
    )


def leaf_of(row: Row) -> Leaf:
    """What its leaf says, without the body."""
    return Leaf.read(row.data)


def entry_of(row: Row, known: Leaf | None = None) -> Entry:
    """An entry of the install log as readers see it. An erased one has an empty body and its author's hash."""
    leaf, content = known or leaf_of(row), row.content
    return Entry(
        index=leaf.index,
        kind=leaf.entry,
        at=leaf.at,
        by=content.by if content else leaf.by,
        key=leaf.key,
        incident=leaf.incident,
        proposal=leaf.proposal,
        leaf=row.data,
        leaf_hash=row.leaf_hash,
        body=content.read_body if content else {},
        salt=content.salt if content else b"",
    )


def _place(
    draft: Draft, at: str, origin: str, before: Frontier, content: Content, tenants: tuple[Head, ...]
) -> Sequenced:
    leaf = forms.Leaf(
        log=origin,
        index=before.size,
        prev=merkle.written(before.root),
        at=at,
        entry=draft.kind,
        incident=draft.incident,
        proposal=draft.proposal,
        by=content.signed_by,
        key=draft.key,
        body=content.body_hash,
        tenants=tenants,
    )
    data = forms.written(leaf)
    hashed = merkle.leaf_hash(data)
    after, subtrees = before.append(hashed)
    return Sequenced(Row(data, hashed, content), origin, before.size, subtrees, after)
