"""A raw Node and the facts → `estate.hardware.Node`. Pure.

Where a node stands is a fact and never read from it. Where Kubernetes counts devices it does not name them, so their
uuids are the node's own uid and a number, and they have no PCI address: an event that names a device by its real uuid
or address is resolved to the node alone. `equipping` puts the devices in their place that a driver offers by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from estate.errors import BadInput
from estate.hardware import Accelerator, Health, Node, Taint
from estate.ids import ClusterId, Uid
from estate.law import Facts
from estate.machines import Software
from estate.origins import Layer, Origin
from estate.units import Mebibytes
from tools.kubernetes import fields, naming, power, tainting
from tools.kubernetes.fields import Raw
from tools.payloads.clusters import amounts, features, vendors

MOST_DEVICES = 512
"""Devices of one node; time-sliced ones count each. Of a node that claims more only these are taken in."""
_PRESSURES = frozenset({"MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"})
_INSTALLED = {
    "kernelVersion": "kernel",
    "kubeletVersion": "kubelet",
    "containerRuntimeVersion": "container-runtime",
    "osImage": "os",
}
_LONGEST_WORD = 128
_MOST = 10**9


@dataclass(frozen=True, slots=True)
class Reading:
    """A node as far as it can be read. With `faults` nothing of it is known to be healthy: it receives no work, and can
    be fenced."""

    node: Node
    device_watts: int
    """The most that one device of the node draws; 0 where it has none."""
    faults: tuple[str, ...] = ()
    """What cannot be read, with the field."""
    clique: str = ""
    """What its devices are members of by the node's labels, which are about devices that others name too."""


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
    draws = [power.draw(a.model, shared) for a, shared in devices]
    made = Node(
        id=naming.node_id(facts, cluster, name),
        uid=uid,
        cluster=cluster,
        name=name,
        boot_id=parts.read(lambda: _boot(status), ""),
        accelerators=tuple(a for a, _ in devices),
        idle_watts=power.idle(draws[0].beside if draws else 0, len(devices)),
        cordoned=parts.read(lambda: fields.flag(spec.get("unschedulable"), "spec.unschedulable"), False),
        health=parts.read(lambda: _health(status), Health.UNKNOWN),
        taints=parts.read(lambda: tainting.taints(spec), tuple[Taint, ...]()),
        system_uuid=_word(_info(status), "systemUUID").lower(),
        provider_id=_word(spec, "providerID", 512),
        product=features.machine(labels)[:_LONGEST_WORD],
        memory_mebibytes=_memory(status),
        millicores=parts.read(partial(_allots, status, "cpu", amounts.milli), None),
        allots_mebibytes=parts.read(partial(_allots, status, "memory", _mebibytes), None),
        software=_software(labels, status),
        partitioning=features.partitioning(labels),
    )
    faults = tuple(parts.faults)
    watts = max((d.device for d in draws), default=0)
    found = Reading(made, watts, faults, labels.get(features.CLIQUE, "")[:64])
    return doubted(found) if faults else found


def doubted(found: Reading) -> Reading:
    """Nothing that such a node says of its devices is taken for health."""
    made, failed = found.node, Health.FAILED
    devices = tuple(
        a if a.health is failed else a.model_copy(update={"health": Health.UNKNOWN}) for a in made.accelerators
    )
    health = failed if made.health is failed else Health.UNKNOWN
    return replace(found, node=made.model_copy(update={"accelerators": devices, "health": health}))


def silenced(made: Node, source: str, since: datetime | None) -> Node:
    """A node whose kubelet is not heard any more: what it says of its health is old."""
    health = made.health if made.health is Health.FAILED else Health.UNKNOWN
    origin = Origin(layer=Layer.HEALTH, source=source, observed_at=since)
    return made.model_copy(update={"health": health, "origins": (*made.origins, origin)})


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


def _boot(status: Raw) -> str:
    return fields.text(
        fields.mapping(status.get("nodeInfo"), "status.nodeInfo").get("bootID"), "status.nodeInfo.bootID"
    )


def _uid(about: Raw) -> Uid:
    uid = fields.needed(about.get("uid"), "metadata.uid")
    if len(uid) > 128:
        raise BadInput("metadata.uid: is longer than 128 characters")
    return Uid(uid)


def _devices(uid: Uid, labels: dict[str, str], status: Raw) -> Iterator[tuple[Accelerator, int]]:
    """Every device that the node has, each with how many share its board; those that it has and cannot allot count as
    failed, the highest indexes first.
    """
    have = fields.mapping(status.get("capacity"), "status.capacity")
    allots = fields.mapping(status.get("allocatable"), "status.allocatable")
    start = 0
    for resource, family in vendors.counted({**have, **allots}):
        usable = fields.count(allots.get(resource), f"status.allocatable.{resource}")
        total = fields.count(have.get(resource), f"status.capacity.{resource}")
        total = total if resource in have else usable
        fit = min(total, MOST_DEVICES - start)
        told = features.described(labels, family)
        for index in range(start, start + fit):
            device = Accelerator(
                index=index,
                uuid=f"{uid}/{index}",
                pci_address="",
                model=told.model,
                memory_mebibytes=Mebibytes(told.memory_mebibytes),
                nvlink_domain=labels.get(features.CLIQUE, ""),
                health=Health.HEALTHY if index < start + usable else Health.FAILED,
                vendor=family.vendor,
                generation=told.generation[:64],
                cut=family.cut(resource),
            )
            yield device, told.shared
        if fit < total:
            raise BadInput(f"status.capacity.{resource}: {start + total} devices are more than {MOST_DEVICES}")
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


def _info(status: Raw) -> Raw:
    found = status.get("nodeInfo")
    return found if isinstance(found, Mapping) else {}


def _word(raw: Raw, field: str, longest: int = _LONGEST_WORD) -> str:
    """A text that nothing hangs on: one that cannot be kept is left out."""
    try:
        found = fields.text(raw.get(field), field)
    except BadInput:
        return ""
    return found if len(found) <= longest else ""


def _memory(status: Raw) -> Mebibytes | None:
    have = status.get("capacity")
    told = have.get("memory") if isinstance(have, Mapping) else None
    try:
        return Mebibytes(amounts.whole(told, "status.capacity.memory") // 2**20) if told is not None else None
    except BadInput:
        return None


def _allots(status: Raw, of: str, count: Callable[[object, str], int]) -> int | None:
    """What pods may request together of a resource; None where its kubelet does not say."""
    told = fields.mapping(status.get("allocatable"), "status.allocatable").get(of)
    return None if told is None else min(count(told, f"status.allocatable.{of}"), _MOST)


def _mebibytes(value: object, at: str) -> int:
    return amounts.whole(value, at) // 2**20


def _software(labels: Mapping[str, str], status: Raw) -> tuple[Software, ...]:
    """What its kubelet says goes before what labels do."""
    said = {ours: _word(_info(status), theirs) for theirs, ours in _INSTALLED.items()}
    found = features.software(labels) | {name: version for name, version in said.items() if version}
    return tuple(Software(name=name, version=version[:_LONGEST_WORD]) for name, version in sorted(found.items()))
