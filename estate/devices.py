"""What is known of one accelerator beyond its name: its maker, how it is cut, what slows it and what it has reported.

Used by `estate.hardware` for devices of any vendor; what only one vendor has is absent on the others.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from estate.records import Model, Time
from estate.units import Mebibytes


class Vendor(StrEnum):
    """Who makes accelerators."""

    NVIDIA = "nvidia"
    AMD = "amd"
    INTEL = "intel"
    """Gaudi and GPUs alike."""
    GOOGLE = "google"
    AWS = "aws"
    HUAWEI = "huawei"
    OTHER = "other"


class Sharing(StrEnum):
    """How several replicas use one device at a time."""

    TIME_SLICING = "time-slicing"
    MPS = "mps"
    VIRTUAL = "virtual"
    """By a driver or scheduler that keeps each to its part (vGPU, HAMi)."""


class ThrottleReason(StrEnum):
    """Why a device runs slower than it could; the union of what vendors tell, in words of ours."""

    IDLE = "idle"
    APPLICATION_CLOCKS = "application-clocks"
    SOFTWARE_POWER_CAP = "software-power-cap"
    HARDWARE_SLOWDOWN = "hardware-slowdown"
    SYNC_BOOST = "sync-boost"
    SOFTWARE_THERMAL = "software-thermal"
    HARDWARE_THERMAL = "hardware-thermal"
    POWER_BRAKE = "power-brake"
    DISPLAY_CLOCKS = "display-clocks"
    OTHER = "other"

    @property
    def harmful(self) -> bool:
        """Whether it takes from somebody what they were promised."""
        return self not in (ThrottleReason.IDLE, ThrottleReason.APPLICATION_CLOCKS, ThrottleReason.DISPLAY_CLOCKS)


class PartitionState(StrEnum):
    """How far a partition manager is, in the GPU operator's words (`nvidia.com/mig.config.state`)."""

    PENDING = "pending"
    REBOOTING = "rebooting"
    SUCCESS = "success"
    FAILED = "failed"


class Partitioning(Model):
    """What the partition manager of a node was told, and how far it is with it."""

    layout: str = Field(default="", max_length=63)
    """The layout that it was told last; empty: none, and the devices are as they were found."""
    state: PartitionState = PartitionState.SUCCESS


class Partition(Model):
    """One slice of a device that is cut (MIG, or a vendor's own way)."""

    index: int = Field(ge=0, le=63)
    profile: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.+\-]{0,62}$")]
    """The vendor's word for its size, lower case: `1g.10gb`, `cpx-nps4`."""
    uuid: str = Field(default="", max_length=128)
    memory_mebibytes: Mebibytes | None = None


class Fault(Model):
    """One kind of report about a device: its code, how often, first and last."""

    code: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.\-]{0,62}$")]
    """In the vocabulary of `Observation.code`: `xid-79`, `sxid-20034`."""
    count: int = Field(default=1, ge=1)
    first_at: Time
    last_at: Time
