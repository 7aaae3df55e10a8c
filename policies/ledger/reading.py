"""Reads a ledger out of SQL tables: entries, proofs and the moment that an export shows. Shared by both databases.

An adapter gives a `Query`; whether that sees the newest state or one frozen moment is the adapter's choice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from estate.errors import BadInput
from estate.ids import Digest, IncidentId
from policies.ledger import merkle, statements
from policies.ledger.archives import Proof
from policies.ledger.merkle import Frontier, Growing, Part, Subtree
from policies.ledger.port import Entry, EntryKind
from policies.ledger.sequencing import Row, entry_of
from policies.ledger.statements import Value

PAGE = 256

type Query = Callable[[str, Sequence[Value]], Awaitable[Sequence[Sequence[Any]]]]
"""Runs one of `policies.ledger.statements` and gives all its records."""


class Reading:
    """The reading half of a ledger, and a `policies.ledger.exports.Moment` when its query sees one moment."""

    def __init__(self, query: Query, install: str) -> None:
        self._query = query
        self._install = install

    async def find(self, key: str) -> Entry | None:
        """The entry with that idempotency key."""
        records = await self._query(statements.READ_BY_KEY, (self._install, key))
        return entry_of(statements.row_of(records[0])) if records else None

    async def entries(
        self, kind: EntryKind | None, incident: IncidentId | None, proposal: Digest | None, after: int
    ) -> AsyncIterator[Entry]:
        """Entries of the install log in order, a page at a time."""
        statement, narrowed = statements.read_entries(kind, incident, proposal)
        while records := await self._query(statement, (self._install, after, *narrowed, PAGE)):
            for record in records:
                yield entry_of(statements.row_of(record))
            after = records[-1][-1]

    async def frontiers(self) -> Mapping[str, Frontier]:
        """Every log with its frontier; the install log even when it is empty."""
        records = await self._query(statements.READ_LOGS, ())
        found = {origin: Frontier.read(size, bytes(peaks)) for origin, size, peaks in records}
        return {self._install: Frontier()} | found

    async def rows(self, origin: str) -> AsyncIterator[Row]:
        """The leaves of a log in order, a page at a time."""
        after = -1
        while records := await self._query(statements.READ_ROWS, (origin, after, PAGE)):
            for record in records:
                yield statements.row_of(record)
            after = records[-1][-1]

    async def notes(self, origin: str, below: int) -> tuple[str, ...]:
        """The checkpoints kept of a log at sizes below that."""
        return tuple(note for (note,) in await self._query(statements.READ_NOTES, (origin, below)))

    async def inclusion(self, origin: str, index: int) -> Proof:
        """That leaf `index` is in the log. Raises BadInput."""
        frontier = await self._frontier(origin)
        return await self._prove(origin, frontier, merkle.inclusion(index, frontier.size))

    async def consistency(self, origin: str, size: int) -> Proof:
        """That the log of `size` is a prefix of what it is. Raises BadInput."""
        frontier = await self._frontier(origin)
        return await self._prove(origin, frontier, merkle.consistency(size, frontier.size))

    async def hashes(self, origin: str, parts: tuple[Part, ...]) -> tuple[bytes, ...]:
        """The hashes of a proof (`merkle.inclusion`, `merkle.consistency`) between sizes that the log has reached."""
        return Proof.of(Frontier(), parts, await self._subtrees(origin, parts)).hashes

    async def _frontier(self, origin: str) -> Frontier:
        records = await self._query(statements.READ_LOG, (origin,))
        if not records:
            raise BadInput(f"there is no log `{origin}` in this ledger")
        return Frontier.read(records[0][0], bytes(records[0][1]))

    async def _prove(self, origin: str, frontier: Frontier, parts: tuple[Part, ...]) -> Proof:
        return Proof.of(frontier, parts, await self._subtrees(origin, parts))

    async def _subtrees(self, origin: str, parts: tuple[Part, ...]) -> Mapping[Subtree, bytes]:
        wanted = [subtree for part in parts for subtree in part]
        kept = [subtree for subtree in wanted if statements.kept(subtree)]
        found = {s: h for s in wanted if not statements.kept(s) for h in (await self._made(origin, s),)}
        if kept:
            places = [number for subtree in kept for number in subtree]
            records = await self._query(statements.read_subtrees(len(kept)), (origin, *places))
            found |= {Subtree(level, place): bytes(h) for level, place, h in records}
        return found

    async def _made(self, origin: str, subtree: Subtree) -> bytes:
        """The hash of a subtree that has no row, of its leaves' hashes."""
        first, past = subtree.place << subtree.level, (subtree.place + 1) << subtree.level
        tree = Growing()
        for (hashed,) in await self._query(statements.READ_HASHES, (origin, first, past)):
            tree.add(bytes(hashed))
        return tree.root
