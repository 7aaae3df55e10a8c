"""CopyWorkload on Kubernetes: a controller is made once more in another cluster, placed before its first pod exists,
and seen to run where the plan says; or it is taken away again.

What is copied says `blueprints`, what must be there already `needs`. Refused besides: what an autoscaler scales (its
replicas are nobody's decision), a disruption budget that does not hold there as well, a namespace there of another
tenant, and an executor that writes only one of the two clusters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from estate import names
from estate.changes import CopyWorkload
from estate.changes.kinds import unknown, workload_thing
from estate.conditions import Condition
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import (
    autoscalers,
    blueprints,
    ending,
    keys,
    needs,
    owners,
    ownership,
    placing,
    templates,
)
from tools.execution.kubernetes.evicting import Unfinished
from tools.execution.kubernetes.goals import Seats
from tools.execution.kubernetes.means import Means
from tools.execution.kubernetes.reaching import Household, listed
from tools.execution.kubernetes.seating import hostnames, told
from tools.execution.kubernetes.writing import Address, Found, Outrun, apply, create, find, held_by
from tools.execution.port import StepKey
from tools.kubernetes import workloads
from tools.kubernetes.connecting import Connection, Object
from tools.kubernetes.resources import BUDGETS

_NOT_YET = "not-yet-known"
"""The uid of what is not made yet: who reads objects asks for one."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the copy shall be, and what is asked there."""

    about: str
    """The workload that is copied."""
    id: WorkloadId
    cluster: ClusterId
    connection: Connection
    address: Address
    seats: Seats

    @property
    def replicas(self) -> int:
        """How many pods."""
        return self.seats.total()


async def write(means: Means, key: StepKey, change: CopyWorkload, preconditions: Sequence[Condition]) -> Refusal | None:
    """Make the copy once, and see it run. A refusal says that nothing of it is left. Raises as the port says."""
    site = await _site(means, change)
    if isinstance(site, Refusal):
        return site

    async def attempt() -> Found | Refusal:
        return await _begin(means, key, change, site, preconditions)

    made = await means.patience.insist(attempt, only=Outrun)
    return made if isinstance(made, Refusal) else await _followed(means, site, made)


async def rehearsed(means: Means, key: StepKey, change: CopyWorkload, coming: Sequence[Object] = ()) -> Refusal | None:
    """Why the copy would be refused, with a dry run of its creation. `coming` is what earlier steps apply there."""
    site = await _site(means, change)
    if isinstance(site, Refusal):
        return site
    if await find(site.connection, site.address) is not None:
        return _taken(site)
    household = await means.reach.household(change.workload)
    if household is None:
        return unknown(change.target())
    form = await _form(means, site, household, coming)
    made = form if isinstance(form, Refusal) else await _created(site, key, form, dry_run=True)
    return made if isinstance(made, Refusal) else None


async def _site(means: Means, change: CopyWorkload) -> Site | Refusal:
    reach, about = means.reach, str(change.target())
    here = ClusterId(change.workload.partition(".")[0])
    for cluster in (here, change.to_cluster):
        if not reach.holds(cluster):
            why = (
                f"is copied by an executor that writes both `{here}` and `{change.to_cluster}`, and this one does not"
                f" write `{cluster}`; give one executor the credentials of both"
            )
            return _no(about, why)
    place = reach.place(change.workload)
    if place is None:
        return unknown(change.target())
    if refusal := owners.unsupported(place.kind, about):
        return refusal
    assert place.resource is not None, "a kind that is supported is read"
    space = change.namespace or place.namespace
    address = Address(place.resource, place.name, space)
    made = names.workload_id(change.to_cluster, space, f"{place.kind}.{place.name}")
    if not made.endswith(f".{place.name}"):
        return _no(about, "would have an id there that is too long to be told of; give it a shorter name")
    connection = await reach.connection(change.to_cluster)
    seats = Counter(b.node for b in change.bindings)
    return Site(about, made, change.to_cluster, connection, address, seats)


async def _begin(
    means: Means, key: StepKey, change: CopyWorkload, site: Site, preconditions: Sequence[Condition]
) -> Found | Refusal:
    """The copy, made now or by an earlier attempt of this step; what that one took away is awaited first."""
    found = await find(site.connection, site.address)
    if found is not None and keys.holds(found.raw, key):
        if not ending.is_ending(found):
            return found
        await ending.ended(means.limits, found)
    elif found is not None:
        return _taken(site)
    household = await means.reach.household(change.workload)
    if household is None:
        return unknown(change.target())
    if refusal := await means.unmet(preconditions, household.workload):
        return refusal
    form = await _form(means, site, household)
    return form if isinstance(form, Refusal) else await _made(site, key, form)


