"""What a copy shall be, whole and placed, or what stands against it where it shall run.

Called by `copying` before anything is written, and by its dry run. Pure but for its looks at both clusters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from estate.ids import NodeId
from estate.results import Refusal
from tools.execution.kubernetes import autoscalers, blueprints, needs, owners, placing, templates
from tools.execution.kubernetes.listing import listed
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.reaching import Household
from tools.execution.kubernetes.seating import hostnames
from tools.execution.kubernetes.sites import Site, refused
from tools.kubernetes import workloads
from tools.kubernetes.connecting import Object
from tools.kubernetes.resources import BUDGETS

_NOT_YET: Final = "not-yet-known"
"""The uid of what is not made yet: whoever reads objects asks for one."""


async def form(means: Means, site: Site, household: Household, coming: Sequence[Object] = ()) -> Object | Refusal:
    """All that the copy shall be, or what stands against it."""
    if why := placing.uneven(Counter({str(n): c for n, c in site.seats.items()})):
        return refused(site.about, f"cannot be placed so: {why}")
    form = blueprints.blueprint(household.owner.raw, site.about)
    if isinstance(form, Refusal):
        return form
    here = [c for c in coming if _namespace(c) == site.address.namespace]
    if refusal := await _objection(means, site, household, form, here):
        return refusal
    found = await hostnames(means.reach, site.seats)
    return found if isinstance(found, Refusal) else _placed(site, form, found)


def _placed(site: Site, form: Object, found: dict[NodeId, str]) -> Object:
    label = owners.KINDS[site.address.resource.kind.lower()].revision_label
    seats = Counter({found[n]: c for n, c in site.seats.items()})
    wanted = placing.spread(seats, form["spec"]["selector"], label)
    return templates.with_replicas(templates.beside(form, wanted), site.replicas)


def _namespace(manifest: Object) -> str:
    return str(manifest["metadata"]["namespace"])


async def _objection(
    means: Means, site: Site, household: Household, form: Object, coming: Sequence[Object]
) -> Refusal | None:
    named = frozenset((c["kind"], c["metadata"]["name"]) for c in coming)
    looking = needs.Looking(site.connection, site.address.namespace, named)
    return (
        _anothers(means, site, household)
        or await _scaled(site, household)
        or await needs.missing(looking, form["spec"]["template"]["spec"], site.about)
        or await _unbudgeted(means, site, household, form, coming)
    )


def _anothers(means: Means, site: Site, household: Household) -> Refusal | None:
    tenant, space = household.workload.tenant, site.address.namespace
    owner = means.reach.facts.tenant_of.get((site.cluster, space))
    if owner == tenant:
        return None
    whose = f"`{owner}`'s" if owner else "nobody's by any signed fact"
    why = f"belongs to `{tenant}`, and the namespace `{space}` of `{site.cluster}` is {whose}"
    return refused(site.about, f"{why}; copy it to one of its own")


async def _scaled(site: Site, household: Household) -> Refusal | None:
    """With an autoscaler the number of replicas would be nobody's decision, here or there."""
    owner = household.owner
    for connection, address in ((owner.connection, owner.address), (site.connection, site.address)):
        if scaler := await autoscalers.scaling(connection, address):
            why = f"is scaled by the HorizontalPodAutoscaler `{scaler}`, which does not come along; delete it first"
            return refused(site.about, why)
    return None


async def _unbudgeted(
    means: Means, site: Site, household: Household, form: Object, coming: Sequence[Object]
) -> Refusal | None:
    """A budget is a promise to whoever uses the workload; it stands there as well before the workload does."""
    needed = household.workload.contract.min_available
    budgets = [c | {"metadata": c["metadata"] | {"uid": _NOT_YET}} for c in coming if c["kind"] == BUDGETS.kind]
    budgets += await listed(site.connection, BUDGETS, site.address.namespace)
    resource, about = site.address.resource, {"name": site.address.name, "namespace": site.address.namespace}
    raw = {"kind": resource.kind, "apiVersion": resource.api_version, "spec": form["spec"]}
    raw |= {"metadata": form["metadata"] | about | {"uid": _NOT_YET}}
    there = workloads.workload(raw, (), budgets, means.reach.facts, site.cluster)
    if there is None or there.contract.min_available >= needed:
        return None
    why = f"is promised {needed} available replicas by a disruption budget, and none there promises as many"
    return refused(site.about, f"{why}; apply that budget there first (ApplyManifest)")
