"""The case graph as a picture, for `placet graph` and the documents, from the table of ways. Runs nothing."""

from __future__ import annotations

from langgraph.graph import END

from agents.cases.graph import WAYS

_WAITS = frozenset({"await_verdict", "await_approval", "await_outcome"})
_EFFECTS = frozenset({"submit"})


def mermaid() -> str:
    """A Mermaid flowchart: waits as hexagons, the one effect as a double box."""
    lines = ["flowchart TD", "    start((event)) --> receive"]
    lines += [f"    {_shaped(name)}" for name in WAYS]
    lines += [f"    {name} --> {_named(way)}" for name, ways in WAYS.items() for way in ways]
    return "\n".join([*lines, "    done((end))"]) + "\n"


def text() -> str:
    """One line a node, for a terminal."""
    width = max(len(name) for name in WAYS)
    return "\n".join(f"{name:<{width}} → {', '.join(_named(w) for w in ways)}" for name, ways in WAYS.items()) + "\n"


def _shaped(name: str) -> str:
    if name in _WAITS:
        return f"{name}{{{{{name}}}}}"
    return f"{name}[[{name}]]" if name in _EFFECTS else f"{name}[{name}]"


def _named(way: str) -> str:
    return "done" if way == END else way
