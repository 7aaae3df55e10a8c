"""What the agents' workers say of themselves becomes components of the estate, for as long as they say it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

from agents.presence import Presence
from estate.ids import ComponentId
from estate.subjects import Subjects
from estate.uses.running import ComponentSort, Maker
from estate.workers import WorkerPresence
from tests import builders
from tools.bus.memory import MemoryBroker
from tools.bus.port import Bus
from tools.inventory.port import Observed
from tools.inventory.workers import BUCKET, SILENT, WorkersSource, components

AGENT, TOOL = builders.maker("agent"), builders.maker("place", ComponentSort.TOOL)


def presence(*runs: Maker, worker: str = "w-1", agent: str = "agent") -> WorkerPresence:
    return WorkerPresence(
        installation=builders.INSTALLATION,
        agent=ComponentId(agent),
        worker=worker,
        at=builders.START,
        runs=runs,
    )


def told(seen: Observed) -> list[tuple[str, tuple[str, ...]]]:
    return [(str(i.ref), getattr(i, "told_by", ())) for i in seen.items]


async def say(bus: Bus, key: str, said: WorkerPresence) -> None:
    bucket = await bus.bucket(BUCKET)
    await bucket.put(key, said.canonical())


def test_an_old_and_a_new_release_of_one_component_are_two_things() -> None:
    newer = AGENT.model_copy(update={"content": TOOL.content})
    found = components([presence(AGENT, TOOL), presence(newer, TOOL, worker="w-2")])
    assert [(c.name, c.content) for c in found if c.sort is ComponentSort.AGENT] == [
        (AGENT.id, c) for c in sorted([str(AGENT.content), str(TOOL.content)])
    ]
    assert len(found) == 3
    assert {c.told_by for c in found} == {("agent",)}


async def test_what_a_worker_runs_is_there_until_it_leaves_or_falls_silent(memory_broker: MemoryBroker) -> None:
    bus, hands = memory_broker.connect(Subjects(builders.INSTALLATION)), [0.0]
    source = WorkersSource(bus, interval=timedelta(milliseconds=5), now=lambda: hands[0])
    working = Presence(bus, builders.INSTALLATION, ComponentId("agent"), "w-1", (AGENT,), lambda: builders.START)
    async with aclosing(source.watch()) as seen, asyncio.timeout(10):
        assert told(await anext(seen)) == []
        beating = asyncio.create_task(working.keep_telling())
        ((ref, by),) = told(await anext(seen))
        assert (ref.startswith("component/agent-"), by) == (True, ("agent",))
        beating.cancel()
        assert told(await anext(seen)) == [], "it took its leave"
        await say(bus, "agent.w-2", presence(AGENT, worker="w-2"))
        assert len(told(await anext(seen))) == 1
        hands[0] += SILENT.total_seconds()
        assert told(await anext(seen)) == [], "it said nothing for too long"


async def test_nobody_speaks_for_another_agent_and_what_is_no_word_is_passed_over(memory_broker: MemoryBroker) -> None:
    bus = memory_broker.connect(Subjects(builders.INSTALLATION))
    await say(bus, "agent.w-1", presence(AGENT, agent="other"))
    await (await bus.bucket(BUCKET)).put("agent.w-2", b"{}")
    await say(bus, "agent.w-3", presence(TOOL))
    async with aclosing(WorkersSource(bus).watch()) as seen:
        assert [ref for ref, _ in told(await anext(seen))] == [str(c.ref) for c in components([presence(TOOL)])]
