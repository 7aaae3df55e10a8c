"""Labels in which tools describe a node: GPU operator, NFD, topograph and their like of AMD, Intel and Google.

A label is what an agent on the node claims. Where a node stands and whose it is are facts of the law and never read
from one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from estate.devices import Partitioning, PartitionState
from tools.payloads import reading
from tools.payloads.clusters import vendors
from tools.payloads.clusters.sheets import Sheet
from tools.payloads.clusters.vendors import Family
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Attribute, Tie

DEVICES = "accelerators"
"""The part of a node that device labels describe: all of its accelerators together."""

_TEXTS: Mapping[str, Attribute] = {
    **{label: Attribute.MODEL for family in vendors.FAMILIES for label in family.models},
    **{label: Attribute.ARCHITECTURE for family in vendors.FAMILIES for label in family.generations},
    "nvidia.com/gpu.sharing-strategy": Attribute.SHARING,
    "nvidia.com/mig.strategy": Attribute.MIG_STRATEGY,
    "nvidia.com/gpu-driver-upgrade-state": Attribute.DRIVER_UPGRADE,
    "amd.com/gpu.driver-version": Attribute.DRIVER,
    "amd.com/gpu.device-id": Attribute.PCI_ID,
    "cloud.google.com/gke-tpu-topology": Attribute.TOPOLOGY,
}
_COUNTS: Mapping[str, Attribute] = {
    "nvidia.com/gpu.count": Attribute.DEVICES,
    "nvidia.com/gpu.replicas": Attribute.REPLICAS,
    "cloud.google.com/gke-accelerator-count": Attribute.DEVICES,
}
_MEMORIES = tuple(dict.fromkeys(label for family in vendors.FAMILIES for label in family.memories))
_DRIVERS = (
    (
        "nvidia.com/cuda.driver-version.major",
        "nvidia.com/cuda.driver-version.minor",
        "nvidia.com/cuda.driver-version.revision",
    ),
    ("nvidia.com/cuda.driver.major", "nvidia.com/cuda.driver.minor", "nvidia.com/cuda.driver.rev"),
)
_RUNTIMES = (
    ("nvidia.com/cuda.runtime-version.full",),
    ("nvidia.com/cuda.runtime.major", "nvidia.com/cuda.runtime.minor"),
)
_CAPABILITY = (("nvidia.com/gpu.compute.major", "nvidia.com/gpu.compute.minor"),)
CLIQUE = "nvidia.com/gpu.clique"
MIG_CONFIG = "nvidia.com/mig.config"
"""What the MIG manager of a node is told; its answer stands in the label of the same name with `.state`."""
_MIG_STATE = f"{MIG_CONFIG}.state"
_MIG_MANAGER = "nvidia.com/gpu.deploy.mig-manager"
_MANAGED = frozenset({"true", "paused-for-mig-change"})
_MACHINES = ("node.kubernetes.io/instance-type", "nvidia.com/gpu.machine")
_GROUPS: Mapping[str, str] = {
    CLIQUE: "nvlink-clique",
    "accelerator.topograph.run/domain": "accelerator-domain",
    "accelerator.topograph.run/sub-domain": "accelerator-sub-domain",
    "network.topology.nvidia.com/accelerator": "accelerator-domain",
    "network.topology.nvidia.com/block": "block",
    "network.topology.nvidia.com/leaf": "tier-0",
    "network.topology.nvidia.com/spine": "tier-1",
    "network.topology.nvidia.com/core": "tier-2",
}
"""Topograph wrote leaf, spine and core before version 1, and numbers tiers since: the same switches, tier 0 nearest."""
_TIER = re.compile(r"fabric\.topograph\.run/(tier-\d{1,2})", re.ASCII)
_MIG = re.compile(r".+-MIG-(\d{1,2}g\.\d{1,4}gb(?:\.me)?)", re.ASCII)
_MEBIBYTES = re.compile(r"(\d{1,9})(T|Ti|TiB|G|Gi|GiB|GB|M|Mi|MiB|MB|)", re.ASCII)
_POWERS = {"T": 4, "G": 3, "M": 2, "": 2}
_MOST_BYTES = 2**50
"""More no device has."""
MOST_SHARED = 512


@dataclass(frozen=True, slots=True)
class Description:
    """What labels say of the devices of one family."""

    model: str
    memory_mebibytes: int
    """Of one allottable device; 0: not told."""
    generation: str
    shared: int
    """How many allottable devices are one board (time-slicing, MPS): 1 where it is not shared."""


def described(labels: Mapping[str, str], family: Family) -> Description:
    """The devices of that family, as the node's labels have them."""
    model = reading.pick(labels, family.models) or family.unnamed
    if family.profile and "-MIG-" not in model:
        model = f"{model}-MIG-{family.profile}"
    shared = _shared(labels.get(family.replicas, "1"))
    memory = (_memory(reading.pick(labels, family.memories)) or 0) // 2**20 // shared
    return Description(model, memory, reading.pick(labels, family.generations).lower(), shared)


