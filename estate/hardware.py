"""Nodes and accelerators as they are observed."""

from __future__ import annotations

from enum import StrEnum

from estate.ids import ClusterId, NodeId, Uid
from estate.records import Model
from estate.units import Mebibytes, Watts


class Health(StrEnum):
    """What is known of a device's fitness. `UNKNOWN` never receives work."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNKNOWN = "unknown"


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
