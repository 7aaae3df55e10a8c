"""What the kernel reads of the facts: who is reached where, what data is made of, what is whose. Written for it alone.

Called by `policies.kernel`, and by nothing that Cedar's read set is made of: this is the second opinion's half of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from estate.attachments import Attachment, AttachmentSort
from estate.ids import ClusterId, Country, DatasetId, EntityId, MachineGroupId, NodeId, TenantId, WorkloadId
from estate.law import Facts, Network, Pool, Volume
from estate.snapshots import Snapshot
from estate.workloads import Workload


def ancestry(facts: Facts, workload: Workload) -> set[DatasetId]:
    """Its data and all that it was made from and not declassified of, grown until it stands still."""
    held = set(workload.datasets)
    while True:
        made = {(d, p) for d in facts.datasets if d.id in held for p in d.derived_from}
        grown = held | {p for d, p in made if d.declassified is None or p not in d.declassified.of}
        if grown == held:
            return held
        held = grown


def borrows(facts: Facts, workload: Workload, at: datetime) -> bool:
    """Whether any of that is somebody else's who has not granted it."""
    granted = {
        g.dataset
        for g in facts.grants
        if g.to == workload.tenant and at < g.valid_until and workload.cluster in (g.clusters or (workload.cluster,))
    }
    needed = {d.id for d in facts.datasets if d.tenant != workload.tenant} & ancestry(facts, workload)
    return not needed <= granted


def outlived(facts: Facts, workload: Workload, at: datetime) -> bool:
    """Whether its data reaches a country that instruments name of which none is in force."""
    places, powers = exposed_places(facts, workload.cluster), exposed_powers(facts, workload.cluster)
    for dataset in facts.datasets:
        if dataset.id in ancestry(facts, workload):
            named = {c for t in dataset.transfers for c in t.to}
            alive = {c for t in dataset.transfers if at < t.valid_until for c in t.to}
            if (named - alive) & (places | powers | exposed_hands(facts, workload.cluster)):
                return True
    return False


def exposed_places(facts: Facts, name: ClusterId) -> set[Country]:
    """Where bytes come to rest; empty when anything of it is unknown."""
    for cluster in facts.clusters:
        if cluster.id == name:
            site = next(s for s in facts.sites if s.id == cluster.site)
            kept = (site.replicas_in, site.backups_in, site.telemetry_in)
            stored = {site.country, *cluster.control_plane_in}
            return stored.union(*kept) if all(kept) else set()
    return set()


def exposed_powers(facts: Facts, name: ClusterId) -> set[Country]:
    """Who can compel: the closure over control, computed by growing the set of entities until it stands still."""
    for cluster in facts.clusters:
        if cluster.id == name:
            site = next(s for s in facts.sites if s.id == cluster.site)
            held: set[EntityId] = {site.owner, cluster.operator, cluster.key_holder, cluster.update_authority}
            return _powers_over(facts, held | set(cluster.subprocessors))
    return set()


def _powers_over(facts: Facts, held: set[EntityId]) -> set[Country]:
    while (grown := held | {p for e in facts.entities if e.id in held for p in e.parents}) != held:
        held = grown
    return {c for e in facts.entities if e.id in held for c in (e.seat, *e.compelled_by)}


def exposed_keys(facts: Facts, name: ClusterId) -> set[Country]:
    """Who can compel whoever holds the keys."""
    return {c for k in facts.clusters if k.id == name for c in _powers_over(facts, {k.key_holder})}


def exposed_hands(facts: Facts, name: ClusterId) -> set[Country]:
    """Who can act; empty when anything of it is unknown."""
    for cluster in facts.clusters:
        if cluster.id == name:
            acting = (cluster.update_authority, cluster.stop_authority)
            seats = {e.seat for e in facts.entities if e.id in acting}
            known = cluster.admins_in and cluster.support_in
            return {*cluster.admins_in, *cluster.support_in, *seats} if known else set()
    return set()


def is_provided(facts: Facts, pool: Pool, group: MachineGroupId) -> bool:
    """Whether the cluster names who provides the machines, and racks are named where the site is the provider's own."""
    clusters = [c for c in facts.clusters if c.id == pool.cluster]
    if not clusters:
        return False
    at = clusters[0]
    owner = next(s.owner for s in facts.sites if s.id == at.site)
    written = group.split(".", 3)
    seen = written[2:3] != ["workers"] or len(written) < 4 or any(c.id == written[0] for c in facts.clusters)
    named = pool.provider in (owner, at.operator, *at.subprocessors)
    return seen and named and not (pool.provider == owner and not pool.racks)


def mounts(facts: Facts, workload: Workload) -> bool:
    """Whether any volume of it is not its tenant's."""
    return any(not _attachable(facts, workload, a) for a in workload.attachments if a.sort is AttachmentSort.STORAGE)