async def _form(means: Means, site: Site, household: Household, coming: Sequence[Object] = ()) -> Object | Refusal:
    """All that the copy shall be, or what stands against it."""
    if why := placing.uneven(Counter({str(n): c for n, c in site.seats.items()})):
        return _no(site.about, f"cannot be placed so: {why}")
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
    facts, workload = means.reach.facts, household.workload
    owner = facts.tenant_of.get((site.cluster, site.address.namespace))
    if owner != workload.tenant:
        whose = f"`{owner}`'s" if owner else "nobody's by any signed fact"
        where = f"namespace `{site.address.namespace}` of `{site.cluster}`"
        return _no(site.about, f"belongs to `{workload.tenant}`, and the {where} is {whose}; copy it to one of its own")
    for connection, address in ((household.owner.connection, household.owner.address), (site.connection, site.address)):
        if scaler := await autoscalers.scaling(connection, address):
            why = f"is scaled by the HorizontalPodAutoscaler `{scaler}`, which does not come along; delete it first"
            return _no(site.about, why)
    named = {(c["kind"], c["metadata"]["name"]) for c in coming}
    looking = needs.Looking(site.connection, site.address.namespace, frozenset(named))
    if refusal := await needs.missing(looking, form["spec"]["template"]["spec"], site.about):
        return refusal
    budgets = [c | {"metadata": c["metadata"] | {"uid": _NOT_YET}} for c in coming if c["kind"] == BUDGETS.kind]
    budgets += await listed(site.connection, BUDGETS, site.address.namespace)
    return _unbudgeted(means, site, household, form, budgets)


def _unbudgeted(
    means: Means, site: Site, household: Household, form: Object, budgets: Sequence[Object]
) -> Refusal | None:
    """A budget is a promise to whoever uses the workload; it stands there as well before the workload does."""
    needed = household.workload.contract.min_available
    resource, about = site.address.resource, {"name": site.address.name, "namespace": site.address.namespace}
    raw = {"kind": resource.kind, "apiVersion": resource.api_version, "spec": form["spec"]}
    raw |= {"metadata": form["metadata"] | about | {"uid": _NOT_YET}}
    there = workloads.workload(raw, (), budgets, means.reach.facts, site.cluster)
    if there is None or there.contract.min_available >= needed:
        return None
    why = f"is promised {needed} available replicas by a disruption budget, and none there promises as many"
    return _no(site.about, f"{why}; apply that budget there first (ApplyManifest)")


async def _created(site: Site, key: StepKey, form: Object, *, dry_run: bool = False) -> Found | Refusal:
    made = await create(site.connection, site.address, str(key), form, dry_run=dry_run)
    if isinstance(made, Refusal) and made.code is RefusalCode.UNKNOWN_TARGET:
        space = site.address.namespace
        return _no(site.about, f"has no namespace `{space}` in `{site.cluster}`; have an administrator make it")
    return made


async def _made(site: Site, key: StepKey, form: Object) -> Found | Refusal:
    """The copy, unless somebody made one in the same moment: then our part of it is given up again."""
    made = await _created(site, key, form)
    if isinstance(made, Refusal) or not (others := ownership.strangers(made.raw)):
        return made
    taken_back = await apply(made, keys.stamped(made.raw, key, withdrawn=True), {})
    return taken_back if isinstance(taken_back, Refusal) else held_by(site.address, others)


async def _followed(means: Means, site: Site, made: Found) -> Refusal | None:
    """Wait until every pod serves where the plan says; else take the copy away and say what became of it."""

    async def look() -> Household | None:
        return await means.reach.household(site.id)

    deadline = means.limits.deadline(means.limits.bind)
    seen = await deadline.until(look, lambda h: h is None or _runs(means, site, h))
    if seen is not None and _runs(means, site, seen):
        return None
    refusal = _no(site.about, "was copied, and somebody deleted the copy") if seen is None else _late(means, site, seen)
    await _taken_away(means, made, refusal)
    return refusal


def _runs(means: Means, site: Site, household: Household) -> bool:
    there = means.reach.seats(household)
    exact = there == site.seats and len(household.pods) == site.replicas
    return exact and owners.rolled_out(household.owner.raw)


async def _taken_away(means: Means, made: Found, why: Refusal) -> None:
    async def attempt() -> Found | Refusal | None:
        found = await find(made.connection, made.address)
        if found is None or found.uid != made.uid:
            return None
        return await ending.delete(found, dependents=True) or found

    left = await means.patience.insist(attempt, only=Outrun)
    if isinstance(left, Refusal):
        raise Unfinished(f"{why.message}; it could not be taken away: {left.message}")
    if left is not None:
        await ending.ended(means.limits, left)


def _late(means: Means, site: Site, household: Household) -> Refusal:
    there = means.reach.seats(household)
    pending = sum(1 for p in household.pods if not p["spec"].get("nodeName"))
    ready = (household.owner.raw.get("status") or {}).get("availableReplicas", 0)
    return Refusal(
        code=RefusalCode.NO_CAPACITY,
        about=str(workload_thing(site.id)),
        message=f"after {means.limits.bind:g} s {ready} of {site.replicas} replicas of the copy `{site.id}` serve: its"
        f" pods are on {told(there)}{f', {pending} pending' if pending else ''}, not all on {told(site.seats)}; it was"
        f" taken away and `{site.about}` is as it was; see what keeps them from there",
    )


def _taken(site: Site) -> Refusal:
    why = f"`{site.about}` is not copied: {site.address} is in `{site.cluster}` already; remove or rename that"
    return Refusal(code=RefusalCode.PRECONDITION_FAILED, about=str(workload_thing(site.id)), message=why)


def _no(about: str, why: str) -> Refusal:
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=about, message=f"`{about}` {why}")
