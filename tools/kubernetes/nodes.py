"""A raw Node and the facts → `estate.hardware.Node`. Pure.

Where a node stands is a fact and never read from it. Kubernetes counts devices and does not name them, so their uuids
are the node's own uid and a number, and they have no PCI address: an event that names a device by its real uuid or
address is resolved to the node alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from estate.errors import BadInput
from estate.hardware import Accelerator, Health, Node
from estate.ids import ClusterId, Uid
from estate.law import Facts
from estate.units import Mebibytes
from tools.kubernetes import fields, naming, power, tainting
from tools.kubernetes.fields import Raw

MOST_DEVICES = 512
"""Devices of one node; time-sliced ones count each. A node that claims more is refused."""


@dataclass(frozen=True, slots=True)
class Family:
    """One vendor's extended resource, and the labels in which its tools write what the device is."""

    resource: str
    unnamed: str
    """The model where no label tells it."""
    models: tuple[str, ...] = ()
    memories: tuple[str, ...] = ()


FAMILIES = (
    Family("nvidia.com/gpu", "nvidia-gpu", ("nvidia.com/gpu.product",), ("nvidia.com/gpu.memory",)),
    Family(
        "amd.com/gpu",
        "amd-gpu",
        ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"),
        ("amd.com/gpu.vram", "beta.amd.com/gpu.vram"),
    ),
    Family("habana.ai/gaudi", "gaudi", ("habana.ai/gaudi.product",)),
    Family("google.com/tpu", "tpu", ("cloud.google.com/gke-tpu-accelerator",)),
)
RESOURCES = tuple(f.resource for f in FAMILIES)
MODEL_LABELS = frozenset(label for f in FAMILIES for label in f.models)

_CLIQUE = "nvidia.com/gpu.clique"
_SHARED = "nvidia.com/gpu.replicas"
_PRESSURES = frozenset({"MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"})


def node(raw: Raw, facts: Facts, cluster: ClusterId) -> Node:
    """The node that `raw` is.

    Raises:
        BadInput: it cannot be one; the reason names the field.
    """
    about, spec, status = (fields.mapping(raw.get(k), k) for k in ("metadata", "spec", "status"))
    name, uid = fields.needed(about.get("name"), "metadata.name"), _uid(about)
    labels = fields.words(about.get("labels"), "metadata.labels")
    devices = tuple(_devices(uid, labels, status))
    return Node(
        id=naming.node_id(facts, cluster, name),
        uid=uid,
        cluster=cluster,
        name=name,
        boot_id=fields.text(fields.mapping(status.get("nodeInfo"), "status.nodeInfo").get("bootID"), "bootID"),
        accelerators=devices,
        idle_watts=power.idle(_draw(devices[0].model, labels).beside if devices else 0, len(devices)),
        cordoned=fields.flag(spec.get("unschedulable"), "spec.unschedulable"),
        health=_health(status),
        taints=tainting.taints(spec),
    )


def device_watts(found: Node, raw: Raw) -> int:
    """The most that one device of the node draws; 0 where it has none."""
    labels = fields.words(fields.mapping(raw.get("metadata"), "metadata").get("labels"), "metadata.labels")
    return max((_draw(a.model, labels).device for a in found.accelerators), default=0)


def _uid(about: Raw) -> Uid:
    uid = fields.needed(about.get("uid"), "metadata.uid")
    if len(uid) > 128:
        raise BadInput("metadata.uid: is longer than 128 characters")
    return Uid(uid)


def _devices(uid: Uid, labels: dict[str, str], status: Raw) -> Iterator[Accelerator]:
    """Every device that the node has; those that it has and cannot allot count as failed, the highest indexes first."""
    have = fields.mapping(status.get("capacity"), "status.capacity")
    allots = fields.mapping(status.get("allocatable"), "status.allocatable")
    start = 0
    for family in FAMILIES:
        usable = fields.count(allots.get(family.resource), f"status.allocatable.{family.resource}")
        total = fields.count(have.get(family.resource), f"status.capacity.{family.resource}")
        total = total if family.resource in have else usable
        if start + total > MOST_DEVICES:
            raise BadInput(f"status.capacity.{family.resource}: {start + total} devices are more than {MOST_DEVICES}")
        model = _first(labels, family.models) or family.unnamed
        memory = fields.mebibytes(_first(labels, family.memories)) // _shared(labels)
        for index in range(start, start + total):
            yield Accelerator(
                index=index,
                uuid=f"{uid}/{index}",
                pci_address="",
                model=model,
                memory_mebibytes=Mebibytes(memory),
                nvlink_domain=labels.get(_CLIQUE, ""),
                health=Health.HEALTHY if index < start + usable else Health.FAILED,
            )
        start += total


def _health(status: Raw) -> Health:
    told = {}
    for entry in fields.sequence(status.get("conditions"), "status.conditions"):
        condition = fields.mapping(entry, "status.conditions[]")
        kind = fields.text(condition.get("type"), "status.conditions[].type")
        told[kind] = fields.text(condition.get("status"), "status.conditions[].status")
    ready = told.get("Ready")
    if ready == "True":
        return Health.DEGRADED if any(told.get(p) == "True" for p in _PRESSURES) else Health.HEALTHY
    return Health.FAILED if ready == "False" else Health.UNKNOWN


def _draw(model: str, labels: dict[str, str]) -> power.Draw:
    return power.draw(model, _shared(labels))


def _shared(labels: dict[str, str]) -> int:
    """How many allottable devices are one board (time-slicing, MPS): 1 where it is not shared."""
    found = labels.get(_SHARED, "1")
    return min(max(int(found), 1), MOST_DEVICES) if found.isdecimal() and len(found) < 6 else 1


def _first(labels: dict[str, str], keys: tuple[str, ...]) -> str:
    return next((labels[k] for k in keys if labels.get(k)), "")
