"""Writer and followers must agree on every version, whoever comes late, dies, or is replaced."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from estate import neighbours
from estate.deltas import Delta
from estate.errors import RetryLater
from estate.ids import InstallationId, NodeId, WorkloadId
from estate.references import Ref
from estate.subjects import Subjects
from tests import builders
from tests import items as building
from tests.inventory.following import (
    ENVELOPE,
    QUICK,
    Connect,
    ListSource,
    change,
    running,
    send,
    small,
    until,
    until_stale,
    verify,
    version,
    whole,
    writer,
)
from tests.inventory.test_declarations import write as write_estate
from tools.bus.port import Bus, Conflict
from tools.inventory.declared import DeclaredSource
from tools.inventory.follower import Follower
from tools.inventory.port import Observed
from tools.inventory.writer import Pace, Writer


async def test_what_a_file_declares_reaches_every_follower_and_goes_when_it_leaves_the_file(
    bus: Bus, installation: InstallationId, subjects: Subjects, tmp_path: Path
) -> None:
    """From the edit of a file through folding, deltas and a whole estate to the neighbours that a process asks for."""
    path = write_estate(tmp_path / "e.yaml", building.item("region"), building.item("site"), building.item("row"))
    files = DeclaredSource((path,), builders.facts(), interval=timedelta(milliseconds=20))
    follower = Follower(bus, subjects, verify)
    writing = Writer(bus, installation, "w1", (small(), files), builders.TestClock(), QUICK)
    async with running(writing.run(ENVELOPE, verify), follower.run()):
        first = await follower.ready()
        assert {str(r) for r in neighbours.domains(first, Ref("row", "eu-row-1"))} == {
            "site/eu-de",
            "region/eu-central",
        }
        write_estate(path, building.item("region"), building.item("site"))
        after = await until(follower.newest, lambda e: e.stock.get(Ref("row", "eu-row-1")) is None)
        late = Follower(bus, subjects, verify)
        async with running(late.run()):
            assert (await late.reached(after.version)).stock == after.stock
    assert len(after.stock) == 2


async def test_a_follower_sees_what_the_writer_folded(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    source, follower = small(), Follower(bus, subjects, verify)
    async with running(writer(bus, installation, source).run(ENVELOPE, verify), follower.run()):
        first = await follower.ready()
        assert first.version.sequence == 1
        assert tuple(first.workloads()) == builders.default_workloads()
        await source.later.put(Observed(source="s", nodes=(builders.node("eu-a1", cordoned=True),)))
        await source.later.put(Observed(source="s", removed_workloads=(WorkloadId("b-train"),)))
        third = await follower.reached(first.version.model_copy(update={"sequence": 3}))
        node = third.node(NodeId("eu-a1"))
        assert node is not None
        assert node.cordoned
        assert third.workload(WorkloadId("b-train")) is None
        assert third.rack_watts(builders.rack("eu-a").id) == 4 * builders.IDLE + 4 * builders.PER_ACCELERATOR


async def test_what_was_known_at_a_recent_version_is_known_again(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    """Whoever asks why a decision was made must see what it saw, not what is known since."""
    source, follower = small(), Follower(bus, subjects, verify)
    async with running(writer(bus, installation, source).run(ENVELOPE, verify), follower.run()):
        first = await follower.ready()
        for cordoned in (True, False, True):
            await source.later.put(Observed(source="s", nodes=(builders.node("eu-a1", cordoned=cordoned),)))
        await follower.reached(first.version.model_copy(update={"sequence": 4}))
        known = [follower.as_of(first.version.model_copy(update={"sequence": n})) for n in (1, 2, 3, 4)]
        assert [e and (n := e.node(NodeId("eu-a1"))) and n.cordoned for e in known] == [False, True, False, True]
        assert follower.as_of(first.version.model_copy(update={"epoch": 99})) is None


async def test_what_did_not_change_gets_no_version(bus: Bus, installation: InstallationId, subjects: Subjects) -> None:
    source, follower = small(), Follower(bus, subjects, verify)
    async with running(writer(bus, installation, source).run(ENVELOPE, verify), follower.run()):
        first = await follower.ready()
        await source.later.put(Observed(source="s", nodes=builders.default_nodes()))
        await source.later.put(Observed(source="s", nodes=(builders.node("eu-a1", cordoned=True),)))
        await until(follower.newest, lambda e: e is not first)
        assert follower.newest().version.sequence == 2


async def test_a_late_follower_and_an_early_one_have_the_same_estate(
    connect: Connect, installation: InstallationId, subjects: Subjects
) -> None:
    bus, source = await connect(), small()
    pace = Pace(whole_every=3)
    early = Follower(bus, subjects, verify)
    async with running(writer(bus, installation, source, pace=pace).run(ENVELOPE, verify), early.run()):
        for number in range(8):
            node = builders.node("eu-a1", boot_id=f"boot-{number}")
            await source.later.put(Observed(source="s", nodes=(node,)))
        there = await until(early.newest, lambda e: e.version.sequence == 9)
        late = Follower(await connect(), subjects, verify)
        async with running(late.run()):
            found = await late.reached(there.version)
            assert tuple(found.nodes()) == tuple(there.nodes())
            assert found.version == there.version
            assert late.stale is None


async def test_nothing_is_published_before_every_source_showed_all(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    """A snapshot that lacks a cluster would look like free racks."""
    half, follower = small(), Follower(bus, subjects, verify)
    slow = ListSource(Observed(source="slow"))
    async with running(writer(bus, installation, half, slow).run(ENVELOPE, verify), follower.run()):
        await asyncio.sleep(0.2)
        with pytest.raises(RetryLater, match="inventory writer"):
            follower.newest()
        await slow.later.put(Observed(source="slow", nodes=(builders.node("eu-x1"),), whole=True))
        assert (await follower.ready()).node(NodeId("eu-x1")) is not None


async def test_a_source_that_comes_back_forgets_what_it_no_longer_sees(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    source, other = small(), ListSource(Observed(source="o", nodes=(builders.node("eu-x1"),), whole=True))
    follower = Follower(bus, subjects, verify)
    pace = Pace(rewatch=timedelta(0))
    async with running(writer(bus, installation, source, other, pace=pace).run(ENVELOPE, verify), follower.run()):
        await follower.ready()
        source.first = Observed(source="s", nodes=builders.default_nodes()[1:], whole=True)
        await source.later.put(RetryLater("connection lost"))
        found = await until(follower.newest, lambda e: e.node(NodeId("eu-a1")) is None)
        assert found.node(NodeId("eu-x1")) is not None
        assert not list(found.workloads())


async def test_two_sources_that_claim_one_thing_are_never_merged(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    source, follower = small(), Follower(bus, subjects, verify)
    claim = ListSource(
        Observed(source="z", nodes=(builders.node("eu-a1", uid="other"), builders.node("eu-x1")), whole=True)
    )
    async with running(writer(bus, installation, source).run(ENVELOPE, verify), follower.run()):
        await follower.ready()
    async with running(writer(bus, installation, source, claim).run(ENVELOPE, verify), follower.run()):
        found = await until(follower.newest, lambda e: e.node(NodeId("eu-x1")) is not None)
        node = found.node(NodeId("eu-a1"))
        assert node is not None
        assert node.uid == "uid-eu-a1"


async def test_newer_facts_reach_followers_and_forged_ones_do_not(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    follower, source = Follower(bus, subjects, verify), small()
    made = writer(bus, installation, source)
    async with running(made.run(ENVELOPE, verify), follower.run()):
        await follower.ready()
        await made.renew_facts(builders.facts(version=7, author="mallory").canonical())
        await made.renew_facts(builders.facts(version=2).canonical())
        await until(follower.newest, lambda e: e.facts.version == 2)
        assert follower.newest().version.sequence == 2


async def test_a_follower_refuses_facts_that_do_not_verify(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    """A writer that was taken over cannot change the law of the gate's own copy."""
    follower = Follower(bus, subjects, verify)
    async with running(follower.run()):
        await send(bus, subjects, whole(installation, 1))
        first = await follower.ready()
        forged = builders.facts(author="mallory").canonical().decode()
        await send(bus, subjects, Delta(version=version(installation, 2), at=builders.START, facts_envelope=forged))
        await until_stale(follower)
        assert follower.newest() is first


