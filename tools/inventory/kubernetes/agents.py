"""The images that our agents' pods run, as the kubelet reports them: evidence by somebody else than the agent.

Adapter of `tools.inventory.port.Source`, beside that of each cluster. Pods say by a label which component they are;
what runs in them the API server knows from the node, and no agent may write a pod's status. Sensors hold each image to
the registration that has the label's name. A pod without the label is not seen here, nor one elsewhere than in a
cluster that is followed. A cluster that does not answer shows nothing, and goes on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from pydantic import ValidationError

from estate.errors import PlacetError
from estate.ids import ClusterId, ComponentId, Digest
from estate.uses.running import Component, ComponentSort
from tools.inventory.port import Observed
from tools.kubernetes import resources
from tools.kubernetes.connecting import Connection

LABEL: Final = "placet.dev/component"
"""On the pods of an agent: the name under which facts register it."""
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AgentPods:
    """The labelled pods of one cluster, by its reader's connection."""

    connection: Connection
    of: ClusterId
    interval: timedelta = timedelta(seconds=15)

    @property
    def cluster(self) -> None:
        """None: the cluster's own source shows the cluster."""

    async def watch(self) -> AsyncIterator[Observed]:
        """What runs now, and everything again whenever that changes. A cluster out of reach keeps nobody waiting."""
        told: tuple[Component, ...] | None = None
        while True:
            found = await self._read()
            if found is None and told is None:
                found = ()
            if found is not None and found != told:
                told = found
                yield Observed(source=f"agent-pods-{self.of}", items=told, whole=True)
            await asyncio.sleep(self.interval.total_seconds())

    async def _read(self) -> tuple[Component, ...] | None:
        """The components; None where they cannot be read now."""
        pods: list[Any] = []
        try:
            async for page in self.connection.pages(resources.PODS.path(), {"labelSelector": LABEL}):
                pods += page.items
        except PlacetError as error:
            log.warning("agents' pods not read", cluster=self.of, error=str(error))
            return None
        return components(pods, self.of)


def components(pods: Iterable[Any], cluster: ClusterId) -> tuple[Component, ...]:
    """Each image of each labelled component once. A label that is no name is told, and passed over."""
    found: dict[str, Component] = {}
    for pod in pods:
        name = str(pod["metadata"]["labels"][LABEL])
        for image in _images(pod):
            try:
                made = _component(name, image, cluster)
            except ValidationError:
                log.error("label names no component", label=name, pod=pod["metadata"].get("name"))
                continue
            found[made.id] = made
    return tuple(found[name] for name in sorted(found))


def _images(pod: Any) -> Iterator[Digest | None]:
    """By digest, of each container that has begun; None of one whose image has none."""
    status = pod.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if container.get("containerID") or container.get("imageID"):
            digest = _DIGEST.search(str(container.get("imageID") or ""))
            yield Digest(digest.group()) if digest else None


def _component(name: str, image: Digest | None, cluster: ClusterId) -> Component:
    figures = image.removeprefix("sha256:")[:12] if image is not None else "unknown"
    return Component(
        id=ComponentId(f"{name}-in-{cluster}-{figures}"),
        sort=ComponentSort.AGENT,
        name=name,
        image=image or "",
        told_by=(f"cluster/{cluster}",),
    )
