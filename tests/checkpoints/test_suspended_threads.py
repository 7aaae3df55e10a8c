"""Threads that wait for a person: they outlive the process, and of two who resume one, one goes on."""

from __future__ import annotations

import asyncio
import json
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt

from agents.checkpoints.port import Address, Fenced, Held, Shelf
from agents.checkpoints.savers import PlacetSaver
from estate.errors import BadInput


class State(TypedDict, total=False):
    plan: str
    answer: str
    done: bool


class Wide(TypedDict):
    seen: Annotated[list[str], operator.add]


class Effects:
    """What nodes did to the world."""

    def __init__(self) -> None:
        self.done: list[str] = []


class Together:
    """A shelf of one of several processes, each of which has read before any goes on: they run at one time for sure."""

    def __init__(self, shelf: Shelf, met: asyncio.Barrier) -> None:
        self._shelf, self._met, self._waits = shelf, met, True
        self.save, self.delete, self.addresses = shelf.save, shelf.delete, shelf.addresses

    async def load(self, address: Address) -> Held | None:
        held = await self._shelf.load(address)
        if self._waits:
            self._waits = False
            await self._met.wait()
        return held


def two(shelf: Shelf) -> list[Shelf]:
    """The shelf as two processes have it."""
    met = asyncio.Barrier(2)
    return [Together(shelf, met) for _ in range(2)]


def graph_of(shelf: Shelf, effects: Effects, **settings: Any) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Plans, waits for a person, acts."""

    async def plan(_: State) -> State:
        return {"plan": "drain"}

    async def ask(_: State) -> State:
        return {"answer": interrupt({"question": "drain?"})}

    async def act(state: State) -> State:
        await asyncio.sleep(0.02)
        effects.done.append(state["answer"])
        return {"done": True}

    graph = StateGraph(State)
    graph.add_node("plan", plan)
    graph.add_node("ask", ask)
    graph.add_node("act", act)
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "ask")
    graph.add_edge("ask", "act")
    graph.add_edge("act", END)
    return graph.compile(checkpointer=PlacetSaver(shelf, **settings))


def thread(name: str = "incident-1.v1") -> RunnableConfig:
    return {"configurable": {"thread_id": name}}


async def test_a_suspended_thread_is_resumed_by_a_process_that_never_saw_it(shelf: Shelf):
    effects = Effects()
    await graph_of(shelf, effects).ainvoke({}, thread(), durability="sync")
    fresh = graph_of(shelf, effects)
    state = await fresh.aget_state(thread())
    assert [task.name for task in state.tasks] == ["ask"]
    assert state.tasks[0].interrupts[0].value == {"question": "drain?"}
    result = await fresh.ainvoke(Command(resume="yes"), thread(), durability="sync")
    assert result == {"plan": "drain", "answer": "yes", "done": True}
    assert effects.done == ["yes"]
    assert not (await fresh.aget_state(thread())).tasks


async def test_of_two_processes_that_resume_one_approval_exactly_one_goes_on(shelf: Shelf):
    effects = Effects()
    await graph_of(shelf, effects).ainvoke({}, thread(), durability="sync")
    results = await asyncio.gather(
        *(graph_of(s, effects).ainvoke(Command(resume="yes"), thread(), durability="sync") for s in two(shelf)),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["Fenced", "dict"]
    assert effects.done == ["yes"]


async def test_of_two_tasks_of_one_process_too(shelf: Shelf):
    effects = Effects()
    graph = graph_of(shelf, effects)
    await graph.ainvoke({}, thread(), durability="sync")
    results = await asyncio.gather(
        *(graph.ainvoke(Command(resume="yes"), thread(), durability="sync") for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(result, dict) for result in results) == 1
    assert sum(isinstance(result, Fenced) for result in results) == 4
    assert effects.done == ["yes"]


async def test_of_two_that_begin_one_thread_one_is_fenced(shelf: Shelf):
    effects = Effects()
    results = await asyncio.gather(
        *(graph_of(s, effects).ainvoke({}, thread(), durability="sync") for s in two(shelf)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Fenced", "dict"]


async def test_a_run_that_died_after_its_resume_can_be_continued(shelf: Shelf):
    effects = Effects()

    class Killed(BaseException):
        pass

    class DyingEffects(Effects):
        def __init__(self) -> None:
            class Dying(list[str]):
                def append(self, _: str) -> None:
                    raise Killed

            self.done = Dying()

    await graph_of(shelf, effects).ainvoke({}, thread(), durability="sync")
    with pytest.raises(Killed):
        await graph_of(shelf, DyingEffects()).ainvoke(Command(resume="yes"), thread(), durability="sync")
    result = await graph_of(shelf, effects).ainvoke(None, thread(), durability="sync")
    assert result["done"]
    assert effects.done == ["yes"]


async def test_a_finished_thread_can_be_forgotten_and_leaves_nothing(shelf: Shelf):
    effects = Effects()
    graph = graph_of(shelf, effects)
    for name in ("one", "two"):
        await graph.ainvoke({}, thread(name), durability="sync")
    saver = graph.checkpointer
    assert isinstance(saver, PlacetSaver)
    await saver.adelete_thread("one")
    assert await shelf.addresses() == (Address("two", ""),)
    assert await saver.aget_tuple(thread("one")) is None
    assert (await graph.aget_state(thread("two"))).tasks


async def test_only_the_newest_checkpoints_are_kept(shelf: Shelf):
    effects = Effects()
    graph = graph_of(shelf, effects, keep=2)
    await graph.ainvoke({}, thread(), durability="sync")
    await graph.ainvoke(Command(resume="yes"), thread(), durability="sync")
    assert len([state async for state in graph.aget_state_history(thread())]) == 2
    assert effects.done == ["yes"]


async def test_what_is_stored_is_plain_json_without_class_paths(shelf: Shelf):
    await graph_of(shelf, Effects()).ainvoke({}, thread(), durability="sync")
    held = await shelf.load(Address("incident-1.v1", ""))
    assert held is not None
    form = json.loads(held.data)
    assert (form["kind"], form["v"]) == ("placet.checkpoints", 1)
    assert b"langgraph.types" not in held.data
    assert b'"$placet":"interrupt"' in held.data


async def test_a_state_that_is_not_plain_json_is_refused_with_its_place(shelf: Shelf):
    class Strange(TypedDict):
        thing: Any

    async def node(_: Strange) -> Strange:
        return {"thing": {"inner": [object()]}}

    graph = StateGraph(Strange)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    compiled = graph.compile(checkpointer=PlacetSaver(shelf))
    with pytest.raises(BadInput, match=r"`object` at .*thing.*inner\[0\]"):
        await compiled.ainvoke({"thing": 1}, thread(), durability="sync")


async def test_parallel_tasks_and_subgraphs_share_a_thread_without_fencing_each_other(shelf: Shelf):
    inner = StateGraph(Wide)
    inner.add_node("ask", lambda _: {"seen": [interrupt("inner?")]})
    inner.add_edge(START, "ask")

    outer = StateGraph(Wide)
    for name in "abcd":
        outer.add_node(name, lambda _, name=name: {"seen": [name]})
        outer.add_edge(START, name)
    outer.add_node("inner", inner.compile())
    outer.add_edge(list("abcd"), "inner")
    graph = outer.compile(checkpointer=PlacetSaver(shelf))
    await graph.ainvoke({"seen": []}, thread(), durability="sync")
    result = await graph.ainvoke(Command(resume="yes"), thread(), durability="sync")
    assert sorted(set(result["seen"])) == ["a", "b", "c", "d", "yes"]
    assert len(await shelf.addresses("incident-1.v1")) == 2
