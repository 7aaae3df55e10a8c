"""Tenancy: distance to other tenants, by facts, and namespaces."""

from __future__ import annotations

import numpy as np

from estate.ids import ClusterId, TenantId
from estate.law import Isolation, Tenant
from estate.verdicts import Dimension
from tools.placement.attempts import Attempt
from tools.placement.columns import UNKNOWN_TENANT, Columns, Flags, Ints
from tools.placement.constraints.kinds import Constraint, Masks
from tools.placement.constraints.rules import Refused, Rule, Words, among, chosen
from tools.placement.wishes import Wish


def standing(wish: Wish) -> Masks:
    """Where it would stand too close to others."""
    return {Constraint.ISOLATION: _crowded(wish)}


def enduring(wish: Wish) -> Masks:
    """Where the namespace is not the tenant's."""
    return {Constraint.NAMESPACE: _strange_namespace(wish)}


def _strange_namespace(wish: Wish) -> Flags:
    owner = wish.facts.tenant_of
    mine = [owner.get((n, wish.workload.namespace)) == wish.workload.tenant for n in wish.columns.names.clusters]
    return ~np.array(mine, dtype=np.bool_)[wish.columns.cluster]


def _crowded(wish: Wish) -> Flags:
    """Where the workload would stand closer to another tenant than either of them may."""
    c = wish.columns
    if wish.workload.tenant not in wish.facts.tenant:
        return np.ones(len(c.ids), dtype=np.bool_)
    refused = np.zeros(len(c.ids), dtype=np.bool_)
    somewhere = c.present.any(axis=1)
    for position, (kept, shared) in distances(wish).items():
        if somewhere[position] or kept is Isolation.DEDICATED_CLUSTER:
            refused |= _too_close(c, c.present[position], kept, shared)
    return refused


def distances(wish: Wish) -> dict[int, tuple[Isolation, frozenset[ClusterId]]]:
    """By row of `present`: who is to be kept off the workload's node at least, how far, and the clusters they share."""
    mine, names = wish.facts.tenant[wish.workload.tenant], wish.columns.names.tenants
    found: dict[int, tuple[Isolation, frozenset[ClusterId]]] = {}
    for position, name in enumerate((*names, None)):
        other = wish.facts.tenant.get(name) if name else None
        kept = distance(mine, other)
        if name != mine.id and kept is not Isolation.SHARED_NODE:
            found[position] = kept, _clusters_of(other)
    return found


def _clusters_of(tenant: Tenant | None) -> frozenset[ClusterId]:
    """The clusters that a tenant shares, by the namespaces that facts give it."""
    return frozenset(n.cluster for n in tenant.namespaces) if tenant else frozenset()


_DISTANCES = (
    Isolation.SHARED_NODE,
    Isolation.DEDICATED_NODE,
    Isolation.DEDICATED_RACK,
    Isolation.DEDICATED_CLUSTER,
)


def distance(mine: Tenant, other: Tenant | None) -> Isolation:
    """How far two tenants must stand apart: the stricter of both. `apart_from` means at least another node.

    A tenant that no fact knows is kept off node and rack, as the gate does.
    """
    if other is None:
        return max(mine.isolation, Isolation.DEDICATED_RACK, key=_DISTANCES.index)
    apart = other.id in mine.apart_from or mine.id in other.apart_from
    least = Isolation.DEDICATED_NODE if apart else Isolation.SHARED_NODE
    return max(mine.isolation, other.isolation, least, key=_DISTANCES.index)


def _too_close(columns: Columns, present: Flags, kept: Isolation, shared: frozenset[ClusterId]) -> Flags:
    """The nodes nearer to a tenant than `kept` (another node at least).

    It is `present` on nodes, and has namespaces in `shared` clusters.
    """
    if kept is Isolation.DEDICATED_NODE:
        return present
    near = present | among(len(columns.names.racks), columns.rack[present & (columns.rack >= 0)])[columns.rack]
    if kept is Isolation.DEDICATED_RACK:
        return near
    clusters = [i for i, c in enumerate(columns.names.clusters) if c in shared]
    return near | among(len(columns.names.clusters), clusters)[columns.cluster]


def tenants_on(wish: Wish, rows: Ints) -> tuple[TenantId, ...]:
    """The other tenants with work on any of these nodes."""
    c = wish.columns
    known = np.flatnonzero(c.present[:UNKNOWN_TENANT, rows].any(axis=1))
    strangers = (c.ids[r] for r in rows[c.present[UNKNOWN_TENANT, rows]])
    held = {w.tenant for node in strangers for w in wish.snapshot.workloads_on(node)}
    return tuple(sorted({*held, *(c.names.tenants[t] for t in known)} - {wish.workload.tenant}))


def _isolation_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    others = tenants_on(wish, np.flatnonzero(refused))
    found = f"work of {', '.join(others)}" if others else "another tenant in the same rack or cluster"
    return f"a place that `{wish.workload.tenant}` may share", found, "use a node without that tenant's work"


def _namespace_words(by: Refused) -> Words:
    wish, refused = by.wish, by.refused
    names = wish.columns.names.clusters
    clusters = ", ".join(sorted({names[c] for c in wish.columns.cluster[refused]}))
    space = wish.workload.namespace
    remedy = f"give `{space}` of that cluster to `{wish.workload.tenant}` in the signed facts"
    return f"namespace `{space}` of `{wish.workload.tenant}`", f"not theirs in {clusters}", remedy


def _isolation_relaxed(wish: Wish, attempt: Attempt) -> str:
    others = tenants_on(wish, np.array(attempt.rows))
    who = f" from {', '.join(f'`{t}`' for t in others)}" if others else ""
    return f"clear {chosen(wish, attempt)}{who}: tenants may not stand that close"


def _namespace_relaxed(wish: Wish, attempt: Attempt) -> str:
    given = f"give namespace `{wish.workload.namespace}` there to `{wish.workload.tenant}` in the signed facts"
    return f"{given}; {chosen(wish, attempt)} would do"


RULES = (
    Rule(
        Constraint.ISOLATION,
        _isolation_words,
        _isolation_relaxed,
        "a place that keeps the promised distance from others",
        Dimension.TENANT,
    ),
    Rule(
        Constraint.NAMESPACE,
        _namespace_words,
        _namespace_relaxed,
        "a cluster where the namespace is yours",
        Dimension.TENANT,
    ),
)
