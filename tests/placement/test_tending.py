"""Who tends an engine keeps its board with the estate, and all engines of an installation expect one thing."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from datetime import timedelta

import pytest

from estate.frozen import FrozenEstate
from estate.snapshots import Snapshot
from tests import builders
from tests.placement import estates
from tools.bus.port import Bus
from tools.placement.engine import LARGE, MaskEngine
from tools.placement.online import outlooks
from tools.placement.online.outlooks import UNTOLD, Outlook
from tools.placement.online.publishing import BUCKET, Outlooks, PublishedOutlook
from tools.placement.port import Ask
from tools.placement.tending import Pace, tend

AT_ONCE = Pace(following=timedelta(milliseconds=5), first=timedelta(0), looking=timedelta(0))
W = "w0"
pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("packing"), pytest.mark.timeout(400)]


class Failing(MaskEngine):
    """One whose first look ends in an error."""

    looked = 0

    def foresee(self, snapshot: Snapshot) -> Outlook:
        self.looked += 1
        if self.looked == 1:
            raise RuntimeError("the compiler is not there")
        return super().foresee(snapshot)


def large() -> FrozenEstate:
    """Facts of a fleet that is worth a board, most of which nobody has seen."""
    names = (*estates.NAMES, *(f"unseen-{n}" for n in range(LARGE)))
    racks = (builders.rack("eu-a", nodes=names, power_budget_watts=10**6),)
    running = builders.workload("w1", replicas=1, bindings=(builders.binding(0, "eu-a1", 0),))
    return builders.estate(
        law_base=builders.facts(racks=racks, datasets=()),
        nodes=[builders.node(n, accelerators=size) for n, size in zip(estates.NAMES, (8, 4, 2, 4, 8), strict=False)],
        workloads=(running, builders.workload(W, replicas=1)),
    )


async def until(true: Callable[[], bool]) -> None:
    """Wait for what other tasks bring about."""
    async with asyncio.timeout(300):
        while not true():  # noqa: ASYNC110 - it is somebody else's doing
            await asyncio.sleep(0.005)


async def test_what_one_has_seen_all_expect_and_a_look_that_fails_is_made_again(nats_bus: Bus) -> None:
    estate, ask = large(), Ask(builders.workload(W).id, (0,))
    first, second, door = Failing(), MaskEngine(), MaskEngine()
    shared = await Outlooks.open(nats_bus)

    async def hear() -> None:
        async for foretold in shared.followed():
            door.expect(foretold.outlook)

    async with asyncio.TaskGroup() as tasks:
        tended = [tasks.create_task(tend(e, lambda: estate, shared, AT_ONCE)) for e in (first, second)]
        tended.append(tasks.create_task(hear()))
        await until(lambda: all(e.outlook is not UNTOLD and not e.due(estate) for e in (first, second)))
        await until(lambda: door.outlook is not UNTOLD)
        for task in tended:
            task.cancel()
    assert first.looked >= 1
    said = {PublishedOutlook.of(e.outlook, estate.version).digest for e in (first, second, door)}
    assert len(said) == 1, "one outlook"
    homes = door.seats(estate, ask)
    assert homes is not None
    assert first.seats(estate, ask) == second.seats(estate, ask) == homes


async def test_of_two_who_look_at_once_the_first_is_right(nats_bus: Bus) -> None:
    shared, seen = await Outlooks.open(nats_bus), builders.version()
    outlook = Outlook(outlooks.counted(large(), [n.id for n in large().nodes()]))
    assert await shared.publish(outlook, seen, 0)
    assert not await shared.publish(UNTOLD, seen, 0)
    found = await anext(shared.followed())
    assert (found.outlook.expected[0].need, found.seen) == (outlook.expected[0].need, seen)
    assert await shared.publish(UNTOLD, builders.version(2), found.revision)
    assert (await anext(shared.followed())).seen == builders.version(2)


async def test_what_is_no_outlook_is_passed_over(nats_bus: Bus) -> None:
    bucket, shared = await nats_bus.bucket(BUCKET), await Outlooks.open(nats_bus)
    heard = []

    async def hear() -> None:
        heard.extend([await anext(shared.followed())])

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hear())
        wrong = PublishedOutlook.of(UNTOLD, builders.version()).json_form() | {"strains": "x", "strain_rows": "x"}
        for value in (b"", b"no record", zlib.compress(b"{}"), zlib.compress(str(wrong).encode())):
            await bucket.put("newest", value)
        await bucket.put("newest", zlib.compress(PublishedOutlook.of(UNTOLD, builders.version(3)).canonical()))
    assert heard[0].seen == builders.version(3)
