"""Whether the law stands at a cluster's door for a tenant, read live. Called before an eviction; writes nothing.

It does where the policies that bind the tenant's pods are those of the very facts in force, their bindings refuse, and
the labels by which the scheduler keeps racks apart are what facts say. Who may write admission policies stands above it
(`deploy/kubernetes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from policies.admission import distances, labels
from policies.admission.lawful import Ground, Tenancy
from tools.kubernetes import faults, resources
from tools.kubernetes.connecting import Connection, Object

_DENIES = "Deny"


async def fault(connection: Connection, ground: Ground, tenancy: Tenancy | None, nodes: Sequence[Object]) -> str | None:
    """Why the door does not hold for this tenant now, or None."""
    if tenancy is None:
        return "no policy governs a namespace that no fact gives a tenant"
    try:
        for name in _governing(tenancy):
            policy = await connection.request("GET", resources.ADMISSION.path(name=name))
            bound = await connection.request("GET", resources.ADMISSION_BINDINGS.path(name=name))
            if why := _shut(ground, name, policy, bound):
                return why
    except faults.NotFound:
        return f"`{name}` is not in force there"
    except faults.Forbidden:
        return "the writer may not look whether it stands; apply `placet policy export rbac` again"
    return next(_mislabelled(ground, nodes), None) if tenancy.off_racks and not tenancy.bars else None


def _governing(tenancy: Tenancy) -> Iterator[str]:
    """The policies that refuse this tenant's pods where they are unlawful."""
    yield f"placet-tenant-{tenancy.tenant}"
    if tenancy.bars:
        return
    yield from ("placet-lawful-pods", "placet-lawful-bindings")
    if tenancy.off_nodes or tenancy.off_racks:
        yield distances.name(tenancy)


def _shut(ground: Ground, name: str, policy: Any, bound: Any) -> str | None:
    told = policy["metadata"].get("annotations") or {}
    if told.get("placet.dev/facts") != ground.digest:
        return f"`{name}` there was compiled from other facts than version {ground.version}"
    spec = bound["spec"]
    if spec.get("policyName") != name or _DENIES not in (spec.get("validationActions") or ()):
        return f"the binding `{name}` there refuses nothing"
    narrowed = spec.get("matchResources") or {}
    if any(narrowed.get(k) for k in ("namespaceSelector", "objectSelector", "resourceRules", "excludeResourceRules")):
        return f"the binding `{name}` there leaves something out"
    return None


def _mislabelled(ground: Ground, nodes: Sequence[Object]) -> Iterator[str]:
    """Nodes to which pods are steered and which do not say their rack as facts do."""
    for raw in nodes:
        name, found = raw["metadata"]["name"], raw["metadata"].get("labels") or {}
        lawful = ground.nodes.get(name)
        if labels.SITE in found and (lawful is None or found.get(labels.RACK) != labels.rack_label(lawful)):
            yield f"node `{name}` is not labelled as facts say; write to it once (`kubectl annotate nodes --all …`)"
