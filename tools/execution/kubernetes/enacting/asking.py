"""What every adapter asks of a workload before it writes anything, and the form of its refusals."""

from __future__ import annotations

from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import autoscalers
from tools.execution.kubernetes.goals import Goal
from tools.execution.kubernetes.reaching import Household
from tools.execution.kubernetes.writing import held_by
from tools.kubernetes.objects import MOST_REPLICAS


def never_changed(household: Household, goal: Goal) -> Refusal | None:
    """Why no change of this controller would have an effect, or could be put back."""
    spec, about = household.owner.raw["spec"], str(goal.about)
    if spec.get("paused"):
        return no(about, "is paused, so that no change of its template has an effect; resume its rollout")
    if spec.get("replicas", 1) > MOST_REPLICAS:
        return no(
            about, f"wants more than {MOST_REPLICAS} replicas, which cannot be told and put back; lower that first"
        )
    return None


async def autoscaled(household: Household, goal: Goal) -> Refusal | None:
    """Who else says how many replicas there are, where that number changes."""
    spec = household.owner.raw["spec"]
    if goal.replicas == spec.get("replicas", goal.replicas):
        return None
    address = household.owner.address
    scaler = await autoscalers.scaling(household.owner.connection, address)
    return held_by(address, (f"HorizontalPodAutoscaler {scaler}",), "spec.replicas") if scaler else None


def shrinks(household: Household, goal: Goal) -> bool:
    """Whether some pods only stop."""
    return goal.replicas < int(household.owner.raw["spec"].get("replicas", household.workload.replicas))


def no(about: str, why: str) -> Refusal:
    """The refusal of what this technology cannot say or do."""
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=about, message=f"`{about}` {why}")
