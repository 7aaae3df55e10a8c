"""What the law reads of a change of an object: whose it is, and what it opens, loosens and disturbs. Pure; called by
`context`, `approving` and `standing`. The kernel does not: it has its own reading of what tier 0 asks.

Judged by what the change itself states, before and after: the executor refuses a change whose `before` is not what is
there. In doubt a restriction counts as loosened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from estate.canonical import Json
from estate.changes import ApplyManifest, Change, DeleteObject, ReleaseCapacity, ReserveCapacity, ScaleMachineGroup
from estate.ids import ClusterId, TenantId
from estate.law import Facts
from estate.manifests import Address, Form
from estate.things import Thing, ThingKind

RESTRICTING: Final = frozenset({"NetworkPolicy", "ResourceQuota", "LimitRange", "PodDisruptionBudget"})
"""Kinds that hold a namespace within bounds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One change of an object."""

    address: Address
    places: bool
    """Whether it puts data into a cluster."""
    opens: bool
    """Whether it lets the outside of the cluster in."""
    loosens: bool
    """Whether a restriction ends or is not certainly as tight as it was."""
    disturbs: bool
    """Whether what runs there may feel it."""


def read(change: ApplyManifest | DeleteObject) -> Reading:
    """The reading of one change."""
    before = change.before.manifest if change.before is not None else None
    after = change.manifest if isinstance(change, ApplyManifest) else None
    return Reading(
        address=change.address,
        places=after is not None,
        opens=after is not None and _opens(after),
        loosens=change.address.kind in RESTRICTING and _loosens(before, after),
        disturbs=before is not None or change.address.kind == "NetworkPolicy",
    )


def address_of(thing: Thing) -> Address | None:
    """The address of an object; None for anything else."""
    return Address.parse(thing.id) if thing.kind is ThingKind.OBJECT else None


def owner_of(facts: Facts, address: Address) -> TenantId | None:
    """The tenant of the object's namespace by signed facts."""
    return facts.tenant_of.get((address.cluster, address.namespace))


def owner_of_change(facts: Facts, change: Change) -> TenantId | None:
    """The tenant whose object, reservation or machine group a change writes; None where it writes none, or nobody's."""
    if isinstance(change, ReserveCapacity | ReleaseCapacity):
        return change.holder()
    if isinstance(change, ScaleMachineGroup):
        pool = facts.pool.get(change.group)
        return pool.tenant if pool is not None else None
    address = address_of(change.target())
    return owner_of(facts, address) if address is not None else None


def missing(facts: Facts, address: Address) -> set[str]:
    """The facts without which nobody can say where the object would be and whose it is."""
    gaps = set() if address.cluster in facts.cluster else {f"clusters.{address.cluster}"}
    if owner_of(facts, address) is None:
        gaps.add(f"tenants: no tenant has the namespace {address.cluster}/{address.namespace}")
    return gaps


def is_system(namespace: str) -> bool:
    """Whether a namespace is the cluster's or the house's own, whatever a fact says of it."""
    return namespace.startswith(("kube-", "openshift-")) or namespace.endswith(("-system", "-operator"))


def clusters_of(facts: Facts, changes: tuple[Change, ...]) -> frozenset[ClusterId]:
    """The clusters whose objects the changes write, or whose nodes they order."""
    written = {a.cluster for c in changes if (a := address_of(c.target())) is not None}
    groups = (facts.pool.get(c.group) for c in changes if isinstance(c, ScaleMachineGroup))
    return frozenset(written | {p.cluster for p in groups if p is not None})


def _opens(after: Form) -> bool:
    return after["kind"] == "Service" and _spec(after).get("type", "ClusterIP") != "ClusterIP"


def _loosens(before: Form | None, after: Form | None) -> bool:
    if after is None:
        return True
    if before is not None and _spec(before) == _spec(after):
        return False
    match after["kind"]:
        case "NetworkPolicy":  # what any policy allows is allowed, so one that allows nothing can only tighten
            return before is not None or bool(_spec(after).get("ingress") or _spec(after).get("egress"))
        case "ResourceQuota":
            return before is not None and not _only_adds(_spec(before), _spec(after))
        case _:
            return before is not None


def _only_adds(before: Form, after: Form) -> bool:
    """Whether a quota keeps every bound that it had, and its scopes."""
    had, has = before.get("hard"), after.get("hard")
    kept = isinstance(had, dict) and isinstance(has, dict) and all(has.get(k) == v for k, v in had.items())
    return kept and _scopes(before) == _scopes(after)


def _scopes(spec: Form) -> Form:
    return {k: v for k, v in spec.items() if k != "hard"}


def _spec(manifest: Form) -> Form:
    spec: Json = manifest.get("spec")
    return spec if isinstance(spec, dict) else {}
