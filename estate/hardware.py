"""Nodes and accelerators as they are observed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field

from estate.devices import Fault, Partition, Partitioning, Sharing, ThrottleReason, Vendor
from estate.ids import ClusterId, NodeId, Uid
from estate.machines import Disk, Nic, NumaNode, PcieSwitch, Software
from estate.origins import Layer, Origin
from estate.records import Model, Time, later
from estate.units import Mebibytes, Millicores, Watts


class Health(StrEnum):
    """What is known of a device's fitness. `UNKNOWN` never receives work."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNKNOWN = "unknown"


OWN_TAINTS: Final = "placet.dev/"
"""How the keys of Placet's own taints begin. It puts and takes away no others: those are somebody else's to lift."""


class TaintEffect(StrEnum):
    """What a taint does to replicas that do not tolerate it, in Kubernetes' words."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"

    @property
    def closes(self) -> bool:
        """Whether it keeps new work away for certain."""
        return self is not TaintEffect.PREFER_NO_SCHEDULE


class Taint(Model):
    """A mark on a node that keeps work away. A node has one of each key and effect."""

    key: str = Field(min_length=1, max_length=317)
    value: str = Field(default="", max_length=63)
    effect: TaintEffect

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect.value}"

    @property
    def own(self) -> bool:
        """Whether it is one that Placet puts."""
        return self.key.startswith(OWN_TAINTS)


class Accelerator(Model):
    """One device. `index` is its DCGM index on the node; `uuid` and `pci_address` are strong aliases."""

    index: int
    uuid: str
    pci_address: str
    """Normalised `domain:bus:device.function`, lower case, e.g. `0000:17:00.0`."""
    model: str
    memory_mebibytes: Mebibytes
    nvlink_domain: str = ""
    health: Health = Health.HEALTHY
    vendor: Vendor | None = later()
    generation: str = later("", max_length=64)
    """What its vendor calls the architecture, lower case: `hopper`, `cdna3`, `gaudi3`, `v5p`."""
    serial: str = later("", max_length=128)
    """Printed on the board: a strong alias."""
    nvlink_clique: str = later("", max_length=64)
    """Those of one domain that reach each other through one fabric partition; empty where the domain has one alone."""
    numa_node: int | None = later(ge=0, le=1023)
    pcie_switch: str = later("", max_length=64)
    """The switch of its node (`Node.pcie_switches`) that it hangs on; empty: on the root complex, or unknown."""
    partitioned: bool | None = later()
    """Whether it may be cut (MIG mode); None: unknown."""
    partitions: tuple[Partition, ...] = later(())
    """How it is cut now, by index."""
    cut: str = later("", max_length=63)
    """Of a device that is a slice of a board and must be asked for by this name: `1g.10gb`; empty: a whole one."""
    board: str = later("", max_length=128)
    """The uuid of the board that it is a slice of; empty where it is whole, or nobody tells."""
    start: int | None = later(ge=0, le=63)
    """The first memory slice of its board that it takes up."""
    board_mebibytes: Mebibytes | None = later()
    """The memory of the board that it is a slice of; None: it is whole, or nobody tells."""
    sharing: Sharing | None = later()
    """How replicas may share it; None: one alone may hold it."""
    power_limit_watts: Watts | None = later()
    throttled_by: tuple[ThrottleReason, ...] = later(())
    """Why it runs slower than it could, sorted."""
    faults: tuple[Fault, ...] = later((), max_length=64)
    """What its driver or firmware has reported of it, newest last; whoever writes them keeps the newest."""
    firmware: str = later("", max_length=128)
    end_of_life: Time | None = later()
    """After this time its maker does not support it."""


class Node(Model):
    """One machine with its accelerators, as its cluster reports it. Where it stands is a fact, not an observation."""

    id: NodeId
    uid: Uid
    cluster: ClusterId
    name: str
    """The Kubernetes node name: an alias within its cluster, not an identity."""
    boot_id: str = ""
    accelerators: tuple[Accelerator, ...] = ()
    idle_watts: Watts = Watts(0)
    power_cap_watts: Watts | None = None
    """The most this node may draw; None leaves it uncapped."""
    cordoned: bool = False
    health: Health = Health.HEALTHY
    taints: tuple[Taint, ...] = ()
    """Sorted by their text. Without those that a cluster's own controllers keep (`node.kubernetes.io/…`): they say
    again what `cordoned` and `health` say, and come and go by themselves."""
    serial: str = later("", max_length=128)
    """Of the machine: a strong alias, like the two that follow."""
    system_uuid: str = later("", max_length=128)
    """What the firmware says (SMBIOS), lower case."""
    provider_id: str = later("", max_length=512)
    """What the cloud that rents it calls it."""
    product: str = later("", max_length=128)
    """Maker and model of the machine."""
    sockets: int | None = later(ge=0, le=1024)
    memory_mebibytes: Mebibytes | None = later()
    numa_nodes: tuple[NumaNode, ...] = later((), max_length=1024)
    pcie_switches: tuple[PcieSwitch, ...] = later((), max_length=256)
    nics: tuple[Nic, ...] = later((), max_length=256)
    disks: tuple[Disk, ...] = later((), max_length=1024)
    software: tuple[Software, ...] = later((), max_length=64)
    """Drivers, runtimes and frameworks with their versions, sorted."""
    millicores: Millicores | None = later()
    """Processors that pods may request together; None: nobody tells."""
    allots_mebibytes: Mebibytes | None = later()
    """Memory that pods may request together; None: nobody tells."""
    other_millicores: Millicores = later(Millicores(0))
    """What pods request of it that are replicas of nothing here: its own agents', and of tenants that nobody knows."""
    other_mebibytes: Mebibytes = later(Mebibytes(0))
    partitioning: Partitioning | None = later()
    """Of its partition manager; None: no such manager is known on it."""
    end_of_life: Time | None = later()
    origins: tuple[Origin, ...] = later((), max_length=64)
    """Where each layer of these fields is from, and when it was seen. One without: as its cluster reports it."""

    layers: ClassVar[Mapping[str, Layer]] = {
        **dict.fromkeys(("uid", "cluster", "name", "boot_id"), Layer.IDENTITY),
        **dict.fromkeys(("serial", "system_uuid", "provider_id"), Layer.IDENTITY),
        **dict.fromkeys(("idle_watts", "power_cap_watts"), Layer.POWER),
        **dict.fromkeys(("cordoned", "taints", "millicores", "allots_mebibytes"), Layer.SCHEDULING),
        **dict.fromkeys(("other_millicores", "other_mebibytes", "partitioning"), Layer.SCHEDULING),
        "health": Layer.HEALTH,
        "nics": Layer.FABRIC,
        "software": Layer.SOFTWARE,
    }
    """The layer of each field that is about something else than hardware."""

    @classmethod
    def layer_of(cls, field: str) -> Layer:
        """What a field is about."""
        return cls.layers.get(field, Layer.HARDWARE)

    @property
    def fenced(self) -> bool:
        """Cordoned, or closed by a taint of Placet's own: what breakers count, and where free devices are stranded.

        Others' taints are no fences: fleets taint every GPU node for good, and whoever belongs there tolerates it.
        """
        return self.cordoned or any(t.own for t in self.closing_taints)

    @property
    def closing_taints(self) -> tuple[Taint, ...]:
        """Those that keep away for certain whoever does not tolerate them."""
        return tuple(t for t in self.taints if t.effect.closes)
