"""The case graph: three ways in, one way through. Built here, drawn by `agents.cases.drawing`, driven by the worker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agents.cases.nodes import Deps, Done, Thinking
from agents.cases.threads import Case, Thread, read
from agents.cases.waiting import Waiting
from estate.canonical import Json
from estate.progress import Progress

type CaseGraph = CompiledStateGraph[Thread, None, Thread, Thread]
type NodeFunction = Callable[[Case], Awaitable[Done]]


WAYS: Mapping[str, tuple[str, ...]] = {
    "receive": ("investigate", "interpret", "adopt"),
    "investigate": ("diagnose",),
    "diagnose": ("plan",),
    "interpret": ("place", "close", "hand_over"),
    "adopt": ("place", "close"),
    "plan": ("place", "close", "hand_over"),
    "place": ("rehearse", "close", "hand_over"),
    "rehearse": ("submit", "investigate", "close", "hand_over"),
    "submit": ("await_verdict",),
    "await_verdict": ("await_outcome", "await_approval", "explain", "close", "hand_over"),
    "await_approval": ("await_outcome", "explain", "close", "hand_over"),
    "await_outcome": ("verify", "explain", "close", "hand_over"),
    "explain": ("investigate", "place", "close", "hand_over"),
    "verify": ("close", "hand_over"),
    "close": ("investigate", END),
    "hand_over": ("investigate", END),
}
"""Where each node may go. A node that names another place fails before its update is stored."""


def build(deps: Deps, saver: BaseCheckpointSaver[Any] | None) -> CaseGraph:
    """The compiled graph; without a saver for drawing only."""
    graph: StateGraph[Thread, None, Thread, Thread] = StateGraph(Thread)
    for name, function in _functions(deps).items():
        graph.add_node(name, _StoredNode(name, function, deps))
    graph.add_edge(START, "receive")
    for name, ways in WAYS.items():
        if len(ways) == 1:
            graph.add_edge(name, ways[0])
        else:
            graph.add_conditional_edges(name, _next, list(ways))
    return graph.compile(checkpointer=saver, name="case")


def _functions(deps: Deps) -> dict[str, NodeFunction]:
    thinking, waiting = Thinking(deps), Waiting(deps)
    return {name: getattr(thinking, name, None) or getattr(waiting, name) for name in WAYS}


@dataclass(frozen=True, slots=True)
class _StoredNode:
    """The node as LangGraph runs it: typed in, validated plain JSON out, the observer told; fences go first.

    An object, because LangGraph reads the source of every function that it is given to see what it closes over.
    """

    name: str
    function: NodeFunction
    deps: Deps

    async def __call__(self, state: Thread) -> dict[str, Json]:
        await self.deps.way.given()
        case = read(state)
        done = await self.function(case)
        form = done.update.form()
        _admit(self.name, done.update)
        if done.text:
            line = Progress(
                incident=case.id, at=self.deps.clock(), stage=done.stage, text=done.text, details=done.details
            )
            await self.deps.observer(line)
        return form


def _admit(name: str, update: Case) -> None:
    chosen = END if update.ended else update.next
    ways = WAYS[name]
    assert len(ways) == 1 or chosen in ways, f"node `{name}` chose `{chosen}`, which is none of its ways {ways}"


def _next(state: Thread) -> str:
    return END if state.get("ended") else state["next"]
