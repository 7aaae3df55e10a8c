"""Clusters as they run, virtual machines, and the templates that both are made from. Who operates one is law."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from estate.ids import ClusterId, NodeId, TemplateId, TenantId, VirtualMachineId
from estate.itemkinds import ItemKind, State
from estate.origins import Layer
from estate.records import Model, Time
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
