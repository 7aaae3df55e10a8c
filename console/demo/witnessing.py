"""Watches every pod of a cluster while a demo plays: how many of each application were ready at the worst moment.

Called by the Kubernetes scenery. A watch tells every change in order, so nothing between two looks is missed; a watch
that lost its place says so instead of guessing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from estate.errors import PlacetError
from tools.controlplane import objects
from tools.kubernetes import resources
from tools.kubernetes.connecting import Connection

type App = tuple[str, str]
"""Namespace and name of an application."""


class Witness:
    """What was seen of one cluster's pods, from the first list on."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is seen before `watching`."""
        self._connection = connection
        self._ready: dict[App, set[str]] = defaultdict(set)
        self._version = ""
        self.fewest: dict[App, int] = {}
        """The fewest ready pods that each application had at any moment."""
        self.lost = ""
        """Why something may have been missed; empty where nothing was."""

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """See everything that happens within the block."""
        async for page in self._connection.pages(resources.PODS.path()):
            self._version = page.version
            for pod in page.items:
                self._take(pod, gone=False)
        self.fewest = {app: len(pods) for app, pods in self._ready.items()}
        task = asyncio.create_task(self._follow(), name="witness")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                async for event in self._connection.watch(resources.PODS.path(), {"resourceVersion": self._version}):
                    self._version = event.object["metadata"]["resourceVersion"]
                    if event.type != "BOOKMARK":
                        self._seen(event.object, gone=event.type == "DELETED")
            except PlacetError as error:
                self.lost = str(error)
                return

    def _seen(self, pod: Mapping[str, Any], *, gone: bool) -> None:
        app = self._take(pod, gone=gone)
        self.fewest[app] = min(self.fewest.get(app, 0), len(self._ready[app]))

    def _take(self, pod: Mapping[str, Any], *, gone: bool) -> App:
        about = pod["metadata"]
        app = about["namespace"], about.get("labels", {}).get(objects.APP, "")
        counts = not gone and not about.get("deletionTimestamp") and ready(pod)
        (self._ready[app].add if counts else self._ready[app].discard)(about["uid"])
        return app


def ready(pod: Mapping[str, Any]) -> bool:
    """Whether it serves, as a disruption budget counts."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
