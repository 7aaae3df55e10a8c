"""Groups of machines as their management cluster has them: a MachineDeployment of Cluster API, and its machines. Reads
only; called by `reaching` for conditions and by `resizing` before it writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from estate.aliases import Alias, AliasKind
from estate.ids import ClusterId, MachineGroupId
from estate.pooling import Home
from estate.uses.clusters import GroupSort, MachineGroup
from tools.execution.kubernetes.listing import listed
from tools.execution.kubernetes.writing import Address, Found, find
from tools.kubernetes import resources
from tools.kubernetes.connecting import Connection, Object
from tools.kubernetes.resources import Resource

LEAVES = "cluster.x-k8s.io/delete-machine"
"""By this mark Cluster API takes a machine first when its group becomes smaller, whatever its delete policy."""
_GROUP, _SET = "cluster.x-k8s.io/deployment-name", "MachineSet"
_AUTOSCALED = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"


@dataclass(frozen=True, slots=True)
class Member:
    """One machine of a group."""

    found: Found

    @property
    def node(self) -> str:
        """What its cluster calls the node that it became; empty where it never did."""
        told = (self.found.raw.get("status") or {}).get("nodeRef") or {}
        return str(told.get("name") or "")

    @property
    def provider(self) -> str:
        """What its provider calls it."""
        return str((self.found.raw.get("spec") or {}).get("providerID") or "")

    @property
    def ends(self) -> bool:
        """Whether it is on its way out."""
        return bool(self.found.raw["metadata"].get("deletionTimestamp"))

    @property
    def made_by(self) -> str:
        """The uid of the MachineSet that it belongs to."""
        owners = self.found.raw["metadata"].get("ownerReferences") or ()
        return next((str(o.get("uid")) for o in owners if o.get("kind") == _SET), "")

    @property
    def marked(self) -> bool:
        """Whether somebody said that it shall leave."""
        return LEAVES in (self.found.raw["metadata"].get("annotations") or {})


async def group_at(connection: Connection, home: Home) -> Found | None:
    """The group, in the newest version that its cluster serves."""
    for resource in _served(resources.CAPI_GROUPS):
        if (found := await find(connection, Address(resource, home.name, home.namespace))) is not None:
            return found
    return None


async def members(group: Found) -> tuple[Member, ...]:
    """Its machines, by name."""
    at = group.address
    kind = replace(resources.CAPI_MACHINES, version=at.resource.version)
    raws = await listed(group.connection, kind, at.namespace, labels=f"{_GROUP}={at.name}")
    made = (Member(Found(group.connection, Address(kind, _name(r), at.namespace), r)) for r in raws)
    return tuple(sorted(made, key=lambda m: m.found.address.name))


def read(name: MachineGroupId, cluster: ClusterId, group: Found) -> MachineGroup:
    """What the estate makes of it."""
    status = group.raw.get("status") or {}
    return MachineGroup(
        id=name,
        aliases=(Alias(kind=AliasKind.UID, value=group.uid),),
        cluster=cluster,
        sort=GroupSort.WORKERS,
        name=group.address.name,
        wanted=wanted(group),
        ready=working(group),
        updated=int(status.get("upToDateReplicas") or status.get("updatedReplicas") or 0),
    )


def wanted(group: Found) -> int | None:
    """How many machines it shall have."""
    told = (group.raw.get("spec") or {}).get("replicas")
    return told if isinstance(told, int) else None


def working(group: Found) -> int:
    """How many of them work, as far as its controller has looked since it was last written."""
    status, about = group.raw.get("status") or {}, group.raw["metadata"]
    seen = int(status.get("observedGeneration") or 0) >= int(about.get("generation") or 0)
    return int(status.get("readyReplicas") or 0) if seen else 0


def unsettled(group: Found, machines: Iterable[Member]) -> str:
    """Why nobody could say which machine would leave; empty where the mark decides."""
    told = tuple(machines)
    if others := scaled_by_others(group):
        return f"is sized by {others}, which would undo it; take its annotation away first"
    if len(told) != wanted(group) or any(m.ends for m in told):
        return f"has {len(told)} machines where {wanted(group)} are wanted, or some that end; wait until it is settled"
    if len({m.made_by for m in told}) > 1:
        return "is being rolled out, and its provider would choose among old and new; wait until it is done"
    return ""


def scaled_by_others(group: Found) -> str:
    """Who else sets its number; empty where nobody is known to."""
    return "" if (group.raw["metadata"].get("annotations") or {}).get(_AUTOSCALED) is None else "the cluster autoscaler"


def _served(resource: Resource) -> tuple[Resource, ...]:
    return (resource, *(replace(resource, version=v) for v in resource.older))


def _name(raw: Object) -> str:
    return str(raw["metadata"]["name"])
