"""Leases on any `Bucket`: mutual exclusion whose fencing tokens only grow.

The token is the bucket's revision of the write that took the lease, so a later holder's is always larger. A holder
that died is noticed by its silence: a watcher takes over when the entry was not renewed for the whole `ttl` on the
watcher's own monotonic clock; no two clocks are compared. A paused holder may still believe for a moment: whoever is
protected by the lease must refuse an older token (`policies.ledger.port.Fence`), which is what the token is for.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from tools.bus.port import Bucket, Conflict, Stored

type Monotonic = Callable[[], float]


@dataclass(slots=True)
class BucketLease:
    """A lease that is held; see `port.Lease`."""

    _bucket: Bucket
    _name: str
    _holder: str
    _token: int
    _revision: int

    @property
    def token(self) -> int:
        """The fencing token of this holding."""
        return self._token

    async def renew(self) -> None:
        """Extend it by writing it anew. Raises Conflict when somebody else took over."""
        value = _written(self._holder, self._token)
        self._revision = await self._bucket.update(self._name, value, self._revision)

    async def release(self) -> None:
        """Give it back; a lease that somebody else took meanwhile is left alone."""
        try:
            self._revision = await self._bucket.update(self._name, _written("", self._token), self._revision)
        except Conflict:
            return


async def take(
    bucket: Bucket, name: str, holder: str, *, ttl: timedelta, monotonic: Monotonic = time.monotonic
) -> BucketLease:
    """Wait until the lease `name` is free or its holder silent for `ttl`, and take it."""
    watched: Stored | None = None
    since = monotonic()
    while True:
        found = await bucket.get(name)
        if watched is None or found is None or found.revision != watched.revision:
            watched, since = found, monotonic()
        if found is None or _is_free(found) or monotonic() - since >= ttl.total_seconds():
            try:
                return await _seize(bucket, name, holder, found)
            except Conflict:
                continue
        await asyncio.sleep(min(ttl.total_seconds() / 10, 0.25))


async def _seize(bucket: Bucket, name: str, holder: str, found: Stored | None) -> BucketLease:
    value = _written(holder, 0)
    if found is None:
        revision = await bucket.create(name, value)
    else:
        revision = await bucket.update(name, value, found.revision)
    return BucketLease(bucket, name, holder, revision, revision)


def _written(holder: str, token: int) -> bytes:
    return json.dumps({"kind": "placet.lease", "v": 1, "holder": holder, "token": token}).encode()


def _is_free(found: Stored) -> bool:
    try:
        return not json.loads(found.value).get("holder")
    except (ValueError, AttributeError):
        return False
