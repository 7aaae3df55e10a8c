"""The inventory tells each drift once: not on each list or restart, anew when it is otherwise, and its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from console.door import drifting
from console.door.views import Sight
from estate.drifts import Basis, Drift, Matter
from estate.events import Event
from estate.hands import Hand
from estate.ids import ChannelId, ClusterId, InstallationId, TenantId
from estate.observations import EventType
from estate.subjects import Subjects
from estate.things import Thing, ThingKind
from tests import builders
from tests.drift.benches import Bench, deployment
from tests.execution.clusters import CLUSTER, until
from tools.bus.port import Bus
from tools.bus.streams import INTAKE, streams
from tools.catalogue.drifting import DRIFT, DriftQuestion
from tools.catalogue.registry import Catalogue
from tools.inventory.drifts import CHANNEL, FORMAT, Drifts, Keeper
from tools.inventory.kubernetes.drifting import DriftBook
from tools.inventory.kubernetes.source import KubernetesSource
from tools.inventory.writer import Writer
from tools.kubernetes import applied, resources
from tools.payloads.formats import FORMATS
from tools.placement.engine import MaskEngine

type Connect = Callable[[], Awaitable[Bus]]


@pytest.fixture
async def bus(connect_either: Connect, subjects: Subjects) -> AsyncIterator[Bus]:
    """One connection, with streams declared."""
    made = await connect_either()
    await made.declare(*streams(subjects))
    yield made
    await made.close()


def drift(name: str = "serve", **over: Any) -> Drift:
    """A Deployment of `tenant-a` that somebody scaled."""
    fields: dict[str, Any] = {
        "about": Thing(kind=ThingKind.WORKLOAD, id=f"eu-1.tenant-a.deployment.{name}"),
        "called": f"Deployment tenant-a/{name}",
        "cluster": CLUSTER,
        "namespace": "tenant-a",
        "tenants": (TenantId("tenant-a"),),
        "basis": Basis.KUBECTL,
        "path": "spec.replicas",
        "desired": "2",
        "observed": "5",
        "by": Hand(manager="kubectl", subresource="scale", at=builders.START),
        "matter": Matter.CAPACITY,
        "why": "it says how much runs",
        "no_change": "somebody holds it",
    }
    return Drift(**(fields | over))


async def told(bus: Bus, subjects: Subjects) -> list[tuple[str, str, bool]]:
    """What was published on the inventory's own channel, as intake reads it: type, code, resolved."""
    found = await bus.replay(INTAKE, subjects=(subjects.intake(CHANNEL, FORMAT),))
    seen = [o for d in found for o in FORMATS[FORMAT](d.data, d.headers).observations]
    return [(o.type.value, o.code, o.resolved) for o in seen]


FOUND = ("config.drifted", "drift-capacity", False)
ENDED = ("config.drifted", "drift-capacity", True)


async def test_a_drift_is_told_once_and_its_end_once(bus: Bus, subjects: Subjects) -> None:
    keeper = Keeper(bus, subjects, builders.TestClock())
    one = drift()
    for _ in range(3):
        await keeper.take(CLUSTER, {one.called: (one,)}, whole=True)
    assert await told(bus, subjects) == [FOUND]
    assert await (await Drifts.open(bus)).every() == (one,)
    await keeper.take(CLUSTER, {one.called: (drift(observed="7"),)})
    assert await told(bus, subjects) == [FOUND, FOUND]
    await keeper.take(CLUSTER, {one.called: ()})
    assert await told(bus, subjects) == [FOUND, FOUND, ENDED]
    assert await (await Drifts.open(bus)).every() == ()


async def test_a_restart_tells_nothing_again_and_misses_no_end(bus: Bus, subjects: Subjects) -> None:
    """What was open before is in the bucket; what is not seen any more has ended meanwhile."""
    kept, gone = drift("kept"), drift("gone")
    first = Keeper(bus, subjects, builders.TestClock())
    await first.take(CLUSTER, {d.called: (d,) for d in (kept, gone)}, whole=True)
    again = Keeper(bus, subjects, builders.TestClock())
    await again.take(CLUSTER, {kept.called: (kept,)}, whole=True)
    assert await told(bus, subjects) == [FOUND, FOUND, ENDED]
    assert await (await Drifts.open(bus)).every() == (kept,)


