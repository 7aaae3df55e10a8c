"""The ledger in memory: tests, rehearsals, what-ifs. Everything but durability is real."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from estate.clocks import Entropy
from estate.errors import BadInput
from estate.ids import Digest, IncidentId, InstallationId
from policies.ledger import exports, merkle
from policies.ledger.archives import Proof
from policies.ledger.merkle import Frontier, Part, Subtree
from policies.ledger.notes import with_lines
from policies.ledger.port import Appended, Draft, Entry, EntryKind, Fence, Fenced
from policies.ledger.sequencing import Row, Sequenced, Sequencer, entry_made, entry_of, leaf_of
from policies.ledger.signing import NOTHING, Signing
from policies.signing.port import Signer


@dataclass(slots=True)
class _Log:
    frontier: Frontier = field(default_factory=Frontier)
    rows: list[Row] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    subtrees: dict[Subtree, bytes] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)


class MemoryLedger:
    """A whole ledger in one process. No method yields in the middle, so appends are atomic."""

    def __init__(
        self, installation: InstallationId, *, signing: Signing = NOTHING, entropy: Entropy = secrets.token_bytes
    ) -> None:
        self._sequencer = Sequencer(installation, entropy)
        self._signing = signing
        self._logs: dict[str, _Log] = {self._sequencer.install: _Log()}
        self._places: dict[str, int] = {}
        self._fences: dict[str, int] = {}

    async def append(self, draft: Draft) -> Appended:
        """See the port."""
        self._check(draft.fence)
        known = await self.find(draft.key)
        appended = Appended(known, created=False) if known is not None else self._appended(draft)
        if draft.fence is not None:
            self._fences[draft.fence.scope] = draft.fence.token
        return appended

    async def find(self, key: str) -> Entry | None:
        """See the port."""
        index = self._places.get(key)
        return None if index is None else entry_of(self._log(self._sequencer.install).rows[index])

    async def entries(
        self,
        *,
        kind: EntryKind | None = None,
        incident: IncidentId | None = None,
        proposal: Digest | None = None,
        after: int = -1,
    ) -> AsyncIterator[Entry]:
        """See the port."""
        for row in self._log(self._sequencer.install).rows[after + 1 :]:
            leaf = leaf_of(row)
            wanted = ((kind, leaf.entry), (incident, leaf.incident), (proposal, leaf.proposal))
            if all(asked is None or asked == found for asked, found in wanted):
                yield entry_of(row, leaf)

    async def export(self) -> AsyncIterator[bytes]:
        """See the port. Raises BadInput: opened without the ledger key."""
        notary = self._signing.needed()
        async with self._signing.witnesses.turn():
            moment = _Moment(
                {o: _Log(log.frontier, list(log.rows), notes=dict(log.notes)) for o, log in self._logs.items()}
            )
            signed = await self._sign()
        async for line in exports.lines(moment, signed, self._sequencer.installation, notary):
            yield line

    async def inclusion(self, origin: str, index: int) -> Proof:
        """See `policies.ledger.archives`."""
        log = self._known(origin)
        return Proof.of(log.frontier, merkle.inclusion(index, log.frontier.size), log.subtrees)

    async def consistency(self, origin: str, size: int) -> Proof:
        """See `policies.ledger.archives`."""
        log = self._known(origin)
        return Proof.of(log.frontier, merkle.consistency(size, log.frontier.size), log.subtrees)

    async def hashes(self, origin: str, parts: tuple[Part, ...]) -> tuple[bytes, ...]:
        """See `policies.ledger.archives`."""
        return Proof.of(Frontier(), parts, self._log(origin).subtrees).hashes

    async def checkpoint(self) -> tuple[str, ...]:
        """See `policies.ledger.archives`."""
        self._signing.needed()
        async with self._signing.witnesses.turn():
            return tuple(note for _, note in (await self._sign()).values())

    async def succeed(self, signer: Signer, known: Callable[[int], None]) -> int:
        """See `policies.ledger.archives`."""
        async with self._signing.witnesses.turn():
            size, _ = (await self._sign())[self._sequencer.install]
            known(size)
            self._signing.needed().succeed(signer)
        return size

    async def erase(self, key: str) -> int:
        """See `policies.ledger.archives`."""
        erased = 0
        for log in self._logs.values():
            for index, row in enumerate(log.rows):
                if log.keys[index] == key and row.content is not None:
                    log.rows[index] = Row(row.data, row.leaf_hash, None)
                    erased += 1
        return erased

    async def close(self) -> None:
        """See the port: there is nothing to release."""

    def _check(self, fence: Fence | None) -> None:
        if fence is not None and fence.token < self._fences.get(fence.scope, 0):
            raise Fenced(f"`{fence.scope}` was taken over by a newer holder; stop")

    def _appended(self, draft: Draft) -> Appended:
        made = self._sequencer.sequence(draft, lambda origin: self._log(origin).frontier)
        for sequenced in made:
            self._store(sequenced, draft.key)
        self._places[draft.key] = made[-1].index
        return Appended(entry_made(made[-1], draft), created=True)

    def _store(self, sequenced: Sequenced, key: str) -> None:
        log = self._logs.setdefault(sequenced.origin, _Log())
        log.rows.append(sequenced.row)
        log.keys.append(key)
        log.subtrees.update(sequenced.subtrees)
        log.frontier = sequenced.after

    async def _sign(self) -> dict[str, tuple[int, str]]:
        """Sign and keep the head of every log, and show the install log's to the witnesses."""
        signed = exports.sign_all({o: log.frontier for o, log in self._logs.items()}, self._signing.needed())
        for origin, (size, note) in signed.items():
            self._logs[origin].notes.setdefault(size, note)
        install = self._sequencer.install
        size, note = signed[install]
        lines = await self._signing.witnesses.show(exports.shown(install, note, self._between))
        notes = self._logs[install].notes
        notes[size] = with_lines(notes[size], lines)
        return signed | {install: (size, notes[size])}

    async def _between(self, old: int, new: int) -> Sequence[bytes]:
        return await self.hashes(self._sequencer.install, merkle.consistency(old, new))

    def _log(self, origin: str) -> _Log:
        return self._logs.get(origin) or _Log()

    def _known(self, origin: str) -> _Log:
        if origin not in self._logs:
            raise BadInput(f"there is no log `{origin}` in this ledger")
        return self._logs[origin]


class _Moment:
    """A copy of the logs."""

    def __init__(self, logs: Mapping[str, _Log]) -> None:
        self._logs = logs

    async def frontiers(self) -> Mapping[str, Frontier]:
        return {origin: log.frontier for origin, log in self._logs.items()}

    async def rows(self, origin: str) -> AsyncIterator[Row]:
        for row in self._logs[origin].rows:
            yield row

    async def notes(self, origin: str, below: int) -> tuple[str, ...]:
        kept = self._logs[origin].notes
        return tuple(kept[size] for size in sorted(kept) if size < below)
