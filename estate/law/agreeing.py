"""What must agree within one file of facts: every name is defined once, and what is said later contradicts nothing.

Called when `Facts` are read. Raises ValueError, with the path, the offending value and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from estate.law.entities import LegalEntity
from estate.records import doubled

if TYPE_CHECKING:
    from estate.law.facts import Facts

type _Named = tuple[str, str, Container[str]]
"""The path of a reference, the name that stands there, and the names that are defined."""


def check(facts: Facts) -> None:
    """Raise ValueError at the first thing that does not agree."""
    _check_unique(facts)
    for path, value, known in _references(facts):
        if value not in known:
            raise ValueError(f"{path}: `{value}` is not defined in this file; add it or correct the name")
    for entity in facts.entities:
        _check_control(entity, facts)
        _check_compulsions(entity)
    _check_no_circle({t.id: (t.parent,) if t.parent else () for t in facts.tenants}, "tenants", "parent")
    _check_no_circle({d.id: d.derived_from for d in facts.datasets}, "datasets", "derived_from")


def _check_unique(facts: Facts) -> None:
    for field in (
        "entities",
        "sites",
        "racks",
        "clusters",
        "tenants",
        "datasets",
        "registrations",
        "volumes",
        "networks",
        "pools",
    ):
        ids = [item.id for item in getattr(facts, field)]
        if twice := doubled(ids):
            raise ValueError(f"{field}: `{twice[0]}` is there twice; keep one")
    placed = [n for r in facts.racks for n in r.nodes]
    if len(placed) != len(set(placed)):
        raise ValueError("racks: a node stands in two racks; keep one")
    if claimed := doubled([f"{n.cluster}/{n.name}" for t in facts.tenants for n in t.namespaces]):
        raise ValueError(f"tenants: namespace `{claimed[0]}` is claimed twice; it belongs to one tenant")


def _references(facts: Facts) -> Iterator[_Named]:
    """Every name that one fact gives of another, with its path and what defines such names."""
    for site in facts.sites:
        yield f"sites.{site.id}.owner", site.owner, facts.entity
    for rack in facts.racks:
        yield f"racks.{rack.id}.site", rack.site, facts.site
    yield from _of_clusters(facts)
    yield from _of_tenants(facts)
    yield from _of_registrations(facts)
    yield from _of_belongings(facts)
    yield from _of_pools(facts)
    for person in facts.entities:
        for parent in person.parents:
            yield f"entities.{person.id}.parents", parent, facts.entity
        for holding in person.holdings:
            yield f"entities.{person.id}.holdings", holding.holder, facts.entity


def _of_clusters(facts: Facts) -> Iterator[_Named]:
    for cluster in facts.clusters:
        yield f"clusters.{cluster.id}.site", cluster.site, facts.site
        for role in ("operator", "key_holder", "update_authority", "stop_authority"):
            yield f"clusters.{cluster.id}.{role}", getattr(cluster, role), facts.entity
        for entity in cluster.subprocessors:
            yield f"clusters.{cluster.id}.subprocessors", entity, facts.entity


def _of_tenants(facts: Facts) -> Iterator[_Named]:
    for tenant in facts.tenants:
        yield f"tenants.{tenant.id}.entity", tenant.entity, facts.entity
        if tenant.parent is not None:
            yield f"tenants.{tenant.id}.parent", tenant.parent, facts.tenant
        for other in tenant.apart_from:
            yield f"tenants.{tenant.id}.apart_from", other, facts.tenant
        for quota in tenant.quotas:
            if quota.site is not None:
                yield f"tenants.{tenant.id}.quotas", quota.site, facts.site
    for dataset in facts.datasets:
        yield f"datasets.{dataset.id}.tenant", dataset.tenant, facts.tenant
        for origin in dataset.derived_from:
            yield f"datasets.{dataset.id}.derived_from", origin, facts.dataset
        for lifted in dataset.declassified.of if dataset.declassified else ():
            yield f"datasets.{dataset.id}.declassified.of", lifted, dataset.derived_from
    for number, grant in enumerate(facts.grants):
        yield f"grants.{number}.dataset", grant.dataset, facts.dataset
        yield f"grants.{number}.to", grant.to, facts.tenant
        for cluster in grant.clusters:
            yield f"grants.{number}.clusters", cluster, facts.cluster


def _of_registrations(facts: Facts) -> Iterator[_Named]:
    for found in facts.registrations:
        at = f"registrations.{found.id}"
        yield f"{at}.owner", found.owner, facts.entity
        for tenant in found.tenants:
            yield f"{at}.tenants", tenant, facts.tenant
        if found.weights is not None:
            yield f"{at}.weights", found.weights, facts.dataset
        if found.endpoint is not None:
            for entity in (found.endpoint.operator, *found.endpoint.subprocessors):
                yield f"{at}.endpoint", entity, facts.entity


def _of_belongings(facts: Facts) -> Iterator[_Named]:
    for field, things in (("volumes", facts.volumes), ("networks", facts.networks)):
        for found in things:
            for tenant in found.tenants:
                yield f"{field}.{found.id}.tenants", tenant, facts.tenant
            for name in found.names:
                yield f"{field}.{found.id}.names", name.cluster, facts.cluster
    for network in facts.networks:
        for node in network.nodes:
            yield f"networks.{network.id}.nodes", node, facts.rack_of


def _of_pools(facts: Facts) -> Iterator[_Named]:
    for pool in facts.pools:
        at = f"pools.{pool.id}"
        yield f"{at}.cluster", pool.cluster, facts.cluster
        yield f"{at}.provider", pool.provider, facts.entity
        if pool.tenant is not None:
            yield f"{at}.tenant", pool.tenant, facts.tenant
        here = facts.racks_at.get(facts.cluster[pool.cluster].site, ()) if pool.cluster in facts.cluster else ()
        for rack in pool.racks:
            yield f"{at}.racks", rack, here


def _check_control(entity: LegalEntity, facts: Facts) -> None:
    """The rules follow `parents`: no holding that controls may stand beside them unsaid."""
    at = f"entities.{entity.id}"
    for holding in entity.holdings:
        if holding.controls and holding.holder not in entity.parents:
            raise ValueError(f"{at}.holdings: `{holding.holder}` controls it; name it in `parents` too")
    top = entity.ultimate_parent
    if top is None:
        return
    tops = {e for e in _above(entity.id, lambda e: facts.entity[e].parents) if not facts.entity[e].parents}
    if top not in tops:
        found = ", ".join(f"`{t}`" for t in sorted(tops)) or "nobody"
        raise ValueError(f"{at}.ultimate_parent: `{top}` is not where its parents end ({found}); correct one of them")


def _check_compulsions(entity: LegalEntity) -> None:
    known = {entity.seat, *entity.compelled_by}
    for compulsion in entity.compulsions:
        if compulsion.country not in known:
            raise ValueError(
                f"entities.{entity.id}.compulsions: `{compulsion.country}` is neither its seat nor in `compelled_by`; "
                "add it there, the rules read those"
            )


def _above[Id: str](start: Id, parents: Callable[[Id], Iterable[Id]]) -> set[Id]:
    """Everything that `parents` lead to from `start`, without it unless they lead back."""
    found: set[Id] = set()
    waiting = list(parents(start))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(parents(name))
    return found


def _check_no_circle[Id: str](parents: Mapping[Id, Iterable[Id]], field: str, by: str) -> None:
    for name in parents:
        if name in _above(name, lambda n: parents[n]):
            raise ValueError(f"{field}.{name}.{by}: `{name}` would be above itself; correct the chain")