def software(labels: Mapping[str, str]) -> dict[str, str]:
    """Versions of drivers and runtimes by name: those of the GPU operator, of AMD's labeller and of NFD."""
    told = {
        "driver": _dotted(labels, _DRIVERS) or reading.pick(labels, ("amd.com/gpu.driver-version",)),
        "cuda": _dotted(labels, _RUNTIMES),
        "vgpu-host-driver": reading.pick(labels, ("nvidia.com/vgpu.host-driver-version",)),
        "kernel": reading.pick(labels, ("feature.node.kubernetes.io/kernel-version.full",)),
    }
    return {name: version for name, version in told.items() if version}


def machine(labels: Mapping[str, str]) -> str:
    """Maker and model of the machine, or the cloud's word for its kind."""
    return reading.pick(labels, _MACHINES)


def read(sheet: Sheet, node: Mention, labels: Mapping[str, str]) -> None:
    """What the labels say of the node and of its accelerators; other labels say nothing here."""
    devices = node.of(DEVICES)
    for key, attribute in _TEXTS.items():
        sheet.say(devices, attribute, reading.name(labels.get(key, "")))
    for key, attribute in _COUNTS.items():
        sheet.say(devices, attribute, reading.index(labels.get(key, "")))
    if profile := _MIG.fullmatch(labels.get("nvidia.com/gpu.product", "")):
        sheet.say(devices, Attribute.MIG_PROFILE, profile[1])
    sheet.say(devices, Attribute.MEMORY_BYTES, _memory(reading.pick(labels, _MEMORIES)))
    sheet.say(devices, Attribute.DRIVER, _dotted(labels, _DRIVERS))
    sheet.say(devices, Attribute.RUNTIME, _dotted(labels, _RUNTIMES))
    sheet.say(devices, Attribute.COMPUTE_CAPABILITY, _dotted(labels, _CAPABILITY))
    sheet.say(node, Attribute.MACHINE_TYPE, reading.pick(labels, _MACHINES))
    for key, value in labels.items():
        if (group := _group(key)) and (domain := reading.name(value)):
            sheet.tie(node, Tie.MEMBER_OF, Mention(MentionKind.FABRIC_GROUP, domain, group))


def _group(key: str) -> str:
    tier = _TIER.fullmatch(key)
    return tier[1] if tier else _GROUPS.get(key, "")


def _memory(text: str) -> int | None:
    """Mebibytes without a unit are NVIDIA's, gibibytes with one AMD's."""
    found = _MEBIBYTES.fullmatch(text)
    amount = int(found[1]) * 1024 ** _POWERS[found[2][:1]] if found else 0
    return amount if 0 < amount <= _MOST_BYTES else None


def _shared(text: str) -> int:
    return min(max(int(text), 1), MOST_SHARED) if text.isdecimal() and text.isascii() and len(text) < 6 else 1


def _dotted(labels: Mapping[str, str], ways: tuple[tuple[str, ...], ...]) -> str:
    """The first way whose every label is there."""
    for keys in ways:
        if all(labels.get(k) for k in keys):
            return reading.name(".".join(labels[k] for k in keys))
    return ""


def partitioning(labels: Mapping[str, str]) -> Partitioning | None:
    """What the MIG manager was told, and how far it says to be; None where the GPU operator puts none on the node."""
    told, states = labels.get(MIG_CONFIG, ""), {s.value: s for s in PartitionState}
    if told:
        return Partitioning(layout=told[:63], state=states.get(labels.get(_MIG_STATE, ""), PartitionState.PENDING))
    return Partitioning() if labels.get(_MIG_MANAGER) in _MANAGED else None
