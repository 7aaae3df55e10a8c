"""Groups of machines, and who replaces their machines, out of what objects of Cluster API state. Pure.

Called by `provisioning`. What does not say of which cluster it is makes nothing.
"""

from __future__ import annotations

from estate import names
from estate.ids import ClusterId, HealthCheckId, MachineGroupId
from estate.itemkinds import State
from estate.uses.clusters import GroupSort, HealthCheck, MachineGroup, Trigger
from tools.inventory.kubernetes.building import Told, aliases, cluster_id, state_of
from tools.kubernetes import resources
from tools.payloads.facts.statements import Attribute, Status


def machine_group(within: ClusterId, told: Told) -> MachineGroup | None:
    """A MachineDeployment or a control plane; None while it does not say of which cluster."""
    owner = told.owner
    if not owner:
        return None
    control = told.kind == resources.CAPI_CONTROL_PLANES.kind
    state, wanted, ready = state_of(told), told.number(Attribute.WANTED_NODES), told.number(Attribute.READY_NODES)
    short = state is State.OK and wanted is not None and (ready or 0) < wanted
    return MachineGroup(
        id=MachineGroupId(_kind_id(within, told, "control-plane" if control else "workers")),
        aliases=aliases([told]),
        cluster=cluster_id(within, told.namespace, owner),
        sort=GroupSort.CONTROL_PLANE if control else GroupSort.WORKERS,
        name=told.name,
        version=told.said(Attribute.VERSION)[:64],
        wanted=wanted,
        ready=ready,
        updated=told.number(Attribute.UPDATED_NODES),
        most_repairs=told.number(Attribute.MOST_REPAIRS),
        state=State.DEGRADED if short else state,
    )


def health_check(within: ClusterId, told: Told) -> HealthCheck | None:
    """A MachineHealthCheck; None while it does not say of which cluster."""
    owner, allowed = told.owner, told.status("RemediationAllowed")
    if not owner:
        return None
    triggers = ((*part.partition("="), told.said(Attribute.REPAIRS_AFTER, part)) for part in told.triggers())
    return HealthCheck(
        id=HealthCheckId(_kind_id(within, told, "health-check")),
        aliases=aliases([told]),
        cluster=cluster_id(within, told.namespace, owner),
        name=told.name,
        triggers=tuple(Trigger(condition=c[:320], status=s[:32], after=a[:32]) for c, _, s, a in triggers),
        stops_above=told.said(Attribute.REPAIRS_WHILE_UNHEALTHY)[:32],
        expected=told.number(Attribute.WANTED_NODES),
        healthy=told.number(Attribute.HEALTHY_NODES),
        state=State.UNKNOWN if allowed is None else State.OK if allowed is Status.TRUE else State.DEGRADED,
    )


def _kind_id(within: ClusterId, told: Told, sort: str) -> str:
    """Of kinds of which two may be one name's."""
    return names.slug(f"{within}.{told.namespace}.{sort}.{told.name}")
