"""Checkpoints in a bucket of the Bus: the default. The bucket's revision is the fence.

Made by `console.bootstrap`. A document over the size of one value is kept in parts: the parts are stored first, under
the digest of the whole, then the head that names them, so a reader sees the old document or the new one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from agents.checkpoints.port import Address, Fenced, Held
from estate import canonical
from estate.errors import BadInput, RetryLater
from tools.bus.port import Bucket, Bus, Conflict, TooLarge

BUCKET = "checkpoints"
PART_BYTES = 512 * 1024
LARGEST_BYTES = 16 * 1024**2
_PLAIN = re.compile(r"[a-z0-9-]+")
_KIND = "placet.parts"


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a head says when the document stands in parts."""

    digest: str
    count: int

    def written(self) -> bytes:
        return json.dumps({"kind": _KIND, "v": 1, "digest": self.digest, "count": self.count}).encode()

    @classmethod
    def read(cls, value: bytes) -> _Parts | None:
        if len(value) > 500 or _KIND.encode() not in value[:40]:
            return None
        form = json.loads(value)
        return cls(str(form["digest"]), int(form["count"]))

    def keys(self, address: Address) -> tuple[str, ...]:
        name = self.digest.removeprefix("sha256:")[:32]
        return tuple(f"part.{_key(address)}.{name}.{number}" for number in range(self.count))


class BucketShelf:
    """See `port.Shelf`."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._parted: set[Address] = set()

    @classmethod
    async def open(cls, bus: Bus) -> BucketShelf:
        """The shelf of this installation."""
        return cls(await bus.bucket(BUCKET))

    async def load(self, address: Address) -> Held | None:
        for _ in range(3):
            found = await self._bucket.get(_head(address))
            if found is None:
                return None
            if (parts := _Parts.read(found.value)) is None:
                return Held(found.value, found.revision)
            self._parted.add(address)
            if (data := await self._whole(address, parts)) is not None:
                return Held(data, found.revision)
        raise RetryLater(f"the checkpoint of thread `{address.thread}` is being rewritten; read it again")

    async def save(self, address: Address, data: bytes, version: int | None) -> int:
        parts = await self._spread(address, data)
        head = parts.written() if parts else data
        try:
            if version is None:
                revision = await self._bucket.create(_head(address), head)
            else:
                revision = await self._bucket.update(_head(address), head, version)
        except Conflict as error:
            if parts:
                await self._sweep(address)
            raise Fenced(f"thread `{address.thread}` was written by another run; that one goes on") from error
        if address in self._parted:
            await self._sweep(address)
        return revision

    async def delete(self, address: Address) -> None:
        await self._bucket.delete(_head(address))
        await self._sweep(address)

    async def addresses(self, thread: str | None = None) -> tuple[Address, ...]:
        pattern = f"head.{_token(thread)}.*" if thread is not None else "head.>"
        keys = await self._bucket.keys(pattern)
        return tuple(Address(_text(thread_token), _text(ns)) for _, thread_token, ns in (k.split(".") for k in keys))

    async def _spread(self, address: Address, data: bytes) -> _Parts | None:
        """Stores the parts of a large document; None when it fits in one value."""
        if len(data) <= PART_BYTES:
            return None
        if len(data) > LARGEST_BYTES:
            raise TooLarge(
                f"checkpoint of thread `{address.thread}` has {len(data)} bytes, the limit is {LARGEST_BYTES}"
            )
        self._parted.add(address)
        parts = _Parts(canonical.digest(data), -(-len(data) // PART_BYTES))
        for number, key in enumerate(parts.keys(address)):
            await self._bucket.put(key, data[number * PART_BYTES : (number + 1) * PART_BYTES])
        return parts

    async def _whole(self, address: Address, parts: _Parts) -> bytes | None:
        found = [await self._bucket.get(key) for key in parts.keys(address)]
        data = b"".join(part.value for part in found if part is not None)
        return data if canonical.digest(data) == parts.digest else None

    async def _sweep(self, address: Address) -> None:
        """Deletes the parts that the head does not name. A writer who still counts on them is fenced by the head."""
        head = await self._bucket.get(_head(address))
        parts = _Parts.read(head.value) if head else None
        named = parts.keys(address) if parts else ()
        for key in await self._bucket.keys(f"part.{_key(address)}.>"):
            if key not in named:
                await self._bucket.delete(key)
        if parts is None:
            self._parted.discard(address)


def _head(address: Address) -> str:
    return f"head.{_key(address)}"


def _key(address: Address) -> str:
    return f"{_token(address.thread)}.{_token(address.namespace)}"


def _token(text: str) -> str:
    """Any text as one token of a key: itself where it can be, else `=` and hexadecimal."""
    return text if _PLAIN.fullmatch(text) else f"={text.encode().hex()}"


def _text(token: str) -> str:
    if not token.startswith("="):
        return token
    try:
        return bytes.fromhex(token[1:]).decode()
    except ValueError as error:
        raise BadInput(f"`{token}` is not a key of a checkpoint") from error
