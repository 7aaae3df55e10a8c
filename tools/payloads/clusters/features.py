"""Labels in which tools describe a node: GPU operator, NFD, topograph and their like of AMD, Intel and Google.

A label is what an agent on the node claims. Where a node stands and whose it is are facts of the law and never read
from one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tools.payloads import reading
from tools.payloads.clusters.sheets import Sheet
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Attribute, Tie

DEVICES = "accelerators"
"""The part of a node that device labels describe: all of its accelerators together."""

_TEXTS: Mapping[str, Attribute] = {
    "nvidia.com/gpu.product": Attribute.MODEL,
    "amd.com/gpu.product-name": Attribute.MODEL,
    "beta.amd.com/gpu.product-name": Attribute.MODEL,
    "habana.ai/gaudi.product": Attribute.MODEL,
    "cloud.google.com/gke-tpu-accelerator": Attribute.MODEL,
    "nvidia.com/gpu.family": Attribute.ARCHITECTURE,
    "amd.com/gpu.family": Attribute.ARCHITECTURE,
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
_MEMORIES = ("nvidia.com/gpu.memory", "amd.com/gpu.vram", "beta.amd.com/gpu.vram")
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
_MACHINES = ("node.kubernetes.io/instance-type", "nvidia.com/gpu.machine")
_GROUPS: Mapping[str, str] = {
    "nvidia.com/gpu.clique": "nvlink-clique",
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
_MEBIBYTES = re.compile(r"(\d{1,9})(G|Gi|GiB|M|Mi|MiB|)", re.ASCII)


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
    return int(found[1]) * 1024 ** (3 if found[2].startswith("G") else 2) if found else None


def _dotted(labels: Mapping[str, str], ways: tuple[tuple[str, ...], ...]) -> str:
    """The first way whose every label is there."""
    for keys in ways:
        if all(labels.get(k) for k in keys):
            return reading.name(".".join(labels[k] for k in keys))
    return ""
