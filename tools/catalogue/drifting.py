"""A tool about drift: where things are not as they should be, who made them so, and which change restores them."""

from __future__ import annotations

from itertools import chain

from pydantic import Field

from estate.drifts import Drift, Matter
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.records import Model
from tools.catalogue.tools import Answer, Desk, Tool
from tools.drift import estates

MOST_FOUND = 100


class DriftQuestion(Model):
    """Of what; what is left out matches all."""

    node: NodeId | None = None
    workload: WorkloadId | None = None
    cluster: ClusterId | None = None
    matters: tuple[Matter, ...] = Field(default=(), max_length=len(Matter))


class DriftAnswer(Answer):
    """The drifts by thing and path, at most a hundred, and how many there are in all."""

    drifts: tuple[Drift, ...]
    total: int


def drift(desk: Desk, question: DriftQuestion) -> DriftAnswer:
    """What is known to have drifted. Of a node also whether it stands where facts place it."""
    if question.node is not None:
        places = estates.of_place(question.node, desk.snapshot.node(question.node), desk.snapshot.facts)
    else:
        places = iter(()) if question.workload is not None else estates.places(desk.snapshot)
    found = [d for d in chain(desk.drifts(), places) if _asked(d, question)]
    return DriftAnswer(snapshot=desk.snapshot.version, drifts=tuple(found[:MOST_FOUND]), total=len(found))


def _asked(found: Drift, question: DriftQuestion) -> bool:
    named = question.node or question.workload
    return (
        named in (None, found.about.id)
        and question.cluster in (None, found.cluster)
        and (not question.matters or found.matter in question.matters)
    )


DRIFT = Tool(
    "drift",
    "Where things are not as they should be: desired and observed value, who changed it and when, what it bears on, and"
    " the change that would restore it or why there is none. All, or of a node, a workload, a cluster.",
    DriftQuestion,
    DriftAnswer,
    drift,
)
