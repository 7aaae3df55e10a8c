"""Which technology enacts a placement: the first that the cluster serves and the workload takes part in.

An admission check where Kueue asks us; narrowed DRA claims where gated pods ask for devices by template; scheduling
gates where pods wait behind ours; else required node affinity, which every cluster has.
"""

from __future__ import annotations

from estate.changes import MoveWorkload
from estate.results import Refusal
from tools.execution.kubernetes import owners
from tools.execution.kubernetes.enacting import claims, kueue, places
from tools.execution.kubernetes.enacting.affinity import NodeAffinity
from tools.execution.kubernetes.enacting.gates import SchedulingGates
from tools.execution.kubernetes.enacting.port import Change, Enactment
from tools.execution.kubernetes.reaching import Household


async def enactment(household: Household, change: Change) -> Enactment | Refusal:
    """The way for this change of this workload; a refusal where its controller cannot be written and nothing holds
    its pods back.
    """
    gates = SchedulingGates(claims.narrow if _by_template(household) else None)
    if (held := await kueue.queued(household)) is not None:
        return kueue.AdmissionCheck(held, gates)
    grows = isinstance(change, MoveWorkload) or change.replicas > household.workload.replicas
    if grows and (places.gated_template(household) or places.waiting(household) or places.destined(household)):
        return gates
    kind = household.owner.address.resource.kind.lower()
    return owners.unsupported(kind, str(change.target())) or NodeAffinity()


def _by_template(household: Household) -> bool:
    spec = (household.owner.raw["spec"].get("template") or {}).get("spec") or household.owner.raw["spec"]
    return claims.asks_by_template({"spec": spec})
