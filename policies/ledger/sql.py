"""What the SQL ledgers share: questions, proofs, export and checkpoints, over a reading that each adapter brings.

An adapter appends, erases and closes in its own way, and gives this class a consistent moment and a place for notes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from estate.ids import Digest, IncidentId
from policies.ledger import exports
from policies.ledger.archives import Proof
from policies.ledger.notes import Notary
from policies.ledger.port import Entry, EntryKind
from policies.ledger.reading import Reading
from policies.ledger.sequencing import Sequencer


class SqlLedger(ABC):
    """The part of a ledger that does not care which SQL server it stands in."""

    def __init__(self, reading: Reading, sequencer: Sequencer, notary: Notary | None) -> None:
        self._reading = reading
        self._sequencer = sequencer
        self._notary = notary

    async def find(self, key: str) -> Entry | None:
        """See the port."""
        return await self._reading.find(key)

    def entries(
        self,
        *,
        kind: EntryKind | None = None,
        incident: IncidentId | None = None,
        proposal: Digest | None = None,
        after: int = -1,
    ) -> AsyncIterator[Entry]:
        """See the port."""
        return self._reading.entries(kind, incident, proposal, after)

    async def export(self) -> AsyncIterator[bytes]:
        """See the port. Raises BadInput: opened without the ledger key."""
        if self._notary is None:
            raise exports.missing_key()
        async with self._moment() as moment:
            signed = exports.sign_all(await moment.frontiers(), self._notary)
            await self._keep(signed)
            async for line in exports.lines(moment, signed, self._sequencer.installation, self._notary):
                yield line

    async def inclusion(self, origin: str, index: int) -> Proof:
        """See `policies.ledger.archives`."""
        return await self._reading.inclusion(origin, index)

    async def consistency(self, origin: str, size: int) -> Proof:
        """See `policies.ledger.archives`."""
        return await self._reading.consistency(origin, size)

    async def checkpoint(self) -> tuple[str, ...]:
        """See `policies.ledger.archives`."""
        if self._notary is None:
            raise exports.missing_key()
        signed = exports.sign_all(await self._reading.frontiers(), self._notary)
        await self._keep(signed)
        return tuple(note for _, note in signed.values())

    @abstractmethod
    async def _keep(self, signed: dict[str, tuple[int, str]]) -> None:
        """Store each log's signed checkpoint: origin to (size, note)."""

    @abstractmethod
    def _moment(self) -> AbstractAsyncContextManager[Reading]:
        """A reading that sees one moment of all the logs."""
