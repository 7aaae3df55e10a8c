"""What of Placet acts: the agent, its duties and its mind, each with the digest of the code that it is.

One row for each. Workers say by it who made a proposal and what they run, `placet facts register` registers by it; the
tools of the catalogue are rows of `tools.catalogue.registry`. A duty or a tool of one's own is one more row there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from estate.ids import ComponentId
from estate.uses.running import ComponentSort, Maker
from tools import contents
from tools.catalogue import registry


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that acts here, and the files and folders that it is made of."""

    id: ComponentId
    says: str
    paths: tuple[str, ...]

    def maker(self, name: str = "") -> Maker:
        """It, as it is installed; under another name where several of it run."""
        identity = ComponentId(name) if name else self.id
        return Maker(sort=ComponentSort.AGENT, id=identity, content=contents.of_paths(*self.paths))


@dataclass(frozen=True, slots=True)
class Shipped:
    """What is installed here of one component, and what it is."""

    maker: Maker
    says: str


WORKER: Final = Part(
    ComponentId("agent"), "the agent worker with all that it runs", ("agents", "estate", "policies", "tools")
)
CONTAINMENT: Final = Part(ComponentId("containment"), "the duty that fences a failing node", ("agents/containment.py",))
CASE_GRAPH: Final = Part(ComponentId("case-graph"), "the duty that works at cases", ("agents/cases",))
RUNBOOK: Final = Part(
    ComponentId("runbook"), "the deterministic mind", ("agents/minds/runbook.py", "agents/minds/phrases.py")
)
PARTS: Final = (WORKER, CONTAINMENT, CASE_GRAPH, RUNBOOK)


@cache
def shipped() -> tuple[Shipped, ...]:
    """Everything that is installed here and may have a part in a proposal."""
    tools = (Shipped(registry.maker(t.name), f"the tool `{t.name}`") for t in registry.TOOLS)
    return (*(Shipped(p.maker(), p.says) for p in PARTS), *tools)
