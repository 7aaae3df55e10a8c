"""Key-value buckets on a JetStream stream: the newest message of a subject is the value of a key.

Called by `nats.NatsBus.bucket`. Writes name the revision they replace, so of two writers one gets Conflict. A delete
leaves a marker for those who watch; servers that can (2.11) drop it after an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import batched
from typing import Any

import structlog

from estate.errors import BadInput
from tools.bus.genuineness import forged
from tools.bus.nats_reading import Kept, Source, follow, get
from tools.bus.port import Conflict, Stored, TooLarge
from tools.bus.wire import NoMessage, Wire

log = structlog.get_logger(__name__)

_AT_ONCE = 64
"""Values that a scan asks for together: one after the other, each would wait for whatever else the process does."""
_EXPECTED = "Nats-Expected-Last-Subject-Sequence"
_OPERATION = "KV-Operation"
_ROLLUP = {_OPERATION: "PURGE", "Nats-Rollup": "sub"}
_MARKER_LIFE = {"Nats-TTL": "1h"}
_KNOWS_LIFE = (2, 11)


class NatsBucket:
    """See `port.Bucket`."""

    def __init__(self, wire: Wire, name: str, max_bytes: int, *, markers_expire: bool) -> None:
        self._wire = wire
        self._name = name
        self._max_bytes = max_bytes
        self._markers_expire = markers_expire
        self._prefix = f"$KV.{name}."

    async def get(self, key: str) -> Stored | None:
        kept = await self._newest(key)
        return None if kept is None or _deleted(kept) else self._stored(kept)

    async def create(self, key: str, value: bytes) -> int:
        try:
            return await self._write(key, value, {_EXPECTED: "0"})
        except Conflict:
            kept = await self._newest(key)
            if kept is None or not _deleted(kept):
                raise
            return await self._write(key, value, {_EXPECTED: str(kept.sequence)})

    async def update(self, key: str, value: bytes, revision: int) -> int:
        return await self._write(key, value, {_EXPECTED: str(revision)})

    async def put(self, key: str, value: bytes) -> int:
        return await self._write(key, value, {})

    async def delete(self, key: str) -> None:
        if await self.get(key) is not None:
            await self._write(key, b"", _ROLLUP | (_MARKER_LIFE if self._markers_expire else {}))

    async def watch(self, pattern: str = ">") -> AsyncIterator[Stored]:
        async with aclosing(follow(self._wire, self._source(pattern))) as found:
            async for kept in found:
                if not _deleted(kept):
                    yield self._stored(kept)

    async def keys(self, pattern: str = ">") -> tuple[str, ...]:
        return tuple(stored.key for stored in await self.values(pattern))

    async def values(self, pattern: str = ">") -> tuple[Stored, ...]:
        found: list[Stored | None] = []
        for some in batched(await self._written(pattern), _AT_ONCE):
            found += await asyncio.gather(*map(self._genuine, some))
        return tuple(stored for stored in found if stored is not None)

    async def _written(self, pattern: str) -> list[str]:
        """Every key under the pattern that has a value or a deletion, by name."""
        found: list[str] = []
        while True:
            asked = {"subjects_filter": f"{self._prefix}{pattern}", "offset": len(found)}
            answer = await self._wire.api(f"STREAM.INFO.KV_{self._name}", asked)
            page = answer["state"].get("subjects") or {}
            found += page
            if not page or len(found) >= int(answer["total"]):
                return sorted(subject.removeprefix(self._prefix) for subject in found)

    async def _genuine(self, key: str) -> Stored | None:
        """Its value, if it has one that somebody wrote who may."""
        try:
            return await self.get(key)
        except BadInput as error:
            log.error("forged message passed over", bucket=self._name, error=str(error))
            return None

    async def _newest(self, key: str) -> Kept | None:
        try:
            kept = await get(self._wire, f"KV_{self._name}", {"last_by_subj": self._subject(key)})
        except NoMessage:
            return None
        if fault := forged(kept.subject, kept.headers, (f"{self._prefix}>",), needs_id=False):
            raise BadInput(f"key `{key}` of bucket `{self._name}` was forged: {fault}; write it anew")
        return kept

    async def _write(self, key: str, value: bytes, headers: dict[str, str]) -> int:
        if len(value) > self._max_bytes:
            raise TooLarge(f"{len(value)} bytes for key `{key}`, the limit is {self._max_bytes}; split it")
        answer = await self._wire.publish(self._subject(key), value, headers)
        return int(answer["seq"])

    def _subject(self, key: str) -> str:
        if not key or set(key) & set(" *>\t\r\n") or key.startswith(".") or key.endswith(".") or ".." in key:
            raise BadInput(f"`{key}` is not a key; use letters, digits, `-`, `_`, `=`, `/` and single dots")
        return f"{self._prefix}{key}"

    def _source(self, pattern: str) -> Source:
        return Source(f"KV_{self._name}", (f"{self._prefix}>",), (f"{self._prefix}{pattern}",), needs_id=False)

    def _stored(self, kept: Kept) -> Stored:
        return Stored(kept.subject.removeprefix(self._prefix), kept.data, kept.sequence)


def _deleted(kept: Kept) -> bool:
    return _OPERATION in kept.headers


def bucket_config(wire: Wire, name: str, history: int) -> dict[str, Any]:
    """The settings of the stream under a bucket, by its name on the server."""
    config: dict[str, Any] = {
        "subjects": [f"$KV.{name}.>"],
        "retention": "limits",
        "max_msgs_per_subject": history,
        "max_bytes": 1024**3,
        "discard": "new",
        "storage": "file",
        "allow_rollup_hdrs": True,
        "allow_direct": False,
    }
    return config | ({"allow_msg_ttl": True} if wire.server >= _KNOWS_LIFE else {})
