"""Volumes and networks: whose they are and who may be attached to them, where no namespace says it.

A claim, or a network's definition, in a namespace is that of the namespace's tenant, with no fact needed. What lies
outside of namespaces (an export, a share, a VLAN or a partition of a fabric) belongs to whom these facts name.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from estate.ids import ClusterId, NetworkId, NodeId, TenantId, VolumeId
from estate.records import Model


class ClusterName(Model):
    """What a cluster calls it: `nfs/10.0.0.7/lake`, `claim/team-a/data`, `network-attachment/team-a/rails`."""

    cluster: ClusterId
    name: str = Field(pattern=r"^[a-z][a-z0-9\-]{0,62}(?:/[!-~]{1,500})?$")


class Belonging(Model):
    """What work may be attached to. Without tenants, and not everybody's: nobody may."""

    tenants: tuple[TenantId, ...] = Field(default=(), max_length=1000)
    """Who may be attached, its owner among them."""
    everybody: bool = False
    """Any tenant may."""
    names: tuple[ClusterName, ...] = Field(default=(), max_length=1000)

    @model_validator(mode="after")
    def _is_somebodys_or_everybodys(self) -> Self:
        if self.everybody and self.tenants:
            raise ValueError("everybody: it names `tenants` too; leave one of them out")
        return self

    def admits(self, tenant: TenantId) -> bool:
        """Whether work of this tenant may be attached."""
        return self.everybody or tenant in self.tenants


class Volume(Belonging):
    """A share, an export, a disk, a storage class or a claim."""

    id: VolumeId


class Network(Belonging):
    """A network, a VLAN, a partition of a fabric, or a pool of addresses."""

    id: NetworkId
    nodes: tuple[NodeId, ...] = Field(default=(), max_length=100_000)
    """The machines that are joined to it: whatever runs there is attached."""
