"""Facts that are no readings: attributes, conditions, relations and offers. Each knows who said it and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tools.payloads.facts.mentions import Mention


@dataclass(frozen=True, slots=True)
class Witness:
    """Who says so, and when: the sender's own time, else the time at which it was read."""

    source: str
    at: datetime | None = None


class Attribute(StrEnum):
    """What is said of a thing in a word or a number."""

    # identity and make
    NAME = "name"
    MANUFACTURER = "manufacturer"
    MODEL = "model"
    PART_NUMBER = "part-number"
    SERIAL = "serial"
    ASSET_TAG = "asset-tag"
    SYSTEM_UUID = "system-uuid"
    PCI_ADDRESS = "pci-address"
    PCI_ID = "pci-id"
    PCIE_ROOT = "pcie-root"
    NUMA_NODE = "numa-node"
    INDEX = "index"
    FIRMWARE = "firmware"
    DRIVER = "driver"
    """The driver's version."""
    RUNTIME = "runtime"
    """CUDA's or ROCm's version."""
    ARCHITECTURE = "architecture"
    COMPUTE_CAPABILITY = "compute-capability"
    MACHINE_TYPE = "machine-type"
    CHASSIS_TYPE = "chassis-type"
    HEIGHT_MILLIMETRES = "height-millimetres"
    PROCESSORS = "processors"

    # devices as they are offered
    DEVICES = "devices"
    MEMORY_BYTES = "memory-bytes"
    SHARING = "sharing"
    REPLICAS = "replicas"
    MIG_STRATEGY = "mig-strategy"
    MIG_PROFILE = "mig-profile"
    TOPOLOGY = "topology"
    """How devices are wired, in the vendor's word: `2x2x1`."""
    DRIVER_UPGRADE = "driver-upgrade"
    DEVICE_KIND = "device-kind"

    # links
    LINK_LAYER = "link-layer"
    LINK_STATE = "link-state"
    PHYSICAL_STATE = "physical-state"
    LINKS = "links"

    # machines, clusters, templates
    POWER_STATE = "power-state"
    PHASE = "phase"
    VERSION = "version"
    TEMPLATE = "template"
    CREDENTIAL = "credential"
    REGION = "region"
    CONTROL_PLANE_NODES = "control-plane-nodes"
    WORKER_NODES = "worker-nodes"
    WANTED_NODES = "wanted-nodes"
    READY_NODES = "ready-nodes"
    UPDATED_NODES = "updated-nodes"
    HEALTHY_NODES = "healthy-nodes"
    UPGRADE = "upgrade"
    """A template to which it may be upgraded."""
    CHART = "chart"
    CONFIG_DIGEST = "config-digest"
    MOST_REPAIRS = "most-repairs"
    REPAIRS_AFTER = "repairs-after"
    REPAIRS_WHILE_UNHEALTHY = "repairs-while-unhealthy"
    REPAIRS_WHILE_HEALTHY = "repairs-while-healthy"
    STRATEGY = "strategy"
    PROVIDERS = "providers"
    VCPUS = "vcpus"


class Status(StrEnum):
    """Kubernetes' three answers."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Tie(StrEnum):
    """How a thing hangs on another."""

    CONTAINED_BY = "contained-by"
    POWERED_BY = "powered-by"
    COOLED_BY = "cooled-by"
    MANAGED_BY = "managed-by"
    RUNS_ON = "runs-on"
    LINKED_TO = "linked-to"
    """By a cable."""
    MEMBER_OF = "member-of"
    PARTITION_OF = "partition-of"
    ALLOCATED_TO = "allocated-to"
    MADE_FROM = "made-from"
    SAME_AS = "same-as"
    """The sender gives one thing two names."""


@dataclass(frozen=True, slots=True)
class Statement:
    """An attribute of a thing."""

    subject: Mention
    attribute: Attribute
    value: str | int
    witness: Witness


@dataclass(frozen=True, slots=True)
class Condition:
    """A named state of a thing, as Kubernetes' conditions and Redfish's status say it."""

    subject: Mention
    type: str
    status: Status
    witness: Witness
    reason: str = ""
    message: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """One thing and another that it hangs on."""

    subject: Mention
    tie: Tie
    other: Mention
    witness: Witness


class Basis(StrEnum):
    """What an amount of money buys."""

    INSTANCE_HOUR = "instance-hour"
    SPOT_INSTANCE_HOUR = "spot-instance-hour"
    KILOWATT_HOUR = "kilowatt-hour"
    GIBIBYTE_SENT = "gibibyte-sent"


@dataclass(frozen=True, slots=True)
class Price:
    """What an offer costs, in millionths of a currency, from when and until when."""

    subject: Mention
    basis: Basis
    micros: int
    currency: str
    witness: Witness
    since: datetime | None = None
    until: datetime | None = None
    """None: it holds until another price is said."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How many of an offer may be had, and how many are."""

    subject: Mention
    limit: int
    used: int | None
    """None: the sender does not say."""
    counted: str
    """What the numbers count, in the provider's word: `vcpu`, `gpu`, `instance`."""
    witness: Witness


@dataclass(frozen=True, slots=True)
class Notice:
    """A provider takes an instance back."""

    subject: Mention
    action: str
    """`terminate`, `stop`, `hibernate`, `preempt`, `rebalance`."""
    due: datetime | None
    witness: Witness


type Fact = Statement | Condition | Relation | Price | Quota | Notice
