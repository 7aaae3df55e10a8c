"""Where the pods that follow an evicted one could land: nothing is evicted while that may be an unlawful node.

Called by evictions and drains before anything is written. An eviction binds nobody: the owner makes another pod, and
the scheduler puts it on any node that its template and its tolerations allow. That is lawful where each such node is
lawful for the tenant by signed facts and by who stands there, or where the law stands at this cluster's door, compiled
from the very facts in force and read live. Else it is a refusal that says what would make it permissible.

What nobody's pods hold is not seen here, as it is not at the door (`docs/decisions/0019`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from estate.changes.seating import shut_to
from estate.errors import BadInput
from estate.ids import ClusterId, WorkloadId
from estate.results import Refusal, RefusalCode
from estate.workloads import Workload
from policies.admission import lawful
from policies.admission.lawful import Ground, Tenancy
from tools.execution.kubernetes import doors
from tools.execution.kubernetes.listing import listed
from tools.execution.kubernetes.reaching import Place, Reach
from tools.execution.kubernetes.writing import Address, Found, find
from tools.kubernetes import choosing, naming, nodes, objects, resources
from tools.kubernetes.connecting import Connection, Object


@dataclass(frozen=True, slots=True)
class _Landing:
    """One workload of which a pod shall leave."""

    workload: Workload
    ground: Ground
    tenancy: Tenancy | None
    open: tuple[str, ...]
    """The nodes on which its next pod could land, by name."""


async def objection(reach: Reach, left: Found, workload: WorkloadId, pods: Sequence[Object]) -> Refusal | None:
    """Why these pods of one workload may not be evicted from the node that is left, or None."""
    cluster = reach.cluster_of(left)
    made = await reach.workload(workload)
    if made is None or not pods:
        return None
    ground = lawful.survey(reach.facts, cluster)
    tenancy = next((t for t in ground.tenancies if t.tenant == made.tenant), None)
    seen = [n for n in await listed(left.connection, resources.NODES) if n["metadata"]["name"] != left.address.name]
    specs = await _specs(left.connection, reach.place(workload), pods)
    landing = _Landing(made, ground, tenancy, tuple(_open(reach, cluster, made, seen, specs)))
    if joined := _joined(reach, landing):
        return _refused(landing, f"{joined}; move it to nodes of its own networks instead")
    why = await _unlawful(left.connection, landing)
    if why is None:
        return None
    shut = await doors.fault(left.connection, landing.ground, landing.tenancy, seen)
    return None if shut is None else _no(landing, why, shut)


async def _specs(connection: Connection, place: Place | None, pods: Sequence[Object]) -> list[Any]:
    """What the next pods will say: the owner's template; and the pod itself, for an older revision comes back too.

    Nothing is known of the next pods of an owner that Placet does not read.
    """
    if place is None or place.resource is None:
        return []
    owner = await find(connection, Address(place.resource, place.name, place.namespace))
    if owner is None:
        return []
    spec = owner.raw["spec"]
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {}).get("spec")
    return [template, *(p["spec"] for p in pods)] if template is not None else []


def _open(
    reach: Reach, cluster: ClusterId, workload: Workload, seen: Sequence[Object], specs: Sequence[Any]
) -> Iterator[str]:
    """The nodes that some of these specs allow. A node that cannot be read is open: the scheduler may think so."""
    for raw in seen:
        try:
            shut = shut_to(nodes.node(raw, reach.facts, cluster), workload)
        except BadInput:
            shut = None
        if shut is None and (not specs or any(choosing.admits(s, raw) for s in specs)):
            yield raw["metadata"]["name"]


def _joined(reach: Reach, landing: _Landing) -> str | None:
    """The first node on which its next pod would join another tenant's network: no door holds that."""
    facts, cluster, workload = reach.facts, landing.ground.cluster, landing.workload
    for name in landing.open:
        for network in facts.networks_on.get(naming.node_id(facts, cluster, name), ()):
            if not network.admits(workload.tenant):
                return f"on `{name}` it would join the network `{network.id}`, which is not {workload.tenant}'s"
    return None


async def _unlawful(connection: Connection, landing: _Landing) -> str | None:
    """What would be wrong with some landing, in words."""
    if not landing.open:
        return None
    tenancy, ground = landing.tenancy, landing.ground
    if tenancy is None:
        return f"no signed fact gives its namespace in {ground.cluster} to a tenant"
    if tenancy.bars:
        return f"{tenancy.tenant} may run nowhere in {ground.cluster}: {tenancy.bars[0]}"
    if strange := sorted(set(landing.workload.datasets) - set(tenancy.datasets)):
        return f"it names datasets that may not be used in {ground.cluster}: {', '.join(strange)}"
    if lost := [n for n in landing.open if n not in ground.nodes]:
        return f"signed facts place no `{lost[0]}` at {ground.site}"
    return await _crowded(connection, landing, tenancy) if tenancy.off_nodes or tenancy.off_racks else None


async def _crowded(connection: Connection, landing: _Landing, tenancy: Tenancy) -> str | None:
    """The first node on which its next pod could stand too close to another tenant's."""
    racks = landing.ground.nodes
    on_node: dict[str, set[str]] = defaultdict(set)
    in_rack: dict[str, set[str]] = defaultdict(set)
    for raw in await listed(connection, resources.PODS, fields="spec.nodeName!="):
        if not objects.pod(raw).counts:
            continue
        node, namespace = raw["spec"]["nodeName"], raw["metadata"]["namespace"]
        on_node[node].add(namespace)
        if node in racks:
            in_rack[racks[node]].add(namespace)
    for node in landing.open:
        close = on_node[node].intersection(tenancy.off_nodes) | in_rack[racks[node]].intersection(tenancy.off_racks)
        if close:
            return f"on `{node}` it would stand too close to what runs in {', '.join(sorted(close))}"
    return None


def _no(landing: _Landing, why: str, shut: str) -> Refusal:
    door = f"placet policy export admission --cluster {landing.ground.cluster}"
    return _refused(landing, f"{why}; move it to lawful nodes instead, or put the law at the door (`{door}`): {shut}")


def _refused(landing: _Landing, why: str) -> Refusal:
    name = landing.workload.id
    message = f"`{name}` was not evicted: nobody knows where its next pod lands, and {why}"
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=f"workload/{name}", message=message)
