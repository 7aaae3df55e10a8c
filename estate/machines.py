"""What a machine is made of beside its accelerators: sockets, memory, PCIe, network cards, disks, software.

Used by `estate.hardware` for nodes in service and by `estate.facilities.machines` for those that are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from estate.records import Model
from estate.units import Mebibytes, MegabitsPerSecond, MegabytesPerSecond

Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
"""What the machine itself calls a part: `mlx5_0`, `nvme0n1`, `switch-2`."""


class NumaNode(Model):
    """Processors and memory that are near to each other."""

    index: int = Field(ge=0, le=1023)
    cpus: int = Field(ge=0, le=100_000)
    memory_mebibytes: Mebibytes


class PcieSwitch(Model):
    """A switch between devices and a root complex: what shares it reaches each other without the processor."""

    name: Name
    numa_node: int | None = Field(default=None, ge=0, le=1023)
    lanes: int | None = Field(default=None, ge=1, le=256)
    """Towards the processor."""
    generation: int | None = Field(default=None, ge=1, le=9)


class LinkState(StrEnum):
    """Whether a link carries traffic. `UNKNOWN` is counted on by nobody."""

    UP = "up"
    DEGRADED = "degraded"
    """It carries less than it could: lower speed or width, errors, pauses."""
    DOWN = "down"
    UNKNOWN = "unknown"


def worst(states: Iterable[LinkState]) -> LinkState:
    """What several say of one link: who sees that it does not carry is believed, who knows nothing is not asked."""
    order = (LinkState.DOWN, LinkState.DEGRADED, LinkState.UP, LinkState.UNKNOWN)
    return min(states, key=order.index, default=LinkState.UNKNOWN)


class NicUse(StrEnum):
    """Which fabric a port belongs to. They are never one number."""

    RDMA = "rdma"
    DATA = "data"
    STORAGE = "storage"
    MANAGEMENT = "management"


class Nic(Model):
    """One network port of a machine, and the link that leaves it."""

    name: Name
    use: NicUse
    rail: int | None = Field(default=None, ge=0, le=255)
    """Which rail of a rail-optimised RDMA fabric; ports of one rail meet in one leaf."""
    switch: str = Field(default="", max_length=128)
    """The switch at the other end, by id; empty: unknown."""
    port: str = Field(default="", max_length=64)
    """The other end's port."""
    speed: MegabitsPerSecond
    state: LinkState = LinkState.UNKNOWN
    used: MegabitsPerSecond | None = None
    address: str = Field(default="", max_length=64)
    """MAC or port GUID, lower case: a strong alias."""
    pci_address: str = Field(default="", max_length=32)
    numa_node: int | None = Field(default=None, ge=0, le=1023)
    pcie_switch: str = Field(default="", max_length=64)


class Disk(Model):
    """Local storage."""

    name: Name
    mebibytes: Mebibytes
    throughput: MegabytesPerSecond | None = None
    serial: str = Field(default="", max_length=128)
    encrypted: bool | None = None


SoftwareName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.\-]{0,62}$")]
"""`driver`, `cuda`, `rocm`, `firmware`, `kernel`, `kubelet`, `container-runtime`, `fabric-manager`, …"""
_NUMBERS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})*", re.ASCII)


class Software(Model):
    """A driver, runtime or framework that is installed, and its version as its maker writes it."""

    name: SoftwareName
    version: Annotated[str, StringConstraints(min_length=1, max_length=128)]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The first run of numbers with dots in its version (`containerd://2.1.4-k3s1`: 2.1.4); empty: it has none."""
        found = _NUMBERS.search(self.version)
        return tuple(map(int, found[0].split("."))) if found else ()
