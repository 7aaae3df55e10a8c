"""The drifts of clusters from the templates that they and their services are made from. Pure.

Called for the clusters that changed, and for all of them when a template did. A template is one revision or more; what
was applied is one of them, or the cluster is no longer what its template says. Nobody's drift: a newer template that
nobody asked for, which `upgrades_to` tells.
"""

from __future__ import annotations

from collections.abc import Iterator

from estate.drifts import Basis, Drift
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.things import Thing, ThingKind
from estate.uses.clusters import ClusterState, Deployed, Revision, Template
from tools.drift import matters
from tools.drift.objects import shown

_RESTORED = "name a template that is there and valid where the cluster is deployed, and let its system roll it out"


def of_cluster(cluster: ClusterState, observed: Snapshot) -> Iterator[Drift]:
    """What it is made from, and each service that is laid on it, against its template."""
    if cluster.made_from is not None:
        yield from _of_made(cluster, cluster.made_from, "made_from", observed)
    for service in cluster.services:
        yield from _of_made(cluster, service, f"services[template={service.template}]", observed)


def _of_made(cluster: ClusterState, made: Deployed, path: str, observed: Snapshot) -> Iterator[Drift]:
    template = observed.stock.get(Ref("template", made.template))
    if not isinstance(template, Template):
        yield _drift(cluster, f"{path}.template", made.template, None)
        return
    applied = _revision(template, made.version)
    if applied is None:
        yield _drift(cluster, f"{path}.version", _versions(template), made.version)
    elif applied.valid is False:
        yield _drift(cluster, f"{path}.valid", "true", "false")


def _revision(template: Template, version: str) -> Revision | None:
    """The revision that was applied; the newest one where nobody says which."""
    if not version:
        return template.revisions[-1]
    return next((r for r in template.revisions if r.version == version), None)


def _versions(template: Template) -> str:
    return " or ".join(r.version for r in template.revisions)


def _drift(cluster: ClusterState, path: str, desired: str, found: str | None) -> Drift:
    rule = matters.rule("cluster", path)
    return Drift(
        about=Thing(kind=ThingKind.CLUSTER, id=cluster.id),
        called=f"cluster/{cluster.id}",
        cluster=cluster.id,
        basis=Basis.TEMPLATE,
        path=path,
        desired=shown(desired),
        observed=shown(found),
        matter=rule.matter,
        why=rule.why,
        no_change=_RESTORED,
    )
