"""Clusters as they run, their groups of machines and who repairs these, virtual machines, and the templates that both
are made from. Who operates a cluster is law.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from estate.aliases import AliasKind
from estate.ids import (
    ClusterId,
    HealthCheckId,
    MachineGroupId,
    NodeId,
    TemplateId,
    TenantId,
    Uid,
    VirtualMachineId,
)
from estate.itemkinds import ItemKind, State
from estate.origins import Layer
from estate.records import Model, Time, later
from estate.references import Chain, Pointer
from estate.things import AcceleratorRef
from estate.units import Mebibytes


class TemplateSort(StrEnum):
    """What a template makes."""

    CLUSTER = "cluster"
    SERVICE = "service"
    NAMESPACE = "namespace"


class Revision(Model):
    """One version of a template."""

    version: str = Field(min_length=1, max_length=128)
    content: str = Field(default="", max_length=128)
    """The digest of what it holds, as its system writes it."""
    at: Time | None = None
    upgrades_to: tuple[str, ...] = ()
    valid: bool | None = None


class Template(ItemKind):
    """What clusters or services are made from (k0rdent's ClusterTemplate, ServiceTemplate), with its revisions."""

    kind: Literal["template"] = "template"
    id: TemplateId
    sort: TemplateSort
    name: str = Field(default="", max_length=253)
    revisions: tuple[Revision, ...] = Field(min_length=1, max_length=256)

    layer: ClassVar[Layer] = Layer.SOFTWARE


class Deployed(Model):
    """A template that was applied, and the version of it."""

    template: TemplateId
    version: str = Field(default="", max_length=128)
    state: State = State.UNKNOWN
    upgrades_to: tuple[str, ...] = later((), max_length=256)
    """The templates to which its system would upgrade it."""


class ClusterState(ItemKind):
    """A cluster as it runs."""

    kind: Literal["cluster"] = "cluster"
    id: ClusterId
    version: str = Field(default="", max_length=64)
    """Of Kubernetes."""
    provider: str = Field(default="", max_length=128)
    made_from: Deployed | None = None
    services: tuple[Deployed, ...] = Field(default=(), max_length=256)
    state: State = State.UNKNOWN

    layer: ClassVar[Layer] = Layer.SOFTWARE
    layers: ClassVar[dict[str, Layer]] = {"state": Layer.HEALTH}
    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("made_from.template", "template"),
        Pointer("services.template", "template"),
    )


class GroupSort(StrEnum):
    """What its machines do."""

    CONTROL_PLANE = "control-plane"
    WORKERS = "workers"


class MachineGroup(ItemKind):
    """Machines of a cluster that are made alike and kept in number (Cluster API's MachineDeployment, control plane)."""

    kind: Literal["machine-group"] = "machine-group"
    id: MachineGroupId
    cluster: ClusterId
    sort: GroupSort
    name: str = Field(default="", max_length=253)
    version: str = Field(default="", max_length=64)
    """Of Kubernetes, as it is wanted."""
    wanted: int | None = Field(default=None, ge=0)
    ready: int | None = Field(default=None, ge=0)
    updated: int | None = Field(default=None, ge=0)
    """How many are as they are wanted now; fewer than wanted: they are being replaced."""
    most_repairs: int | None = Field(default=None, ge=0)
    """How often one machine is replaced before people must look."""
    state: State = State.UNKNOWN

    layer: ClassVar[Layer] = Layer.SCHEDULING
    layers: ClassVar[dict[str, Layer]] = {"state": Layer.HEALTH, "ready": Layer.HEALTH, "version": Layer.SOFTWARE}
    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("cluster", "cluster"),)

    @property
    def uid(self) -> Uid | None:
        """What its cluster knows it by; None of one that somebody only declares."""
        return next((Uid(a.value) for a in self.aliases if a.kind is AliasKind.UID), None)

    @property
    def coming(self) -> int:
        """Machines that it shall have and that do not work yet."""
        return max((self.wanted or 0) - (self.ready or 0), 0)


class Trigger(Model):
    """A condition that is repaired once it has held for so long."""

    condition: str = Field(min_length=1, max_length=320)
    status: str = Field(default="", max_length=32)
    after: str = Field(default="", max_length=32)
    """As its system writes it: `300s`."""


class HealthCheck(ItemKind):
    """Who else replaces machines of a cluster, and when (Cluster API's MachineHealthCheck)."""

    kind: Literal["health-check"] = "health-check"
    id: HealthCheckId
    cluster: ClusterId
    name: str = Field(default="", max_length=253)
    triggers: tuple[Trigger, ...] = Field(default=(), max_length=256)
    stops_above: str = Field(default="", max_length=32)
    """The number or share of unhealthy machines above which it repairs none."""
    expected: int | None = Field(default=None, ge=0)
    healthy: int | None = Field(default=None, ge=0)
    state: State = State.UNKNOWN
    """Whether it may repair now."""

    layer: ClassVar[Layer] = Layer.SCHEDULING
    layers: ClassVar[dict[str, Layer]] = {"state": Layer.HEALTH, "healthy": Layer.HEALTH}
    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("cluster", "cluster"),)


class VirtualMachine(ItemKind):
    """A KubeVirt machine, or another hypervisor's."""

    kind: Literal["virtual-machine"] = "virtual-machine"
    id: VirtualMachineId
    cluster: ClusterId
    namespace: str = Field(default="", max_length=63)
    name: str = Field(default="", max_length=253)
    tenant: TenantId | None = None
    """As it says itself; whose namespace it stands in is law."""
    node: NodeId | None = None
    cpus: int | None = Field(default=None, ge=0, le=100_000)
    memory_mebibytes: Mebibytes | None = None
    accelerators: tuple[AcceleratorRef, ...] = ()
    migratable: bool | None = None
    state: State = State.UNKNOWN

    layer: ClassVar[Layer] = Layer.SCHEDULING
    layers: ClassVar[dict[str, Layer]] = {"state": Layer.HEALTH}
    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("cluster", "cluster"),
        Pointer("tenant", "tenant"),
        Pointer("node", "node", Chain.USE),
    )
