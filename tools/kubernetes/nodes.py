"""A raw Node and the facts → `estate.hardware.Node`. Pure.

Where a node stands is a fact and never read from it. Kubernetes counts devices and does not name them, so their uuids
are the node's own uid and a number, and they have no PCI address: an event that names a device by its real uuid or
address is resolved to the node alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from estate.errors import BadInput
from estate.hardware import Accelerator, Health, Node, Taint
from estate.ids import ClusterId, Uid
from estate.law import Facts
from estate.units import Mebibytes
from tools.kubernetes import fields, naming, power, tainting
from tools.kubernetes.fields import Raw

MOST_DEVICES = 512
"""Devices of one node; time-sliced ones count each. Of a node that claims more only these are taken in."""


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


@dataclass(frozen=True, slots=True)
class Reading:
    """A node as far as it can be read. With `faults` nothing of it is known to be healthy: it receives no work, and can
    be fenced."""

    node: Node
    device_watts: int
    """The most that one device of the node draws; 0 where it has none."""
    faults: tuple[str, ...] = ()
    """What cannot be read, with the field."""


def node(raw: Raw, facts: Facts, cluster: ClusterId) -> Node:
    """The node that `raw` is, as far as it can be read. Raises as `read`."""
    return read(raw, facts, cluster).node


def read(raw: Raw, facts: Facts, cluster: ClusterId) -> Reading:
    """The node that `raw` is: one whose kubelet reports nonsense is there all the same.

    Raises:
        BadInput: it has no name or uid that could be one; the reason names the field.
    """
    about = fields.mapping(raw.get("metadata"), "metadata")
    name, uid = fields.needed(about.get("name"), "metadata.name"), _uid(about)
    parts = _Parts()
    nothing: Raw = {}
    labels = parts.read(lambda: fields.words(about.get("labels"), "metadata.labels"), dict[str, str]())
    spec, status = (parts.read(partial(fields.mapping, raw.get(k), k), nothing) for k in ("spec", "status"))
    devices = tuple(parts.all(_devices(uid, labels, status)))
    made = Node(
        id=naming.node_id(facts, cluster, name),
        uid=uid,
        cluster=cluster,
        name=name,
        boot_id=parts.read(lambda: _boot(status), ""),
        accelerators=devices,
        idle_watts=power.idle(_draw(devices[0].model, labels).beside if devices else 0, len(devices)),
        cordoned=parts.read(lambda: fields.flag(spec.get("unschedulable"), "spec.unschedulable"), False),
        health=parts.read(lambda: _health(status), Health.UNKNOWN),
        taints=parts.read(lambda: tainting.taints(spec), tuple[Taint, ...]()),
    )
    faults = tuple(parts.faults)
    watts = max((_draw(a.model, labels).device for a in devices), default=0)
    return Reading(_doubted(made) if faults else made, watts, faults)


@dataclass(slots=True)
class _Parts:
    """Reads part by part, and keeps what was wrong with each."""

    faults: list[str] = field(default_factory=list)

    def read[T](self, part: Callable[[], T], instead: T) -> T:
        """The part; `instead` where it cannot be read."""
        try:
            return part()
        except BadInput as error:
            self.faults.append(str(error))
            return instead

    def all[T](self, items: Iterator[T]) -> Iterator[T]:
        """The items up to the first that cannot be read."""
        try:
            yield from items
        except BadInput as error:
            self.faults.append(str(error))


def _doubted(made: Node) -> Node:
    """Nothing that such a node says of its devices is taken for health."""
    failed = Health.FAILED
    devices = tuple(
        a if a.health is failed else a.model_copy(update={"health": Health.UNKNOWN}) for a in made.accelerators
    )
    health = failed if made.health is failed else Health.UNKNOWN
    return made.model_copy(update={"accelerators": devices, "health": health})


def _boot(status: Raw) -> str:
    return fields.text(
        fields.mapping(status.get("nodeInfo"), "status.nodeInfo").get("bootID"), "status.nodeInfo.bootID"
    )


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
        fit = min(total, MOST_DEVICES - start)
        model = _first(labels, family.models) or family.unnamed
        memory = fields.mebibytes(_first(labels, family.memories)) // _shared(labels)
        for index in range(start, start + fit):
            yield Accelerator(
                index=index,
                uuid=f"{uid}/{index}",
                pci_address="",
                model=model,
                memory_mebibytes=Mebibytes(memory),
                nvlink_domain=labels.get(_CLIQUE, ""),
                health=Health.HEALTHY if index < start + usable else Health.FAILED,
            )
        if fit < total:
            raise BadInput(f"status.capacity.{family.resource}: {start + total} devices are more than {MOST_DEVICES}")
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
