"""Which storage and which networks work would be attached to that are another tenant's, or nobody's by signed facts.

Pure; called by `context` for workloads and objects, by `watching` of what stands, and by placement. The kernel does
not: it has its own reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from estate.attachments import NAMESPACE, Attachment, AttachmentSort
from estate.ids import ClusterId, NodeId, TenantId
from estate.law import Facts
from estate.manifests import Form
from estate.workloads import Workload
from policies import objects

NAMED: Final = "kubernetes.io/metadata.name"
"""The label of a namespace that the API server itself writes: its name."""
OPEN: Final = frozenset({"storage-class", "host-path", "host-network", "address-pool"})
"""What is its cluster's or its machine's own, and anybody's until facts give it to somebody."""
_LONGEST: Final = 512
_POOLS: Final = {
    "metallb.io/address-pool": "address-pool",
    "metallb.universe.tf/address-pool": "address-pool",
    "networking.gke.io/internal-load-balancer-subnet": "subnet",
    "service.beta.kubernetes.io/aws-load-balancer-subnets": "subnet",
    "service.beta.kubernetes.io/azure-load-balancer-internal-subnet": "subnet",
}
"""Annotations by which a Service names the network that it joins."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """The names of what another tenant has, or nobody whom facts know."""

    storage: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()


NOTHING: Final = Foreign()


def foreign(facts: Facts, workload: Workload, nodes: Iterable[NodeId]) -> Foreign:
    """What a workload may not be attached to where it is, with replicas on these nodes."""
    found = strange(facts, workload.tenant, workload.cluster, workload.namespace, workload.attachments)
    if not facts.networks:
        return found
    joined = (n for node in nodes for n in facts.networks_on.get(node, ()))
    machines = (f"network/{n.id}" for n in joined if not n.admits(workload.tenant))
    return Foreign(found.storage, found.networks.union(machines))


def foreign_to(facts: Facts, tenant: TenantId | None, cluster: ClusterId, manifest: Form) -> Foreign:
    """What an object of that tenant's would attach it to."""
    about: Any = manifest["metadata"]
    owner = tenant if tenant is not None else TenantId("unassigned")
    return strange(facts, owner, cluster, str(about["namespace"]), attached(manifest))


def attached(manifest: Form) -> Iterator[Attachment]:
    """The networks that an object names: whose pods a network policy lets in or out to, and a Service's pool."""
    match manifest["kind"]:
        case "NetworkPolicy":
            yield from (_network(NAMESPACE, name) for name in sorted({*_peers(manifest)}))
        case "Service":
            yield from _pools(manifest)
        case _:
            return


def strange(
    facts: Facts, tenant: TenantId, cluster: ClusterId, space: str, attachments: Iterable[Attachment]
) -> Foreign:
    """What of these work of that tenant in that namespace may not be attached to."""
    held = tuple(attachments)
    if not held:
        return NOTHING
    names: dict[AttachmentSort, set[str]] = {sort: set() for sort in AttachmentSort}
    for attachment in held:
        if not _may(facts, tenant, cluster, space, attachment):
            names[attachment.sort].add(attachment.called(space))
    return Foreign(*(frozenset(names[s]) for s in (AttachmentSort.STORAGE, AttachmentSort.NETWORK)))


def _may(facts: Facts, tenant: TenantId, cluster: ClusterId, space: str, attachment: Attachment) -> bool:
    """By what facts say of it; where they say nothing, by the tenant of its namespace."""
    told = facts.belongings.get((cluster, attachment.called(space)), ())
    if told:
        return all(b.admits(tenant) for b in told)
    within = attachment.within(space)
    if within:
        return facts.tenant_of.get((cluster, within)) == tenant or _is_the_houses(attachment, within)
    return attachment.kind in OPEN


def _is_the_houses(attachment: Attachment, namespace: str) -> bool:
    """Whether it is the way to what the cluster itself serves (its DNS), which is nobody's data."""
    return attachment.kind == NAMESPACE and objects.is_system(namespace)


def _network(kind: str, name: str) -> Attachment:
    known = name if len(name) <= _LONGEST else "unreadable"  # no cluster has a name so long, and no fact gives it
    return Attachment(sort=AttachmentSort.NETWORK, kind=kind, name=known)


def _peers(manifest: Form) -> Iterator[str]:
    """The namespaces that a network policy names, by the one label that nobody can give to another."""
    spec: Any = manifest.get("spec")
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for rule in _maps(_map(spec).get(direction)):
            for peer in _maps(rule.get(side)):
                yield from _selected(_map(peer.get("namespaceSelector")))


def _selected(selector: dict[str, Any]) -> Iterator[str]:
    if isinstance(name := _map(selector.get("matchLabels")).get(NAMED), str):
        yield name
    for wanted in _maps(selector.get("matchExpressions")):
        values = wanted.get("values")
        if wanted.get("key") == NAMED and wanted.get("operator") == "In" and isinstance(values, list):
            yield from (v for v in values if isinstance(v, str))


def _pools(manifest: Form) -> Iterator[Attachment]:
    notes = _map(_map(manifest["metadata"]).get("annotations"))
    for key, kind in sorted(_POOLS.items()):
        for name in sorted({n.strip() for n in str(notes.get(key, "")).split(",")} - {""}):
            yield _network(kind, name)


def _maps(value: Any) -> Iterator[dict[str, Any]]:
    return (v for v in value if isinstance(v, dict)) if isinstance(value, list) else iter(())


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