async def test_the_same_drift_later_is_told_anew(bus: Bus, subjects: Subjects) -> None:
    clock, one = builders.TestClock(), drift()
    keeper = Keeper(bus, subjects, clock)
    for found in ((one,), (), (one,)):
        await keeper.take(CLUSTER, {one.called: found})
        clock.advance(seconds=1)
    assert await told(bus, subjects) == [FOUND, ENDED, FOUND]


async def test_another_cluster_says_nothing_of_ours(bus: Bus, subjects: Subjects) -> None:
    keeper, one = Keeper(bus, subjects, builders.TestClock()), drift()
    await keeper.take(CLUSTER, {one.called: (one,)}, whole=True)
    await keeper.take("us-1", {}, whole=True)
    assert await told(bus, subjects) == [FOUND]


def test_where_it_runs_is_placement_that_drifted() -> None:
    assert {m: m.event for m in Matter}[Matter.PLACEMENT] is EventType.PLACEMENT_DRIFTED
    assert all(m.event is EventType.CONFIG_DRIFTED for m in Matter if m is not Matter.PLACEMENT)


def test_people_of_a_tenant_see_their_own_only() -> None:
    node = drift(about=Thing(kind=ThingKind.NODE, id="eu-a1"), called="Node eu-a1", tenants=())
    found = (drift(), drift("other", tenants=(TenantId("tenant-b"),)), node)
    own = Sight(everything=False, tenants=frozenset({TenantId("tenant-a")}))
    assert [r["thing"] for r in drifting.rows(found, own)] == ["Deployment tenant-a/serve"]
    assert len(drifting.rows(found, Sight(everything=True))) == 3
    assert [r["name"] for r in drifting.rows(found, Sight(everything=True), "node", "eu-a1")] == ["eu-a1"]


def test_a_mind_asks_for_the_drift_of_a_thing() -> None:
    """And learns which node is missing from its rack, which no object says."""
    estate = builders.estate(nodes=builders.default_nodes()[1:], workloads=())
    catalogue = Catalogue(lambda: estate, MaskEngine(), lambda: (drift(),))
    (missing,) = catalogue.ask(DRIFT, DriftQuestion(node=builders.default_nodes()[0].id)).drifts
    assert (missing.basis, missing.path) == (Basis.FACTS, "")
    everything = catalogue.ask(DRIFT, DriftQuestion())
    assert {str(d.about) for d in everything.drifts} == {"workload/eu-1.tenant-a.deployment.serve", "node/eu-a1"}
    assert catalogue.call("drift", {"cluster": "us-1"})["total"] == 0


@asynccontextmanager
async def following(bench: Bench, bus: Bus, installation: InstallationId, *declared: Path) -> AsyncIterator[None]:
    """An inventory's writer over this cluster, and over files of what should be there."""
    source = KubernetesSource(bench.world.connection, CLUSTER, bench.world.facts, declared=declared)
    writer = Writer(bus, installation, "w", [source], builders.TestClock())
    running = asyncio.create_task(writer.run(b"{}", lambda _: bench.world.facts()))
    try:
        yield
    finally:
        if running.done():
            running.result()
        running.cancel()
        await asyncio.wait([running])


async def ours(bench: Bench, bus: Bus) -> list[Drift]:
    """The open drifts of this test's objects."""
    return [d for d in await (await Drifts.open(bus)).every() if d.namespace == bench.world.namespace]


