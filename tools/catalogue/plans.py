"""Tools for planning: placing replicas, and rehearsing changes. Both only compute; neither reserves."""

from __future__ import annotations

from pydantic import Field

from estate.changes import Change
from estate.ids import NodeId, SiteId, WorkloadId
from estate.proposals import Rehearsal
from estate.records import Model
from tools.catalogue.tools import Answer, Desk, Tool
from tools.placement import asking, staging
from tools.placement.port import Ask, NoPlacement, Placement
from tools.rehearsal.rehearsing import rehearse as play


class PlaceQuestion(Model):
    """Replicas of one workload, optionally only at some sites and never on some nodes."""

    workload: WorkloadId
    replicas: tuple[int, ...] = Field(min_length=1, max_length=1000)
    sites: tuple[SiteId, ...] = ()
    avoid: tuple[NodeId, ...] = ()


class PlaceAnswer(Answer):
    """Either a placement or why there is none; both say which constraints refused how many nodes."""

    placement: Placement | None = None
    no_placement: NoPlacement | None = None


class RehearseQuestion(Model):
    """Changes in order."""

    changes: tuple[Change, ...] = Field(min_length=1, max_length=256)


class RehearseAnswer(Answer):
    """What the changes would lead to."""

    rehearsal: Rehearsal


def place(desk: Desk, question: PlaceQuestion) -> PlaceAnswer:
    """Homes for all the replicas, or none with reasons."""
    workload = desk.workload(question.workload)
    asking.check_replicas(workload, question.replicas)
    asking.check_sites(desk.snapshot, question.sites)
    asking.check_nodes(desk.snapshot, question.avoid)
    ask = Ask(
        workload=workload.id,
        replicas=tuple(sorted(set(question.replicas))),
        sites=question.sites,
        avoid=frozenset(question.avoid),
        at=desk.now,
    )
    found = staging.answer(desk.engine, desk.snapshot, ask)
    if isinstance(found, Placement):
        return PlaceAnswer(snapshot=desk.snapshot.version, placement=found)
    return PlaceAnswer(snapshot=desk.snapshot.version, no_placement=found)


def rehearse(desk: Desk, question: RehearseQuestion) -> RehearseAnswer:
    """The changes played on the snapshot; nothing is written."""
    return RehearseAnswer(snapshot=desk.snapshot.version, rehearsal=play(desk.snapshot, question.changes))


PLACE = Tool(
    "place",
    "Where replicas of a workload can run under law, isolation, topology and power; if nowhere, why and what would"
    " help. Ask for all replicas to move to another cluster or site.",
    PlaceQuestion,
    PlaceAnswer,
    place,
)
REHEARSE = Tool(
    "rehearse",
    "Play changes on a copy of the estate: feasible or not, contracts kept and broken, rack power, stranded devices.",
    RehearseQuestion,
    RehearseAnswer,
    rehearse,
)
