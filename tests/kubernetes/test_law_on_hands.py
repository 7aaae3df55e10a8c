"""Hands on a real API server that nobody asked the law about: each told once, with who it was where that is known."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from estate.ids import Country, DatasetId, TenantId
from estate.law import Dataset, Facts
from estate.observations import Observation
from estate.subjects import Subjects
from estate.units import Seconds
from tests import builders
from tests.kubernetes import raws
from tests.kubernetes.clusters import EU, QUICK, Cluster
from tests.kubernetes.raws import Raw
from tests.policies.asking import law
from tools.bus.memory import MemoryBroker
from tools.bus.port import Bus
from tools.bus.streams import DELTAS, INTAKE, streams
from tools.inventory.kubernetes.source import KubernetesSource
from tools.inventory.writer import Writer
from tools.kubernetes import resources
from tools.payloads.formats import FORMATS
from tools.sensors.lawfulness import Lawfulness
from tools.sensors.registry import Settings
from tools.sensors.telling import CHANNEL, FORMAT
from tools.sensors.watching import Pace, Watch

pytestmark = pytest.mark.kubernetes

SUBJECTS = Subjects(builders.INSTALLATION)
AT_ONCE = Settings(lawfulness=Lawfulness(raise_after_seconds=Seconds(0), clear_after_seconds=Seconds(0)))


def sold(cluster: Cluster, version: int = 2) -> Facts:
    """Facts in which the site's owner came under the law of the United States."""
    known = (
        e.model_copy(update={"seat": Country("US")}) if e.id == "eu-hosting" else e for e in builders.facts().entities
    )
    return cluster.facts(version=version, entities=tuple(known), datasets=secret())


def secret() -> tuple[Dataset, ...]:
    """Data of tenant-a, which nobody granted to anybody."""
    place = builders.residency("DE", "FR")
    return (Dataset(id=DatasetId("a-secret"), tenant=TenantId("tenant-a"), personal=True, residency=place),)


@dataclass
class Watching:
    """A cluster that is looked at, and what was told of it."""

    cluster: Cluster
    bus: Bus
    facts: Facts
    writer: Writer = field(init=False)

    async def told(self, word: str, *, resolved: bool = False) -> Observation:
        """What was said of a thing of that name, once it was; once only."""
        async with asyncio.timeout(20):
            while not (found := await self._about(word, resolved)):  # noqa: ASYNC110 - a replay has no event
                await asyncio.sleep(0.05)
        (only,) = found
        return only

    async def _about(self, word: str, resolved: bool) -> list[Observation]:
        raw = await self.bus.replay(INTAKE, subjects=(SUBJECTS.intake(CHANNEL, FORMAT),))
        seen = (o for d in raw for o in FORMATS[FORMAT](d.data, d.headers).observations)
        return [o for o in seen if (o.whereabouts.workload, o.resolved) == (word, resolved)]

    async def renew(self, facts: Facts) -> None:
        """Put other facts in force."""
        self.facts = facts
        await self.writer.renew_facts(facts.canonical())


@contextlib.asynccontextmanager
async def watching(cluster: Cluster) -> AsyncIterator[Watching]:
    """Source, writer and sensors on one cluster."""
    broker = MemoryBroker()
    bus = broker.connect(SUBJECTS)
    await bus.declare(*streams(SUBJECTS))
    made = Watching(cluster, bus, cluster.facts(datasets=secret()))
    source = KubernetesSource(cluster.hands, EU, lambda: made.facts, QUICK)
    clock = builders.TestClock()
    made.writer = Writer(bus, builders.INSTALLATION, "w", (source,), clock)
    watch = Watch(bus, builders.INSTALLATION, AT_ONCE, clock, Pace(tick=timedelta(seconds=0.1)), law=law())
    running = asyncio.create_task(made.writer.run(made.facts.canonical(), Facts.read, watch), name="writer")
    try:
        async with asyncio.timeout(20):
            while not await bus.replay(DELTAS, subjects=(SUBJECTS.delta(),)):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        yield made
    finally:
        running.cancel()
        await asyncio.wait([running])


async def by_hand(cluster: Cluster, raw: Raw, manager: str) -> Raw:
    """Somebody creates a pod."""
    about = {k: v for k, v in raw["metadata"].items() if k not in ("uid", "resourceVersion")}
    path = resources.PODS.path(about["namespace"])
    return await cluster.hands.request("POST", path, {"fieldManager": manager}, raw | {"metadata": about})


async def test_every_hand_is_seen(cluster: Cluster) -> None:
    """In a namespace that nobody has, on a node that no fact knows, with data of others, through `binding` alone."""
    for name in ("eu-a1", "strange"):
        await cluster.create(resources.NODES, raws.node(name))
    async with watching(cluster) as at:
        lawful = await by_hand(cluster, raws.pod("lawful", "tenant-a", on="eu-a1"), "kubectl-run")
        await by_hand(cluster, raws.pod("nowhere", "tenant-a", on="strange"), "kubectl-create")
        told = await at.told("nowhere")
        assert told.evidence is not None
        assert [f.policy for f in told.evidence.failures] == ["facts-complete-workload"]
        assert told.evidence.by is not None
        assert told.evidence.by.manager == "kubectl-create"

        bound = await by_hand(cluster, raws.pod("bound", "tenant-a"), "kubectl-create")
        target = {"apiVersion": "v1", "kind": "Node", "name": "strange"}
        body = {"metadata": {"name": "bound"}, "target": target}
        await cluster.hands.request("POST", resources.PODS.path("tenant-a", "bound") + "/binding", body=body)
        assert bound["spec"].get("nodeName") is None
        assert (await at.told("bound")).code == "law-facts-complete-workload"

        labelled = await by_hand(cluster, raws.pod("labelled", "tenant-b", on="eu-a1"), "kubectl-run")
        note = {"metadata": {"annotations": {"placet.dev/datasets": "a-secret"}}}
        path = resources.PODS.path("tenant-b", "labelled")
        await cluster.hands.request(
            "PATCH", path, {"fieldManager": "kubectl-annotate"}, note, content_type="application/merge-patch+json"
        )
        told = await at.told("labelled")
        assert told.evidence is not None
        assert [f.policy for f in told.evidence.failures] == ["tenant-data"]
        assert told.evidence.by is not None
        assert told.evidence.by.manager == "kubectl-annotate"

        await cluster.delete(resources.PODS, labelled)
        assert (await at.told("labelled", resolved=True)).type is told.type
        await at.renew(sold(cluster))
        assert {f.dimension.value for f in (await at.told("lawful")).evidence.failures} >= {"legal"}  # type: ignore[union-attr]
        await cluster.delete(resources.PODS, lawful)
