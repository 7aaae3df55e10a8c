"""What an annotation says of a workload's contract that Kubernetes has no field for: `placet.dev/contract`, JSON. Pure.

It can say what placement needs (`TERMS`) and nothing of devices, which the pod asks for itself. What cannot be read is
kept as the contract's `fault`: its pods are seen, and nothing is placed on the strength of it.
"""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from estate import canonical
from estate.errors import BadInput
from estate.records import explain
from estate.workloads import WorkloadContract

ANNOTATION: Final = "placet.dev/contract"
TERMS: Final = (
    "latency",
    "users",
    "cost_ceiling",
    "deadline",
    "together",
    "spread",
    "ready_within",
    "data_cost_ceiling",
    "storage",
    "availability",
    "supply",
    "priority",
    "preemptible",
    "start",
    "paces",
    "stage",
)
MOST_PRIORITY: Final = 10**9
"""Of a user's PriorityClass; Kubernetes' own have twice that."""
_LONGEST: Final = 1000
_MOST_WRITTEN: Final = 8192


def told(written: object) -> WorkloadContract | None:
    """The terms that an annotation states; None where there is none."""
    if not isinstance(written, str) or not written.strip():
        return None
    try:
        return _read(written)
    except (BadInput, ValidationError, ValueError) as error:
        why = explain(error) if isinstance(error, ValidationError) else str(error)
        fault = f"{ANNOTATION}: {why}".encode("ascii", "replace").decode()
        return WorkloadContract(accelerators_per_replica=0, fault=fault[:_LONGEST])


def written(contract: WorkloadContract) -> str:
    """The annotation that states these terms; empty where it has none."""
    form = contract.model_dump(mode="json", include=set(TERMS), exclude_defaults=True)
    return canonical.dumps(form).decode() if form else ""


def applied(said: WorkloadContract | None, **own: object) -> WorkloadContract:
    """A contract of what the pods ask for themselves, with the terms that were said."""
    said = said or WorkloadContract(accelerators_per_replica=0)
    return said.model_copy(update=own)


def _read(written: str) -> WorkloadContract:
    if len(written) > _MOST_WRITTEN:
        raise BadInput(f"{len(written)} characters are more than {_MOST_WRITTEN}; say less")
    form = canonical.loads(written.encode())
    if not isinstance(form, dict):
        raise BadInput('not a JSON object; write it as `{"priority": 10}`')
    if strange := sorted(set(form) - set(TERMS)):
        raise BadInput(f"`{strange[0][:80]}` is no term; there are {', '.join(TERMS)}")
    return WorkloadContract.model_validate({"accelerators_per_replica": 0, **form})
