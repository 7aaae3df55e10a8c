"""Tools that plan many moves at once. They only compute: a plan becomes changes of a proposal, and the gate decides."""

from __future__ import annotations

from pydantic import Field

from estate.records import Model
from tools.catalogue.tools import Answer, Desk, Tool
from tools.placement.planning.planning import plan
from tools.placement.planning.plans import Burst, Evacuate, Fill, Free, Plan, Repack


class PlanQuestion(Model):
    """What the moves are for."""

    goal: Repack | Free | Evacuate | Fill | Burst = Field(discriminator="goal")


class PlanAnswer(Answer):
    """Moves in order with gain, bound and reasons; what stays, and why."""

    plan: Plan


def plan_moves(desk: Desk, question: PlanQuestion) -> PlanAnswer:
    """The plan for any goal."""
    return PlanAnswer(snapshot=desk.snapshot.version, plan=plan(desk.snapshot, question.goal, desk.now))


def evacuate(desk: Desk, question: Evacuate) -> PlanAnswer:
    """The plan that empties a failure domain."""
    return PlanAnswer(snapshot=desk.snapshot.version, plan=plan(desk.snapshot, question, desk.now))


PLAN_MOVES = Tool(
    "plan_moves",
    "Plan moves in an order in which each is lawful and powered: `repack` (free blocks of connected accelerators),"
    " `free` (room for a tenant or a waiting workload), `evacuate` a failure domain (fenced first), `fill` a site"
    " again; or `burst`: what to rent on lawful offers, within a ceiling of cost, for what fits nowhere. Says the gain"
    " before, after and at most, what stays and why, what is late, and who must consent. Nothing is written.",
    PlanQuestion,
    PlanAnswer,
    plan_moves,
)
EVACUATE = Tool(
    "evacuate",
    "Plan how to empty a node, rack, feed, leaf or site, each move lawful and powered; what cannot leave, and why.",
    Evacuate,
    PlanAnswer,
    evacuate,
)
