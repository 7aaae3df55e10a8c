"""A twin world must do what a cluster does for an executor: write once, refuse honestly, survive, and be watched."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from estate.changes import CordonNode, DrainNode, MoveWorkload, ReplicaMove, SetPowerCap, UncordonNode
from estate.errors import BadInput, NewerRecord, RetryLater
from estate.hardware import Health
from estate.ids import NodeId, WorkloadId
from estate.results import Refusal, RefusalCode
from estate.units import Watts
from tests import builders
from tools.twin.seed import seed
from tools.twin.world import World

EU_A1 = NodeId("eu-a1")
CORDON = CordonNode(node=EU_A1)


async def test_a_seeded_world_is_the_small_estate(world: World) -> None:
    found, expected = await world.snapshot(), builders.estate()
    assert tuple(found.nodes()) == tuple(expected.nodes())
    assert tuple(found.workloads()) == tuple(expected.workloads())


async def test_a_world_that_has_begun_is_not_seeded_again(world: World) -> None:
    await world.stop_workload(WorkloadId("a-serve"))
    assert not await seed(world, builders.world())
    assert (await world.snapshot()).workload(WorkloadId("a-serve")) is None


async def test_apply_writes_what_effect_says(world: World) -> None:
    (step,) = builders.steps(CORDON)
    assert await world.apply("k", step.change, step.preconditions) is None
    assert await world.check(step.postconditions) == ()


async def test_a_repeated_key_changes_nothing(world: World) -> None:
    await world.apply("k", CORDON, ())
    await world.apply("undo", UncordonNode(node=EU_A1), ())
    assert await world.apply("k", CORDON, builders.steps(CORDON)[0].postconditions) is None
    node = (await world.snapshot()).node(EU_A1)
    assert node is not None
    assert not node.cordoned


async def test_eight_racing_applies_of_one_key_write_once(world: World) -> None:
    before = (await world.changes()).revision
    ends = await asyncio.gather(*(world.apply("k", SetPowerCap(node=EU_A1, watts=Watts(5000)), ()) for _ in range(8)))
    assert ends == [None] * 8
    assert (await world.changes()).revision == before + 1


async def test_a_precondition_that_no_longer_holds_refuses_with_what_was_found(world: World) -> None:
    (step,) = builders.steps(CORDON)
    await world.set_node(builders.node("eu-a1", cordoned=True))
    refusal = await world.apply("k", step.change, step.preconditions)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.PRECONDITION_FAILED
    assert "`True`" in refusal.message


async def test_a_replaced_thing_is_told_apart_from_a_changed_one(world: World) -> None:
    (step,) = builders.steps(CORDON)
    await world.set_node(builders.node("eu-a1", uid="another"))
    refusal = await world.apply("k", step.change, step.preconditions)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.UID_CHANGED


async def test_an_injected_fault_meets_the_write_and_not_the_dry_run(world: World) -> None:
    await world.inject("node/eu-a1", "CordonNode", "no space left on the control plane", times=2)
    assert await world.dry_run([CORDON]) is None
    for _ in range(2):
        refusal = await world.apply("k", CORDON, ())
        assert isinstance(refusal, Refusal)
        assert refusal.code is RefusalCode.FAULT
    assert await world.apply("k", CORDON, ()) is None


async def test_a_passing_fault_is_raised_as_retry_later_and_passes(world: World) -> None:
    await world.inject("node/eu-a1", "CordonNode", "connection reset", passing=True)
    with pytest.raises(RetryLater, match="connection reset"):
        await world.apply("k", CORDON, ())
    assert await world.apply("k", CORDON, ()) is None


async def test_a_fault_of_another_kind_or_thing_does_not_meet_the_write(world: World) -> None:
    await world.inject("node/eu-a2", "CordonNode", "no")
    await world.inject("node/eu-a1", "UncordonNode", "no")
    assert await world.apply("k", CORDON, ()) is None


async def test_a_dry_run_plays_the_changes_on_each_other_and_writes_nothing(world: World) -> None:
    move = MoveWorkload(
        workload=WorkloadId("a-serve"),
        moves=(ReplicaMove(replica=0, source=EU_A1, target=NodeId("eu-a3"), accelerators=(0, 1)),),
    )
    before = (await world.changes()).revision
    assert await world.dry_run([move]) is None
    refusal = await world.dry_run([CordonNode(node=NodeId("eu-a3")), move])
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.NO_CAPACITY
    assert (await world.changes()).revision == before


async def test_one_process_sees_what_another_wrote(world: World, world_file: Path) -> None:
    other = await World.open(world_file, builders.facts())
    await other.fail_accelerator(EU_A1, 3)
    node = (await world.snapshot()).node(EU_A1)
    assert node is not None
    assert node.accelerators[3].health is Health.FAILED
    await other.close()


async def test_a_world_is_whole_after_its_process_was_killed(world: World, world_file: Path) -> None:
    """The child applies a change and dies by SIGKILL at once: what was answered must be there."""
    await world.close()
    program = (
        "import asyncio, os, signal, sys; from pathlib import Path\n"
        "from tests import builders; from tools.twin.world import World\n"
        "from estate.changes import CordonNode\n"
        "async def main():\n"
        "    world = await World.open(Path(sys.argv[1]), builders.facts())\n"
        "    assert await world.apply('k', CordonNode(node='eu-a1'), ()) is None\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program, str(world_file)], check=False)
    assert ended.returncode == -9
    again = await World.open(world_file, builders.facts())
    node = (await again.snapshot()).node(EU_A1)
    assert node is not None
    assert node.cordoned
    assert await again.apply("k", CORDON, builders.steps(CORDON)[0].preconditions) is None
    await again.close()


async def test_a_watch_begins_with_everything_and_follows_each_change(world: World) -> None:
    watch = world.watch(every=0.01)
    first = await anext(watch)
    assert {n.id for n in first.nodes} == {n.id for n in builders.default_nodes()}
    await world.start_workload(builders.workload("a-new"))
    await world.stop_workload(WorkloadId("b-train"))
    seen = [await anext(watch)]
    while seen[-1].revision < (await world.changes()).revision:
        seen.append(await anext(watch))
    assert [w.id for s in seen for w in s.workloads] == ["a-new"]
    assert [w for s in seen for w in s.removed_workloads] == ["b-train"]
    await watch.aclose()


async def test_a_watch_after_a_revision_leaves_out_what_was_before(world: World) -> None:
    now = (await world.changes()).revision
    await world.remove_node(NodeId("us-b4"))
    found = await world.changes(after=now)
    assert (found.nodes, found.removed_nodes) == ((), (NodeId("us-b4"),))


async def test_a_device_that_is_not_there_cannot_fail(world: World) -> None:
    with pytest.raises(BadInput, match="no accelerator 8"):
        await world.fail_accelerator(EU_A1, 8)


async def test_a_file_that_is_no_world_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"these are not the objects you are looking for" * 100)
    with pytest.raises(BadInput, match=r"notes\.txt"):
        await World.open(path, builders.facts())


async def test_a_world_of_a_newer_format_is_left_alone(world_file: Path, world: World) -> None:
    await world.close()
    with sqlite3.connect(world_file) as db:
        db.execute("UPDATE meta SET value = 2 WHERE key = 'format'")
    db.close()
    with pytest.raises(NewerRecord, match="format 2"):
        await World.open(world_file, builders.facts())


async def test_of_many_that_open_one_new_world_one_seeds_it(tmp_path: Path) -> None:
    """Processes apart start together on a fresh state directory; what one has changed, no other may seed over."""
    for attempt in range(10):
        path = tmp_path / f"{attempt}.sqlite"
        worlds = await asyncio.gather(*(World.open(path, builders.facts()) for _ in range(6)))
        seeded = await asyncio.gather(*(seed(world, builders.world()) for world in worlds))
        assert seeded.count(True) == 1
        assert (await worlds[0].changes()).revision == 1
        await asyncio.gather(*(world.close() for world in worlds))


async def test_a_drain_stores_the_node_and_everything_that_it_emptied(world: World) -> None:
    """Another process reads the world from its file: what was not stored would run there for ever."""
    (step,) = builders.steps(DrainNode(node=EU_A1))
    before = (await world.changes()).revision
    assert await world.apply("k", step.change, step.preconditions) is None
    assert await world.check(step.postconditions) == ()
    stored = await world.changes(before)
    assert [n.id for n in stored.nodes] == ["eu-a1"]
    assert {w.id: len(w.bindings) for w in stored.workloads} == {"a-serve": 1, "b-train": 1}


async def test_a_drain_evicts_nobody_who_came_since_it_was_decided(world: World) -> None:
    (step,) = builders.steps(DrainNode(node=EU_A1))
    await world.start_workload(builders.workload("new", replicas=1, bindings=(builders.binding(0, "eu-a1", 2, 3),)))
    refusal = await world.apply("k", step.change, step.preconditions)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.PRECONDITION_FAILED
    assert "`3 bound` where the decision read `2 bound`" in refusal.message, "and not whose they are"