async def test_a_gap_is_an_alarm_and_the_next_whole_heals_it(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    follower = Follower(bus, subjects, verify)
    async with running(follower.run()):
        await send(bus, subjects, whole(installation, 1))
        await send(bus, subjects, change(installation, 3, builders.node("eu-a1", cordoned=True)))
        await until_stale(follower)
        assert "gap" in follower.stale
        assert follower.newest().version.sequence == 1
        await send(bus, subjects, whole(installation, 4))
        await follower.reached(version(installation, 4))
        assert follower.stale is None


async def test_no_alarm_lets_an_older_estate_back_in(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    """After a gap the follower takes whole estates again: a replayed one, or another installation's, is not it."""
    follower = Follower(bus, subjects, verify)
    async with running(follower.run()):
        await send(bus, subjects, whole(installation, 5))
        await send(bus, subjects, change(installation, 9, builders.node("eu-a1", cordoned=True)))
        await until_stale(follower)
        await send(bus, subjects, whole(installation, 4, nodes=(), workloads=()))
        await send(bus, subjects, whole(InstallationId("other"), 10, nodes=(), workloads=()))
        await send(bus, subjects, whole(installation, 9))
        found = await follower.reached(version(installation, 9))
        assert len(list(found.nodes())) == len(builders.default_nodes())
        assert found.version.installation == installation


async def test_an_ended_epoch_is_refused_even_with_a_higher_number(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    follower = Follower(bus, subjects, verify)
    async with running(follower.run()):
        await send(bus, subjects, whole(installation, 1, epoch=5))
        await follower.ready()
        await send(bus, subjects, whole(installation, 99, epoch=4, nodes=()))
        await send(bus, subjects, change(installation, 2, builders.node("eu-x1"), epoch=5))
        found = await follower.reached(version(installation, 2, epoch=5))
        assert len(list(found.nodes())) == 17


async def test_an_unreadable_delta_is_an_alarm_and_not_the_end(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    follower = Follower(bus, subjects, verify)
    async with running(follower.run()):
        await bus.publish(subjects.delta(), b'{"kind": "placet.delta", "v": 9}', message_id="newer")
        await bus.publish(subjects.delta(), b"not json", message_id="junk")
        await send(bus, subjects, whole(installation, 1))
        await follower.ready()
        assert follower.stale is None


async def test_a_second_writer_waits_and_takes_over_with_a_higher_epoch(
    connect: Connect, installation: InstallationId, subjects: Subjects
) -> None:
    follower = Follower(await connect(), subjects, verify)
    one, two = (
        writer(await connect(), installation, small()),
        writer(await connect(), installation, small(), holder="w2"),
    )
    async with running(follower.run(), two.run(ENVELOPE, verify)):
        first = await follower.ready()
        async with running(one.run(ENVELOPE, verify)):
            await asyncio.sleep(0.3)
            assert follower.newest().version.epoch == first.version.epoch
    async with running(follower.run(), one.run(ENVELOPE, verify)):
        found = await until(follower.newest, lambda e: e.version.epoch > first.version.epoch)
        assert found.version.sequence == 1


async def test_a_writer_that_lost_its_lease_stops(bus: Bus, installation: InstallationId) -> None:
    run = asyncio.ensure_future(writer(bus, installation, small()).run(ENVELOPE, verify))
    await asyncio.sleep(0.1)
    bucket = await bus.bucket("leases")
    async with asyncio.timeout(10):
        while not run.done():
            await bucket.put("inventory-writer", b'{"holder": "thief", "kind": "placet.lease", "token": 0, "v": 1}')
            await asyncio.sleep(0.05)
    with pytest.raises(Conflict, match="another inventory writer"):
        run.result()


async def test_a_whole_estate_larger_than_a_message_arrives_whole(
    bus: Bus, installation: InstallationId, subjects: Subjects
) -> None:
    """Two hundred nodes are about 400 kB; no follower may see a part of them."""
    nodes = tuple(builders.node(f"eu-big{n}") for n in range(200))
    source = ListSource(Observed(source="s", nodes=nodes, whole=True))
    follower = Follower(bus, subjects, verify)
    sizes = set()

    async def look() -> None:
        while True:
            with suppress(RetryLater):
                sizes.add(len(list(follower.newest().nodes())))
            await asyncio.sleep(0)

    async with running(look(), follower.run(), writer(bus, installation, source).run(ENVELOPE, verify)):
        assert tuple((await follower.ready()).nodes()) == tuple(sorted(nodes, key=lambda n: n.id))
        await asyncio.sleep(0)
    assert sizes <= {200}
