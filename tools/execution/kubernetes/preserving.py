"""What stands in the clusters before a change, word for word as their API servers give it.

Left out: who manages which field, the status (the controllers' business), and literal values of environment variables,
in which people put passwords; so the annotation in which kubectl repeats all of it. Secrets are never read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from estate import pooling
from estate.ids import MachineGroupId, NodeId, ObjectId, WorkloadId
from estate.kept import Kept
from estate.manifests import Address
from estate.things import Thing, ThingKind
from tools.execution.kubernetes.reaching import Reach
from tools.execution.kubernetes.writing import Found

_REPEATED = "kubectl.kubernetes.io/last-applied-configuration"
_WITHHELD = "(withheld)"


async def preserved(reach: Reach, things: Sequence[Thing]) -> tuple[Kept, ...]:
    """Each of them, read now."""
    return tuple([Kept.of(about, await _state(reach, about)) for about in things])


async def _state(reach: Reach, about: Thing) -> Any:
    match about.kind:
        case ThingKind.NODE:
            found = await reach.node(NodeId(about.id))
        case ThingKind.OBJECT:
            address = Address.parse(ObjectId(about.id))
            found = await reach.object(address) if address is not None else None
        case ThingKind.MACHINE_GROUP:
            home = pooling.home(MachineGroupId(about.id))
            found = await reach.group(home) if home is not None else None
        case _:
            return await _workload(reach, WorkloadId(about.id))
    return None if found is None else _cleaned(found)


async def _workload(reach: Reach, name: WorkloadId) -> Any:
    """Its controller and where its replicas are; of one whose controller Placet does not read, what the estate says."""
    household = await reach.household(name)
    if household is not None:
        places = {p["metadata"]["name"]: p["spec"].get("nodeName") for p in household.pods}
        return {"controller": _cleaned(household.owner), "pods": places}
    known = await reach.workload(name)
    return None if known is None else known.json_form()


def _cleaned(found: Found) -> Any:
    raw = {k: v for k, v in found.raw.items() if k != "status"}
    metadata = {k: v for k, v in raw["metadata"].items() if k != "managedFields"}
    notes = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != _REPEATED}
    return _without_values({**raw, "metadata": {**metadata, "annotations": notes}})


def _without_values(form: Any, *, of_env: bool = False) -> Any:
    match form:
        case dict():
            kept = {k: _without_values(v, of_env=k == "env") for k, v in form.items()}
            return {**kept, "value": _WITHHELD} if of_env and "value" in form else kept
        case list():
            return [_without_values(v, of_env=of_env) for v in form]
        case _:
            return form
