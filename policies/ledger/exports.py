"""The export of a ledger: canonical JSON Lines that anyone can check offline (`policies.ledger.verifying`).

A header names installation, logs and sizes. Each log follows, tenants' first by name and the install log last: every
leaf with its recorded hash and, where it is still stored, its content; then the log's signed checkpoints, the last of
which is for the whole log. The fingerprint of the ledger key is for people; no reader trusts it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol, Self

from pydantic import Field

from estate import canonical
from estate.canonical import Json
from estate.errors import BadInput
from estate.ids import InstallationId
from estate.records import Model, Record
from policies.ledger.leaves import SALT_BYTES, Content, Leaf, Origin
from policies.ledger.merkle import Frontier, Head
from policies.ledger.notes import Checkpoint, Notary, read_checkpoint
from policies.ledger.sequencing import Row
from policies.ledger.witnesses import Shown


class LogSize(Model):
    """A log and the number of its leaves in this export."""

    origin: Origin
    size: int = Field(ge=0)


class Header(Record):
    """The first line."""

    kind: Literal["placet.ledger.export"] = "placet.ledger.export"
    v: Literal[1] = 1
    installation: InstallationId
    logs: tuple[LogSize, ...]
    fingerprint: str


class ContentLine(Model):
    """A leaf's content, with the salt that ties it to the leaf."""

    salt: str
    body: dict[str, Json]
    by: str

    @classmethod
    def of(cls, content: Content) -> Self:
        """The line of a stored content."""
        return cls(salt=content.salt.hex(), body=dict(content.read_body), by=content.by)

    def content(self) -> Content:
        """The content as it is hashed. Raises BadInput: the salt is not 32 bytes in hexadecimal."""
        salt = bytes.fromhex(self.salt) if len(self.salt) == 2 * SALT_BYTES else b""
        if salt.hex() != self.salt:
            raise BadInput("salt is not 32 bytes in lower-case hexadecimal")
        return Content.of(self.body, self.by, salt)


class LeafLine(Model):
    """One leaf, its hash as recorded when it was written, and its content unless that was erased."""

    kind: Literal["leaf"] = "leaf"
    leaf: Leaf
    hash: str
    content: ContentLine | None


def leaf_line(row: Row) -> bytes:
    """The line of a stored leaf: a `LeafLine` in its canonical form, put together from parts that are canonical."""
    content = b"null"
    if (kept := row.content) is not None:
        by = canonical.dumps(kept.by)
        content = b'{"body":%b,"by":%b,"salt":"%b"}' % (kept.body, by, kept.salt.hex().encode())
    hashed = row.leaf_hash.hex().encode()
    return b'{"content":%b,"hash":"%b","kind":"leaf","leaf":%b}\n' % (content, hashed, row.data)


class CheckpointLine(Model):
    """A signed note over the log whose leaves stand above it."""

    kind: Literal["checkpoint"] = "checkpoint"
    note: str


class Moment(Protocol):
    """One consistent moment of a ledger, as an adapter reads it."""

    async def frontiers(self) -> Mapping[str, Frontier]:
        """Every log with its frontier."""

    def rows(self, origin: str) -> AsyncIterator[Row]:
        """The leaves of a log in order, streamed."""

    async def notes(self, origin: str, below: int) -> tuple[str, ...]:
        """The checkpoints kept of a log at sizes below that, in order."""


def order(origins: Iterable[str]) -> list[str]:
    """Tenants' logs by name, then the install log."""
    return sorted(origins, key=lambda origin: (origin.endswith("/install"), origin))


def sign_all(frontiers: Mapping[str, Frontier], notary: Notary) -> dict[str, tuple[int, str]]:
    """For each log its size and the signed note of its head."""
    return {
        origin: (frontier.size, notary.sign(Checkpoint(origin, Head(frontier.size, frontier.root))))
        for origin, frontier in frontiers.items()
    }


async def lines(
    moment: Moment, signed: Mapping[str, tuple[int, str]], installation: InstallationId, notary: Notary
) -> AsyncIterator[bytes]:
    """The export, line by line with line ends; `signed` are the notes of the logs' heads at this very moment."""
    frontiers = await moment.frontiers()
    logs = tuple(LogSize(origin=o, size=frontiers[o].size) for o in order(frontiers))
    header = Header(installation=installation, logs=logs, fingerprint=notary.key.fingerprint)
    yield header.canonical() + b"\n"
    for log in logs:
        async for row in moment.rows(log.origin):
            yield leaf_line(row)
        for note in (*await moment.notes(log.origin, log.size), signed[log.origin][1]):
            yield CheckpointLine(note=note).canonical() + b"\n"


def shown(origin: str, note: str, prove: Callable[[int, int], Awaitable[Sequence[bytes]]]) -> Shown:
    """The signed head of a log as witnesses see it; `prove` proves one size of it a prefix of another."""
    checkpoint = read_checkpoint(note)
    assert checkpoint.origin == origin, origin

    async def prefix(old: int) -> Sequence[bytes]:
        return await prove(old, checkpoint.head.size)

    return Shown(note, checkpoint, prefix)
