"""Wake-ups from a cluster: watches that say that something may have changed, and never what.

Called by `waiting`. What counts is always a fresh read, so an event that was missed, doubled or forged costs a look and
decides nothing. A watch goes on from the version that was read; one that ends is resumed at its last version, one whose
version is gone wakes its waiter, who reads anew; a cluster that allows no watch wakes it at each pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from tenacity import AsyncRetrying, retry_if_exception_type

from estate.errors import PlacetError, RetryLater
from tools.kubernetes import faults
from tools.kubernetes.connecting import Connection
from tools.kubernetes.pausing import pauses
from tools.kubernetes.resources import Resource

WATCH_SECONDS = 75
"""How long one watch lasts before it is resumed: less than `connecting.QUIET_SECONDS`."""

_HASTY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Since:
    """Objects of one kind, narrowed by a selector, after the version at which they were read."""

    connection: Connection
    kind: Resource
    namespace: str = ""
    fields: str = ""
    labels: str = ""
    version: str = ""
    """Empty begins with what is there now, which wakes at once."""

    @classmethod
    def of(cls, connection: Connection, kind: Resource, namespace: str, name: str, version: str = "") -> Since:
        """One object by its name."""
        return cls(connection, kind, namespace, f"metadata.name={name}", version=version)

    @property
    def key(self) -> tuple[str, str, str]:
        """What is watched, whatever the version."""
        return self.kind.path(self.namespace), self.fields, self.labels

    def query(self, version: str) -> Mapping[str, str]:
        """The query of a watch from that version on."""
        asked = {"fieldSelector": self.fields, "labelSelector": self.labels, "resourceVersion": version}
        return {name: value for name, value in asked.items() if value}


class Vigil:
    """The watches of one wait. Close it when done."""

    def __init__(self, pause: float, longest: float) -> None:
        """`pause` in seconds after a fault, growing to `longest`."""
        self._pauses = pauses(pause, longest)
        self._pause = pause
        self._woken = asyncio.Event()
        self._watches: dict[tuple[str, str, str], asyncio.Task[None]] = {}

    def keep(self, sinces: Iterable[Since]) -> None:
        """Watch these; what is watched already goes on as it is."""
        for since in sinces:
            known = self._watches.get(since.key)
            if known is None or known.done():
                self._watches[since.key] = asyncio.create_task(self._watch(since), name=f"watch {since.key[0]}")

    async def woken(self, seconds: float) -> None:
        """Return once something may have changed, or the time is up. A watch that broke for a bug raises it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()
        for watch in self._watches.values():
            if watch.done():
                watch.result()

    async def close(self) -> None:
        """End every watch."""
        for watch in self._watches.values():
            watch.cancel()
        await asyncio.gather(*self._watches.values(), return_exceptions=True)

    async def _watch(self, since: Since) -> None:
        version = since.version

        async def follow() -> None:
            nonlocal version
            path, until = since.kind.path(since.namespace), asyncio.get_running_loop().time() + _HASTY_SECONDS
            async for event in since.connection.watch(path, since.query(version), seconds=WATCH_SECONDS):
                version = str(event.object.get("metadata", {}).get("resourceVersion") or version)
                if event.type != "BOOKMARK":
                    self._woken.set()
            if asyncio.get_running_loop().time() < until:
                raise faults.Unreachable(f"the watch of `{path}` ended at once")

        try:
            while True:
                await AsyncRetrying(retry=retry_if_exception_type(RetryLater), wait=self._pauses, reraise=True)(follow)
        except faults.Gone:
            self._woken.set()
        except PlacetError:
            await asyncio.sleep(self._pause)
            self._woken.set()
        except BaseException:
            self._woken.set()
            raise
