"""Clusters of Kubernetes as the world: a source for each that is read, a target for those that an executor writes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from console import clusters
from console.config import ExecutorSpec
from console.installations import Installation
from estate.law import Facts
from tools.execution.kubernetes.target import KubernetesTarget
from tools.execution.port import Target
from tools.inventory.follower import Follower
from tools.inventory.kubernetes.agents import AgentPods
from tools.inventory.kubernetes.source import KubernetesSource
from tools.inventory.port import Source


@dataclass(frozen=True, slots=True)
class ClusterGround:
    """The clusters of one installation, over connections that the stack closes."""

    installation: Installation
    stack: AsyncExitStack
    world: None = None

    async def sources(self, facts: Callable[[], Facts]) -> tuple[Source, ...]:
        """Each cluster, proven to be the one it is called, and beside it the images of our agents there."""
        declared = {c.id: c.declared for c in self.installation.config.clusters}
        connections = await clusters.readers(self.installation.config, self.stack)
        sources = tuple(
            KubernetesSource(
                found,
                cluster,
                facts,
                proof=partial(clusters.prove_reader, cluster, found),
                declared=declared.get(cluster, ()),
            )
            for cluster, found in connections.items()
        )
        await clusters.recognised(sources)
        return (*sources, *(AgentPods(found, cluster) for cluster, found in connections.items()))

    async def target(self, spec: ExecutorSpec, inventory: Follower) -> Target:
        """The clusters that this executor writes."""
        connections = await clusters.writers(self.installation.config, spec.id, self.stack)
        return KubernetesTarget(connections, lambda: inventory.newest().facts)
