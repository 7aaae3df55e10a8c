"""What a verdict or an outcome means for a case: where to go, what to stay away from, what to tell people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agents.minds.plans import Setback
from estate.ids import NodeId, RackId
from estate.incidents import CaseState, Origin
from estate.modes import Mode
from estate.outcomes import Ending, Outcome
from estate.snapshots import Snapshot
from estate.verdicts import Decision, Dimension, Failure, Verdict


class Route(StrEnum):
    """Where a case goes on."""

    AWAIT_OUTCOME = "await_outcome"
    AWAIT_APPROVAL = "await_approval"
    EXPLAIN = "explain"
    VERIFY = "verify"
    CLOSE = "close"
    HAND_OVER = "hand_over"


@dataclass(frozen=True, slots=True)
class Answer:
    """A route with what people are told, and how the case ends where it does."""

    route: Route
    lines: tuple[str, ...] = ()
    ending: CaseState | None = None


DENIAL = "denied-by-a-person"
"""The policy through which a human's no becomes the gate's forbid."""

_PASSING = frozenset({Dimension.POWER, Dimension.COOLING, Dimension.FACTS})
"""What another attempt on a newer snapshot may well avoid, whoever asked."""
_FINAL = frozenset({Dimension.FREEZE, Dimension.WINDOW, Dimension.APPROVAL, Dimension.MODEL_REACH})
"""What no other plan changes."""


def answer(verdict: Verdict) -> Answer:
    """What a verdict means."""
    match verdict.decision:
        case Decision.PERMIT if verdict.mode is Mode.OBSERVE:
            told = ("permitted, and nothing is done: the mode here is observe",)
            return Answer(Route.HAND_OVER, told, CaseState.HANDED_OVER)
        case Decision.PERMIT:
            return Answer(Route.AWAIT_OUTCOME)
        case Decision.NEEDS_APPROVAL:
            return Answer(Route.AWAIT_APPROVAL, tuple(r.describe() for r in verdict.requirements))
        case Decision.FORBID if denied(verdict):
            return Answer(Route.CLOSE, explanation(verdict), CaseState.DENIED)
        case Decision.FORBID:
            return Answer(Route.EXPLAIN, explanation(verdict))


def denied(verdict: Verdict) -> bool:
    """Whether a human said no."""
    return any(f.policy.startswith(DENIAL) for f in verdict.failures) or any(
        p.startswith(DENIAL) for p in verdict.policies
    )


def worth_another(verdict: Verdict, origin: Origin) -> bool:
    """Whether another attempt may fare better. A person's wish is tried again only where nothing but time failed it."""
    asked = {r.policy for r in verdict.requirements}
    dimensions = {f.dimension for f in verdict.failures if f.policy not in asked}
    if not dimensions or dimensions & _FINAL:
        return False
    if origin is Origin.INCIDENT:
        return Dimension.BLAST_RADIUS not in dimensions
    if origin is Origin.PROPOSAL:
        return dimensions == {Dimension.FACTS}
    return dimensions <= _PASSING


def ending_of(outcome: Outcome) -> Answer:
    """What an outcome means."""
    lines = tuple(
        x for x in (outcome.reason, *(f"step {s.number}: {s.message}" for s in outcome.steps if s.message)) if x
    )
    match outcome.ending:
        case Ending.VERIFIED:
            return Answer(Route.VERIFY, lines)
        case Ending.REFUSED:
            return Answer(Route.EXPLAIN, lines or ("the executor refused",))
        case Ending.ROLLED_BACK:
            return Answer(Route.CLOSE, lines, CaseState.ROLLED_BACK)
        case Ending.FAILED:
            return Answer(Route.CLOSE, lines, CaseState.FAILED)
        case Ending.HANDED_OVER | Ending.LAPSED:
            return Answer(Route.HAND_OVER, lines, CaseState.HANDED_OVER)


def setback(verdict: Verdict, attempt: int, snapshot: Snapshot) -> Setback:
    """What the next attempt must stay away from: the racks and nodes that the failures are about."""
    about = [f.about.partition("/")[2] or f.about for f in verdict.failures]
    racks = sorted({RackId(a) for a in about if a in snapshot.facts.rack})
    nodes = sorted({NodeId(a) for a in about if snapshot.node(NodeId(a)) is not None})
    return Setback(attempt=attempt, reasons=explanation(verdict), nodes=tuple(nodes), racks=tuple(racks))


def explanation(verdict: Verdict) -> tuple[str, ...]:
    """Every failed dimension in words, one line each."""
    return tuple(dict.fromkeys(_failure(f) for f in verdict.failures))


def _failure(failure: Failure) -> str:
    held = f"needed {failure.needed}, found {failure.found}"
    line = f"{failure.dimension.value} ({failure.policy}): {failure.about}: {failure.reason}; {held}; {failure.remedy}"
    return line[:2000]
