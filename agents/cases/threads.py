"""What a case's thread remembers between two nodes: versioned plain JSON, typed only while a node looks at it.

`Case` is the typed reading; `Thread` names the same keys for LangGraph. A node returns a `Case` that holds only what it
changed; it is validated, written as JSON and checked for a canonical form before LangGraph may store it, because an
invalid update, once stored, would poison the thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from pydantic import ValidationError

from agents.minds.plans import Answer, Diagnosis, Setback
from estate import canonical
from estate.canonical import Json
from estate.changes import Change
from estate.errors import BadInput
from estate.ids import IncidentId, NodeId
from estate.incidents import CaseState
from estate.proposals import Evidence, Proposal
from estate.records import Model, explain

GRAPH_VERSION = 1
"""Part of every thread id. Raise it when a node is renamed, removed or reads its state differently; a case that has
submitted a proposal under an older one ends from its record (`orphans`)."""


class Thread(TypedDict, total=False):
    """The channels of the graph; each node's value replaces the one before."""

    v: int
    incident: str
    attempt: int
    findings: list[Json]
    setbacks: list[Json]
    diagnosis: Json
    plan: Json
    changes: list[Json]
    evidence: list[Json]
    tools: list[Json]
    proposal: Json
    explanation: list[Json]
    next: str
    ending: str
    ended: bool


class Case(Model):
    """A thread's state, or an update of it: see `Thread`."""

    v: int = GRAPH_VERSION
    incident: IncidentId | None = None
    attempt: int = 0
    """1 for the first proposal of the case; 0 is the containment's."""
    findings: tuple[Evidence, ...] = ()
    setbacks: tuple[Setback, ...] = ()
    diagnosis: Diagnosis | None = None
    plan: Answer | None = None
    changes: tuple[Change, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    tools: tuple[str, ...] = ()
    """The tools of the catalogue that were asked so far, whatever of their answers became evidence."""
    proposal: Proposal | None = None
    """The whole proposal, with its time, as `rehearse` drew it up: running `submit` again publishes the same bytes."""
    explanation: tuple[str, ...] = ()
    next: str = ""
    """The node that this node chose."""
    ending: CaseState | None = None
    ended: bool = False
    """The terminal marker; a thread is over only with it and without tasks."""

    @property
    def id(self) -> IncidentId:
        """The incident of this case."""
        assert self.incident is not None, "`receive` sets it, and every input holds it"
        return self.incident

    @property
    def avoided_nodes(self) -> frozenset[NodeId]:
        """Nodes that earlier attempts were refused."""
        return frozenset(n for s in self.setbacks for n in s.nodes)

    def form(self) -> dict[str, Json]:
        """What of it was set, as plain JSON with a canonical form.

        Raises:
            BadInput: it has none; nothing of it may be stored.
        """
        whole = self.json_form()
        form = {key: whole[key] for key in whole if key in self.model_fields_set}
        canonical.dumps(form)
        return form


def thread_id(incident: IncidentId) -> str:
    """The thread of an incident under this version of the graph."""
    return f"{incident}.g{GRAPH_VERSION}"


def read(state: Mapping[str, Any]) -> Case:
    """The typed state.

    Raises:
        BadInput: it was not written by this version of the graph.
    """
    try:
        return Case.model_validate(dict(state))
    except ValidationError as error:
        raise BadInput(
            f"the state of this thread does not fit graph version {GRAPH_VERSION}: {explain(error)}"
        ) from error
