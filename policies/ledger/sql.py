"""What the SQL ledgers share: questions, proofs, export and checkpoints, over a reading that each adapter brings.

An adapter appends, erases and closes in its own way, and gives this class a consistent moment and a place for notes.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from estate.ids import Digest, IncidentId
from policies.ledger import exports, merkle
from policies.ledger.archives import Proof
from policies.ledger.merkle import Frontier, Part
from policies.ledger.port import Entry, EntryKind
from policies.ledger.reading import Reading
from policies.ledger.sequencing import Sequencer
from policies.ledger.signing import Signing
from policies.signing.port import Signer
from policies.signing.sealing import soon


class SqlLedger(ABC):
    """The part of a ledger that does not care which SQL server it stands in."""

    def __init__(self, reading: Reading, sequencer: Sequencer, signing: Signing) -> None:
        self._reading = reading
        self._sequencer = sequencer
        self._signing = signing

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
        notary, witnesses = self._signing.needed(), self._signing.witnesses
        async with AsyncExitStack() as stack:
            async with witnesses.turn():
                moment = await stack.enter_async_context(self._moment())
                signed = await self._signed(await moment.frontiers())
            async for line in exports.lines(moment, signed, self._sequencer.installation, notary):
                yield line

    async def inclusion(self, origin: str, index: int) -> Proof:
        """See `policies.ledger.archives`."""
        return await self._reading.inclusion(origin, index)

    async def consistency(self, origin: str, size: int) -> Proof:
        """See `policies.ledger.archives`."""
        return await self._reading.consistency(origin, size)

    async def hashes(self, origin: str, parts: tuple[Part, ...]) -> tuple[bytes, ...]:
        """See `policies.ledger.archives`."""
        return await self._reading.hashes(origin, parts)

    async def checkpoint(self) -> tuple[str, ...]:
        """See `policies.ledger.archives`."""
        self._signing.needed()
        async with self._signing.witnesses.turn():
            signed = await self._signed(await self._reading.frontiers())
        return tuple(note for _, note in signed.values())

    async def succeed(self, signer: Signer, known: Callable[[int], None]) -> int:
        """See `policies.ledger.archives`."""
        async with self._signing.witnesses.turn():
            size, _ = (await self._signed(await self._reading.frontiers()))[self._sequencer.install]
            await asyncio.to_thread(known, size)
            self._signing.needed().succeed(signer)
        return size

    async def _signed(self, frontiers: Mapping[str, Frontier]) -> dict[str, tuple[int, str]]:
        """Sign these heads, keep the notes, show the install log's to the witnesses, and keep what they sign."""
        notary = self._signing.needed()
        signed = await soon(lambda: exports.sign_all(frontiers, notary), *notary.signers)
        await self._keep(signed)
        install = self._sequencer.install
        size, note = signed[install]

        async def prove(old: int, new: int) -> Sequence[bytes]:
            return await self._reading.hashes(install, merkle.consistency(old, new))

        lines = await self._signing.witnesses.show(exports.shown(install, note, prove))
        return signed | {install: (size, await self._cosigned(install, size, lines) if lines else note)}

    @abstractmethod
    async def _keep(self, signed: dict[str, tuple[int, str]]) -> None:
        """Store each log's signed checkpoint: origin to (size, note)."""

    @abstractmethod
    async def _cosigned(self, origin: str, size: int, lines: Sequence[str]) -> str:
        """Add witnesses' lines to a stored checkpoint; the note as it is then."""

    @abstractmethod
    def _moment(self) -> AbstractAsyncContextManager[Reading]:
        """A reading that sees one moment of all the logs."""