@pytest.mark.kubernetes
async def test_a_followed_cluster_tells_what_drifts_and_when_it_ends(
    bench: Bench, bus: Bus, subjects: Subjects
) -> None:
    """By the watch of that one object; a writer that starts anew tells nothing twice."""
    await bench.placet(bench.of("PodDisruptionBudget"))
    await bench.kubectl(deployment(replicas=2))
    async with following(bench, bus, subjects.installation):
        await bench.write("Deployment", "serve", {"spec": {"replicas": 5}}, "kubectl", part="scale")
        (found,) = await until(lambda: ours(bench, bus), lambda seen: len(seen) == 1)
        assert (found.path, found.by and found.by.manager, found.observed) == ("spec.replicas", "kubectl", "5")
        assert found.tenants == (TenantId("tenant-a"),)
        await bench.world.ask("DELETE", bench.path("PodDisruptionBudget", "serve"))
        (gone, _) = await until(lambda: ours(bench, bus), lambda seen: len(seen) == 2)
        assert (gone.path, gone.restoring and gone.restoring.kind) == ("", "ApplyManifest")
        assert gone.restoring is not None
        await bench.placet(gone.restoring)
        await until(lambda: ours(bench, bus), lambda seen: len(seen) == 1)
    before = await told(bus, subjects)
    async with following(bench, bus, subjects.installation):
        await bench.write("Deployment", "serve", {"spec": {"replicas": 2}}, "kubectl", part="scale")
        await until(lambda: ours(bench, bus), lambda seen: not seen)
    after = await told(bus, subjects)
    assert after[: len(before)] == before
    assert [f for f in after[len(before) :] if not f[2]] == []


@pytest.mark.kubernetes
async def test_what_files_declare_is_told_where_the_cluster_is_otherwise(
    bench: Bench, bus: Bus, subjects: Subjects, tmp_path: Path
) -> None:
    """And whoever edits a file changes what is told."""
    await bench.create(deployment(replicas=2), "flux")
    body = deployment(replicas=2)
    body["metadata"]["namespace"] = bench.world.namespace
    other = deployment("missing")
    other["metadata"]["namespace"] = bench.world.namespace
    (tmp_path / "serve.json").write_text(json.dumps(body))
    (tmp_path / "missing.json").write_text(json.dumps(other))
    async with following(bench, bus, subjects.installation, tmp_path):
        (gone,) = await until(lambda: ours(bench, bus), lambda seen: len(seen) == 1)
        assert (gone.basis, gone.called) == (Basis.DECLARED, f"Deployment {bench.world.namespace}/missing")
        await bench.write("Deployment", "serve", {"spec": {"replicas": 5}}, "somebody")
        found = await until(lambda: ours(bench, bus), lambda seen: len(seen) == 2)
        (scaled,) = [d for d in found if d.path]
        assert (scaled.path, scaled.desired, scaled.by and scaled.by.manager) == ("spec.replicas", "2", "somebody")
        (tmp_path / "missing.json").unlink()
        (tmp_path / "serve.json").write_text(json.dumps(body | {"spec": body["spec"] | {"replicas": 5}}))
        await until(lambda: ours(bench, bus), lambda seen: not seen)


@pytest.mark.kubernetes
async def test_only_the_object_that_changed_is_compared(bench: Bench) -> None:
    """Flat: an event costs its one object, whatever else there is."""
    book = DriftBook(bench.setting)
    book.learn(bench.schemas)
    for number in range(50):
        body = json.loads(json.dumps(deployment(f"d{number}"))) | {"status": {}}
        body["metadata"] |= {
            "uid": f"u{number}",
            "namespace": "a",
            "annotations": {applied.ANNOTATION: '{"x":0}'},
        }
        book.put(resources.DEPLOYMENTS, body)
    assert not book.dirty
    body["metadata"]["annotations"] = {applied.ANNOTATION: '{"spec":{"replicas":9}}'}
    book.put(resources.DEPLOYMENTS, body)
    assert list(book.take()) == ["Deployment a/d49"]
    assert book.take() == {}
    body = json.loads(json.dumps(body)) | {"spec": {"replicas": 8}}
    body["metadata"]["generation"] = 2
    book.put(resources.DEPLOYMENTS, body)
    assert list(book.take()) == ["Deployment a/d49"]
    book.put(resources.DEPLOYMENTS, json.loads(json.dumps(body)) | {"status": {"replicas": 8}})
    assert not book.dirty


def test_an_event_of_the_inventory_names_a_channel_of_its_own() -> None:
    assert builders.event(channel=CHANNEL).channel == ChannelId("inventory")
    assert isinstance(builders.event(channel=CHANNEL), Event)
    assert ClusterId("eu-1") == CLUSTER
