"""Nodes and accelerators as they are observed."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from estate.ids import ClusterId, NodeId, Uid
from estate.records import Model
from estate.units import Mebibytes, Watts


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
