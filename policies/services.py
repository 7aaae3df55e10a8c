"""Who provides what to whom, as one law base says: the rows of a register of information (DORA Art. 28(3)).

They go into the ledger with the facts that are put in force, so that the register of any day can be told from the
ledger alone. Pure; `policies.signed_facts` calls it.
"""

from __future__ import annotations

from collections.abc import Iterator

from estate.canonical import Json
from estate.ids import EntityId
from estate.law import Cluster, Facts


def services(facts: Facts) -> list[Json]:
    """One row for each entity and what it does for each cluster, by cluster; rank 1 provides, rank 2 stands behind."""
    return [
        _row(facts, cluster, entity, role, rank)
        for cluster in sorted(facts.clusters, key=lambda c: c.id)
        for entity, role, rank in _roles(facts, cluster)
    ]


def _roles(facts: Facts, cluster: Cluster) -> Iterator[tuple[EntityId, str, int]]:
    yield facts.site[cluster.site].owner, "site owner", 1
    yield cluster.operator, "operator", 1
    yield cluster.key_holder, "key holder", 1
    yield cluster.update_authority, "update authority", 1
    yield cluster.stop_authority, "stop authority", 1
    for entity in cluster.subprocessors:
        yield entity, "subprocessor", 2


def _row(facts: Facts, cluster: Cluster, entity: EntityId, role: str, rank: int) -> dict[str, Json]:
    known, site = facts.entity[entity], facts.site[cluster.site]
    tenants = sorted({t.entity for t in facts.tenants if any(n.cluster == cluster.id for n in t.namespaces)})
    return {
        "provider": entity,
        "provider_name": known.name,
        "provider_country": known.seat,
        "parents": [*known.parents],
        "ultimate_parent": known.ultimate_parent,
        "role": role,
        "rank": rank,
        "service": cluster.id,
        "site": site.id,
        "data_at_rest": [*sorted({site.country, *site.replicas_in, *site.backups_in})],
        "served": [*tenants],
    }
