"""What senders call things. A mention is a claim: the inventory resolves it, and a weak one never merges two things."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class MentionKind(StrEnum):
    """Which name of which system."""

    GPU_UUID = "gpu-uuid"
    GPU_INDEX = "gpu-index"
    """The device's number on the host `scope`."""
    PCI_ADDRESS = "pci-address"
    """Normalised `domain:bus:device.function` on the host `scope`."""
    DRA_DEVICE = "dra-device"
    """`pool/device` of the driver `scope`."""
    SERIAL = "serial"
    """A maker gives it once; `scope` is the maker."""
    SYSTEM_UUID = "system-uuid"
    PROVIDER_ID = "provider-id"
    """The cloud's own name of an instance; `scope` is the cloud."""
    HOSTNAME = "hostname"
    NODE = "node"
    """A Kubernetes node's name in the cluster `scope`."""
    OBJECT = "object"
    """`Kind.group/namespace/name` in the cluster `scope`."""
    CHASSIS = "chassis"
    """A Redfish path at the service `scope`."""
    PORT = "port"
    """`device/port` of an RDMA adapter in the host `scope`."""
    SWITCH_PORT = "switch-port"
    """An interface of the switch `scope`."""
    NVSWITCH = "nvswitch"
    """The PCI address of an NVSwitch in the host `scope`."""
    FABRIC_GROUP = "fabric-group"
    """A domain that nodes share: NVLink clique, leaf, spine, core; `scope` says which."""
    MODEL_SERVER = "model-server"
    """`namespace/pod`, or the instance where there is no pod, in the cluster `scope`; the part is the model."""
    BLOCK_DEVICE = "block-device"
    """A disk of the host `scope`."""
    STORAGE = "storage"
    """A pool, volume or file system of the system `scope`."""
    OFFER = "offer"
    """`region/instance type` of the provider `scope`."""


_ASPECT = re.compile(
    r"(?:/ThermalSubsystem)?/(?:Power|Thermal|(?:Power|Thermal)Subsystem|ThermalMetrics|EnvironmentMetrics|Metrics)$"
)
_STRONG = frozenset(
    {
        MentionKind.GPU_UUID,
        MentionKind.SERIAL,
        MentionKind.SYSTEM_UUID,
        MentionKind.PROVIDER_ID,
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Mention:
    """One name: its kind, its text, within what it is unique, and which part of the thing is meant."""

    kind: MentionKind
    value: str
    scope: str = ""
    part: str = ""
    """A component that has no name of its own: `PSU 0`, `fan/CPU Fan`, `link/3`, a model."""

    @property
    def strong(self) -> bool:
        """Whether two sources that say it surely mean the same thing."""
        return self.kind in _STRONG

    def of(self, part: str) -> Mention:
        """A part of the same thing."""
        return Mention(self.kind, self.value, self.scope, part)

    def whole(self) -> Mention:
        """For a Redfish path: the thing whose power, heat or metrics the resource holds, with the same part."""
        value = _ASPECT.sub("", self.value) if self.kind is MentionKind.CHASSIS else self.value
        return Mention(self.kind, value or self.value, self.scope, self.part)

    def __str__(self) -> str:
        within = f"{self.scope}/" if self.scope else ""
        return f"{self.kind}:{within}{self.value}{f'#{self.part}' if self.part else ''}"


def provider(written: str) -> Mention:
    """A Kubernetes `providerID`: `aws:///eu-central-1a/i-0abc` is the instance `i-0abc` of aws, wherever it stands."""
    scheme, found, rest = written.partition("://")
    if not found:
        return Mention(MentionKind.PROVIDER_ID, written)
    place = rest.strip("/")
    return Mention(MentionKind.PROVIDER_ID, place.rpartition("/")[2] if scheme == "aws" else place, scheme)


def serial(maker: str, number: str) -> Mention:
    """A serial number of a maker, however its name is capitalised."""
    return Mention(MentionKind.SERIAL, number, maker.lower())
