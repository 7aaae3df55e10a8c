"""Sources that refuse or show nothing: nobody waits for ever, and what they would have shown is not taken for free."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from estate.errors import Denied, RetryLater
from estate.hardware import Health
from estate.ids import ClusterId, InstallationId, NodeId
from estate.subjects import Subjects
from estate.verdicts import Dimension
from policies import kernel
from policies.questions import Matter
from tests import builders
from tests.inventory.following import (
    ENVELOPE,
    ListSource,
    running,
    small,
    until,
    verify,
    writer,
)
from tests.policies import asking
from tools.bus.port import Bus
from tools.inventory.follower import Follower
from tools.inventory.port import Observed
from tools.inventory.writer import Pace


async def test_a_source_that_refuses_us_blinds_nobody_to_the_others(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    """Credentials of one cluster expire: the other's changes are still seen, and the first comes back by itself."""
    source, other = small(), ListSource(Observed(source="o", nodes=(builders.node("eu-x1"),), whole=True))
    follower, pace = Follower(bus, subjects, verify), Pace(refused=timedelta(milliseconds=50))
    async with running(writer(bus, installation, source, other, pace=pace).run(ENVELOPE, verify), follower.run()):
        await follower.ready()
        await source.later.put(Denied("these credentials have expired"))
        await other.later.put(Observed(source="o", nodes=(builders.node("eu-x2"),)))
        found = await until(follower.newest, lambda e: e.node(NodeId("eu-x2")) is not None)
        assert found.node(NodeId("eu-a1")) is not None, "what it saw before is kept"
        source.first = Observed(source="s", nodes=builders.default_nodes()[1:], whole=True)
        await source.later.put(Denied("once more"))
        await until(follower.newest, lambda e: e.node(NodeId("eu-a1")) is None)


LATE = Pace(lease=timedelta(milliseconds=600), all_within=timedelta(milliseconds=300))
US = ClusterId("us-1")


def of(*nodes: str, cluster: str) -> Observed:
    return Observed(source=f"kubernetes/{cluster}", nodes=tuple(builders.node(n) for n in nodes), whole=True)


async def test_a_cluster_that_shows_nothing_keeps_nobody_waiting_for_ever_and_holds_its_racks(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    """What others show is published; of the silent one every node that facts place is there, unknown, and taken.

    Once it shows itself nothing is assumed any more, and at no version in between did a rack of its own look free.
    """
    eu, us = ListSource(of("eu-a1", cluster="eu-1"), ClusterId("eu-1")), ListSource(None, US)
    follower = Follower(bus, subjects, verify)
    async with running(writer(bus, installation, eu, us, pace=LATE).run(ENVELOPE, verify), follower.run()):
        first = await follower.ready()
        silent = {n.id for n in first.nodes() if n.cluster == US}
        assert silent == {n for r in ("us-a", "us-b") for n in builders.rack(r).nodes}
        assert {n.health for n in first.nodes() if n.cluster == US} == {Health.UNKNOWN}
        assert all(w.tenant not in first.facts.tenant for n in silent for w in first.workloads_on(n))
        assert all(first.workloads_on(n) for n in silent)
        node = first.node(NodeId("eu-a1"))
        assert node is not None
        assert node.health is Health.HEALTHY

        await us.later.put(of("us-a1", cluster="us-1"))
        found = await until(follower.newest, lambda e: not list(e.workloads()))
        assert {n.id for n in found.nodes()} == {NodeId("eu-a1"), NodeId("us-a1")}


async def test_no_tenant_is_placed_in_a_rack_that_a_silent_cluster_shares(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    """Also on the nodes of it that are seen, and whatever isolation the tenant has: nobody knows who stands beside."""
    eu_1, us_1 = builders.facts().clusters
    shared = builders.rack("eu-a", nodes=(NodeId("eu-1.n1"), NodeId("us-1.n2")))
    other = builders.rack("eu-b", nodes=(NodeId("eu-1.n3"),))
    neighbour = us_1.model_copy(update={"site": eu_1.site})
    law = builders.facts(clusters=(eu_1, neighbour), racks=(shared, other))
    nodes = tuple(builders.node(n, cluster=eu_1.id) for n in ("eu-1.n1", "eu-1.n3"))
    eu = ListSource(Observed(source="kubernetes/eu-1", nodes=nodes, whole=True), eu_1.id)
    follower = Follower(bus, subjects, verify)
    work = builders.workload("work", tenant="tenant-c", contract=builders.contract(1), replicas=1)
    late = writer(bus, installation, eu, ListSource(None, US), pace=LATE)
    async with running(late.run(law.canonical(), verify), follower.run()):
        estate = (await follower.ready()).with_workload(work)
        for node, lawful in (("eu-1.n1", False), ("eu-1.n3", True)):
            proposed = builders.proposal(asking.move("work", (0, None, node, (0,))), on=estate)
            failed = asking.dimensions(asking.verdict(asking.move("work", (0, None, node, (0,))), on=estate))
            objections = kernel.objections(
                Matter.of(proposed, mandate=asking.mandate_of(proposed)), estate, (), builders.START
            )
            assert (Dimension.TENANT not in failed) == lawful == (not objections)


async def test_what_is_assumed_of_a_cluster_gives_way_to_whoever_sees_it(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    """A bare name of one site may be either cluster's: the one that shows it has it."""
    eu_1, us_1 = builders.facts().clusters
    second = us_1.model_copy(update={"id": ClusterId("eu-2"), "uid": "uid-eu-2", "site": eu_1.site})
    law = builders.facts(clusters=(eu_1, second, us_1))
    eu = ListSource(of("eu-a1", cluster="eu-1"), eu_1.id)
    follower = Follower(bus, subjects, verify)
    late = writer(bus, installation, eu, ListSource(None, second.id), pace=LATE)
    async with running(late.run(law.canonical(), verify), follower.run()):
        first = await follower.ready()
        node = first.node(NodeId("eu-a1"))
        assert node is not None
        assert node.health is Health.HEALTHY
        await eu.later.put(Observed(source="kubernetes/eu-1", nodes=(builders.node("eu-a2"),)))
        await until(follower.newest, lambda e: (n := e.node(NodeId("eu-a2"))) is not None and n.uid == "uid-eu-a2")


async def test_where_nobody_has_shown_anything_nothing_is_published(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    """Late as it is, an estate of nothing but assumptions helps nobody; the first that shows itself begins it."""
    eu, us = ListSource(None, ClusterId("eu-1")), ListSource(None, US)
    follower = Follower(bus, subjects, verify)
    async with running(writer(bus, installation, eu, us, pace=LATE).run(ENVELOPE, verify), follower.run()):
        await asyncio.sleep(0.6)
        with pytest.raises(RetryLater):
            follower.newest()
        await eu.later.put(of("eu-a1", cluster="eu-1"))
        first = await follower.ready()
        assert {n.cluster for n in first.nodes() if n.health is Health.UNKNOWN} == {US}
