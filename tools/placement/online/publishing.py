"""The outlook of an installation, in a bucket: who looks ahead publishes it, and all who place expect the same.

Called by `tending`, and by the door's process. Of several who look at once the first is right; the others take theirs.
What cannot be read is passed over, and what was expected before goes on being expected.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Final, Literal, NamedTuple, Self

import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import Field

from estate.errors import BadInput
from estate.ids import Digest
from estate.records import Model, Record
from estate.snapshots import SnapshotVersion
from estate.workloads import Workload
from tools.bus.port import Bucket, Bus, Conflict
from tools.placement.online.classes import Need, key_of
from tools.placement.online.outlooks import Expected, Outlook

BUCKET: Final = "outlooks"
_KEY: Final = "newest"
_MOST_BYTES: Final = 16 * 2**20
"""Of what a value is unpacked to."""

log = structlog.get_logger(__name__)


class ExpectedClass(Model):
    """See `outlooks.Expected`; of a workload all that tells its class apart."""

    devices: int = Field(ge=0)
    milli: int = Field(ge=0)
    cpu: int = Field(ge=0)
    memory: int = Field(ge=0)
    count: int = Field(ge=1)
    workload: Workload | None = None


class KindPrice(Model):
    """What a place on a kind of node is worth to others than that class."""

    expected: int = Field(ge=0)
    """Its position among the classes."""
    kind: Digest
    price: int


class PublishedOutlook(Record):
    """An outlook, and the estate in which it was seen."""

    kind: Literal["placet.outlook"] = "placet.outlook"
    v: Literal[1] = 1
    seen: SnapshotVersion
    expected: tuple[ExpectedClass, ...] = Field(min_length=1, max_length=128)
    prices: tuple[KindPrice, ...] = ()
    strain_rows: str = ""
    strains: str = ""
    """Both: whole numbers of 64 bits, low bytes first, packed; empty: none."""

    @classmethod
    def of(cls, outlook: Outlook, seen: SnapshotVersion) -> Self:
        """As it is published."""
        keys = {key_of(e.workload): at for at, e in enumerate(outlook.expected) if e.workload is not None}
        prices = [KindPrice(expected=keys[k], kind=m, price=p) for (k, m), p in outlook.price.items() if k in keys]
        rows, strains = ("", "") if outlook.strains is None else map(_packed, outlook.strains)
        return cls(
            seen=seen,
            expected=tuple(map(_class, outlook.expected)),
            prices=tuple(sorted(prices, key=lambda p: (p.expected, p.kind))),
            strain_rows=rows,
            strains=strains,
        )

    def outlook(self) -> Outlook:
        """As it is used. Raises BadInput where it contradicts itself."""
        expected = tuple(
            Expected(Need(e.devices, e.milli, e.cpu, e.memory), e.count, e.workload) for e in self.expected
        )
        price = {}
        for each in self.prices:
            workload = expected[each.expected].workload if each.expected < len(expected) else None
            if workload is None:
                raise BadInput(f"a price names class `{each.expected}`, which has no work; look again")
            price[key_of(workload), each.kind] = each.price
        if not self.strains:
            return Outlook(expected, price)
        rows, strains = _unpacked(self.strain_rows), _unpacked(self.strains)
        if len(rows) != _SIZES or len(strains) % _SIZES or not 0 <= rows.min() <= rows.max() < len(strains) // _SIZES:
            raise BadInput(f"`{len(strains)}` strains of `{len(rows)}` sizes are no table; look again")
        return Outlook(expected, price, (rows, strains.reshape(-1, _SIZES)))


class Foretold(NamedTuple):
    """An outlook that counts, and where it was seen."""

    outlook: Outlook
    seen: SnapshotVersion
    revision: int


class Outlooks:
    """The newest outlook, and none before it."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @classmethod
    async def open(cls, bus: Bus) -> Self:
        """Those of the bus's installation."""
        return cls(await bus.bucket(BUCKET))

    async def publish(self, outlook: Outlook, seen: SnapshotVersion, over: int) -> bool:
        """In the place of the one with that revision (0: of none); False where somebody else was first."""
        value = zlib.compress(PublishedOutlook.of(outlook, seen).canonical())
        try:
            await (self._bucket.update(_KEY, value, over) if over else self._bucket.create(_KEY, value))
        except Conflict:
            return False
        return True

    async def followed(self) -> AsyncIterator[Foretold]:
        """The newest, then each new one as it comes."""
        async for stored in self._bucket.watch(_KEY):
            try:
                found = PublishedOutlook.read(_inflated(stored.value))
                yield Foretold(found.outlook(), found.seen, stored.revision)
            except (BadInput, zlib.error) as error:
                log.warning("outlook passed over", revision=stored.revision, reason=str(error))


_SIZES: Final = 1_001
"""Thousandths of a device, none included."""


def _class(expected: Expected) -> ExpectedClass:
    bare = {"bindings": (), "replicas": 1, "gangs": (), "counted": False}
    workload = None if expected.workload is None else expected.workload.model_copy(update=bare)
    return ExpectedClass(**expected.need._asdict(), count=expected.count, workload=workload)


def _inflated(value: bytes) -> bytes:
    reader = zlib.decompressobj()
    found = reader.decompress(value, _MOST_BYTES)
    if reader.unconsumed_tail or not reader.eof:
        raise BadInput(f"it is cut off, or unpacks to more than `{_MOST_BYTES}` bytes; look again")
    return found


def _packed(numbers: NDArray[np.int64]) -> str:
    return b64encode(zlib.compress(numbers.astype("<i8").tobytes())).decode()


def _unpacked(text: str) -> NDArray[np.int64]:
    try:
        data = _inflated(b64decode(text, validate=True))
        return np.frombuffer(data, dtype="<i8").astype(np.int64)
    except ValueError as error:
        raise BadInput(f"its strains are no numbers: {error}; look again") from error
