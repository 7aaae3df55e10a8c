"""What image an agent's pods run is the kubelet's word, read off a real API server, and held to the registration."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest

from estate.law import Facts
from estate.uses.running import Component, ComponentSort
from policies import reaches
from tests import builders
from tests.kubernetes import raws
from tests.kubernetes.clusters import EU, Cluster
from tests.kubernetes.raws import Raw
from tools.inventory.kubernetes.agents import LABEL, AgentPods, components
from tools.inventory.port import Observed
from tools.kubernetes import resources
from tools.kubernetes.connecting import MERGE

IMAGE, OTHER = (str(builders.registration(name).content) for name in ("image", "another-image"))


def law(*images: str) -> Facts:
    agent = builders.registration("agent", sort=ComponentSort.AGENT, images=images)
    return builders.facts(registrations=(agent,))


def faults(seen: tuple[Component, ...], facts: Facts) -> list[str]:
    return [f for i in seen if (f := reaches.unknown(facts, i, builders.START))]


def pod(image: str, label: str = "agent") -> Raw:
    made = raws.pod("worker", labels={LABEL: label})
    return made | {"status": {"containerStatuses": [{"name": "agent", "containerID": "c", "imageID": image}]}}


def test_an_image_is_the_registered_one_or_it_is_told() -> None:
    seen = components([pod(f"registry.example/placet@{IMAGE}")], EU)
    assert faults(seen, law(IMAGE)) == []
    assert faults(seen, law()) == [], "facts that name no image say nothing of it"
    assert faults(seen, law(OTHER)) == [f"agent `agent` runs image `{IMAGE}`, registered is `{OTHER}`"]
    assert faults(seen, builders.facts()) == [f"agent `agent` runs image `{IMAGE}`, and facts register no such agent"]
    assert faults(components([pod("placet:latest")], EU), law(IMAGE)) == [
        f"agent `agent` runs image `of no digest`, registered is `{IMAGE}`"
    ]
    assert components([pod(IMAGE, label="No_Name"), raws.pod("waits", labels={LABEL: "agent"})], EU) == ()


@pytest.mark.kubernetes
async def test_the_images_of_labelled_pods_are_read_off_the_api_server(cluster: Cluster) -> None:
    """And of no others; a pod that is gone runs nothing."""

    async def run(name: str, image: str, **labels: str) -> Raw:
        made = await cluster.create(resources.PODS, raws.pod(name, labels={"app": "work", **labels}))
        path = f"{resources.PODS.path('tenant-a', name)}/status"
        told = {"name": "work", "image": "placet", "imageID": image, "ready": True, "restartCount": 0, "state": {}}
        body = {"status": {"containerStatuses": [told]}}
        await cluster.hands.request("PATCH", path, body=body, content_type=MERGE)
        return made

    def told(seen: Observed) -> list[str | None]:
        return [i.image for i in seen.items if isinstance(i, Component)]

    await run("another", f"placet@{OTHER}")
    worker = await run("worker", f"placet@{IMAGE}", **{LABEL: "agent"})
    source = AgentPods(cluster.hands, EU, timedelta(milliseconds=50))
    async with aclosing(source.watch()) as seen, asyncio.timeout(20):
        assert told(await anext(seen)) == [IMAGE]
        await cluster.delete(resources.PODS, worker)
        assert told(await anext(seen)) == []