def joins(facts: Facts, workload: Workload, fresh: Iterable[NodeId]) -> bool:
    """Whether any network of it, or of a machine that it comes to, is not its tenant's."""
    new = set(fresh)
    others = (n for n in facts.networks if not _admitted(n, workload.tenant))
    networks = (a for a in workload.attachments if a.sort is AttachmentSort.NETWORK)
    return any(not new.isdisjoint(n.nodes) for n in others) or any(
        not _attachable(facts, workload, a) for a in networks
    )


def _attachable(facts: Facts, workload: Workload, found: Attachment) -> bool:
    named = _Name(found.kind, found.name, found.namespace or workload.namespace)
    return _is_own(facts, workload.tenant, workload.cluster, named)


class _Name(NamedTuple):
    """What a cluster calls a volume or a network, and the namespace that it is in if it is in one."""

    kind: str
    name: str
    space: str = ""

    @property
    def inside(self) -> str | None:
        """The namespace whose tenant's it is; None where no namespace says."""
        own = {"claim": self.space, "network-attachment": self.space, "namespace": self.name}
        return own.get(self.kind)

    @property
    def written(self) -> str:
        """As facts write it."""
        middle = [] if self.kind == "namespace" or self.inside is None else [self.space]
        return "/".join(p for p in (self.kind, *middle, self.name) if p)


def _is_own(facts: Facts, own: TenantId, cluster: ClusterId, called: _Name) -> bool:
    """By what volumes and networks say of that name, else by the namespace that it lies in, else by its kind."""
    key = cluster, called.written
    belongings: list[Volume | Network] = [*facts.volumes, *facts.networks]
    told = [_admitted(b, own) for b in belongings for n in b.names if (n.cluster, n.name) == key]
    if told or called.inside is None:
        return all(told) if told else called.kind in {"storage-class", "host-path", "host-network", "address-pool"}
    space = called.inside
    owners = [t.id for t in facts.tenants for n in t.namespaces if (n.cluster, n.name) == (cluster, space)]
    return owners[-1:] == [own] or (called.kind == "namespace" and is_the_clusters(space))


def _admitted(belonging: Volume | Network, tenant: TenantId) -> bool:
    return belonging.everybody or tenant in belonging.tenants


def reaches_out(facts: Facts, own: TenantId, cluster: ClusterId, manifest: Any) -> bool:
    """Whether an object names a network that is not its tenant's."""
    named = [_Name("namespace", n) for n in _let_in(manifest)] + [*_pooled(manifest)]
    return any(not _is_own(facts, own, cluster, name) for name in named)


def _let_in(manifest: Any) -> set[str]:
    """Every namespace that a network policy names anywhere in its peers."""
    if manifest["kind"] != "NetworkPolicy":
        return set()
    rules = [r for d in ("ingress", "egress") for r in _listed(manifest.get("spec"), d)]
    peers = [p for rule in rules for side in ("from", "to") for p in _listed(rule, side)]
    selectors = [s for p in peers if isinstance(p, dict) and isinstance(s := p.get("namespaceSelector"), dict)]
    label = "kubernetes.io/metadata.name"
    exact = [m[label] for s in selectors if isinstance(m := s.get("matchLabels"), dict) and label in m]
    wanted = [e for s in selectors for e in _listed(s, "matchExpressions") if isinstance(e, dict)]
    listed = [v for e in wanted if (e.get("key"), e.get("operator")) == (label, "In") for v in _listed(e, "values")]
    return {v for v in (*exact, *listed) if isinstance(v, str)}


def _pooled(manifest: Any) -> Iterator[_Name]:
    """The pools and subnets that the annotations of a Service name."""
    notes = manifest["metadata"].get("annotations", {}) if manifest["kind"] == "Service" else {}
    for key, value in notes.items():
        if key in {"metallb.io/address-pool", "metallb.universe.tf/address-pool"}:
            kind = "address-pool"
        elif re.fullmatch(r"(networking\.gke\.io|service\.beta\.kubernetes\.io)/.*subnets?", key):
            kind = "subnet"
        else:
            continue
        yield from (_Name(kind, part.strip()) for part in value.split(",") if part.strip())


def _listed(found: Any, field: str) -> list[Any]:
    value = found.get(field) if isinstance(found, dict) else None
    return value if isinstance(value, list) else []


def is_the_clusters(namespace: str) -> bool:
    """Whether a namespace is the cluster's or the house's own."""
    return re.match(r"kube-|openshift-|.*-(system|operator)$", namespace) is not None


def told_of(texts: Iterable[str], base: Snapshot) -> set[TenantId]:
    """Whoever is named in these texts, or has the work or the data that is named there."""
    words = {w.strip(".-") for text in texts for w in re.split(r"[^a-z0-9.\-]", text)}
    facts, work = base.facts, [base.workload(WorkloadId(w)) for w in words]
    owners = [t.id for t in facts.tenants if t.id in words] + [d.tenant for d in facts.datasets if d.id in words]
    return {*owners, *(w.tenant for w in work if w is not None)}
