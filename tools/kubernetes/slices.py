"""What device drivers offer by name: a raw ResourceSlice → its devices, and those of a node in a lasting order. Pure.

Read through `tools.payloads.clusters.devices`, as everybody reads it. Devices that share one board (MIG) are partitions
of it, where the board itself is offered too; else each is a device of its own. Boards of a pool that is being renewed
count in its newest generation only.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from estate.devices import Vendor
from estate.hardware import Health
from tools.kubernetes import fields
from tools.kubernetes.fields import Raw
from tools.payloads.clusters import objects, vendors
from tools.payloads.contexts import Context
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Attribute, Condition, Fact, Relation, Statement, Tie

_DIGITS = re.compile(r"(\d{1,9})", re.ASCII)
_LEAVES = "NoExecute"
"""The effect of a device taint that drives off whoever holds it; `NoSchedule` keeps newcomers away."""


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """What claims call a device."""

    driver: str
    pool: str
    device: str


@dataclass(slots=True)
class Device:
    """One device of a slice, as far as its driver describes it."""

    name: Name
    vendor: Vendor
    node: str
    model: str = ""
    generation: str = ""
    memory_mebibytes: int = 0
    uuid: str = ""
    pci_address: str = ""
    index: int | None = None
    numa_node: int | None = None
    profile: str = ""
    driver_version: str = ""
    boards: tuple[Mention, ...] = ()
    """The boards that it is, or is part of: by what they share, or by uuid."""
    health: Health = Health.HEALTHY


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: part of what one driver offers in one pool."""

    uid: str
    driver: str
    pool: str
    generation: int
    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """A device that is allotted whole, or in the partitions that are offered beside it."""

    device: Device
    partitions: tuple[Device, ...] = ()


@dataclass(slots=True)
class _Told:
    """The facts of one device."""

    said: dict[Attribute, str | int] = field(default_factory=dict)
    ties: list[tuple[Tie, Mention]] = field(default_factory=list)
    taints: list[str] = field(default_factory=list)


def read(raw: Raw, api_version: str) -> Slice:
    """The accelerators of a raw ResourceSlice (of a list: without its own kind). Raises BadInput."""
    about, spec = (fields.mapping(raw.get(k), k) for k in ("metadata", "spec"))
    pool = fields.mapping(spec.get("pool"), "spec.pool")
    driver = fields.needed(spec.get("driver"), "spec.driver")
    whole = {**raw, "apiVersion": api_version, "kind": "ResourceSlice"}
    maker = vendors.of_driver(driver)
    facts = [] if maker is None else objects.read(whole, "", Context("kubernetes")).facts
    return Slice(
        uid=fields.needed(about.get("uid"), "metadata.uid"),
        driver=driver,
        pool=fields.needed(pool.get("name"), "spec.pool.name"),
        generation=fields.integer(pool.get("generation"), "spec.pool.generation", 0),
        devices=() if maker is None else tuple(_devices(facts, maker)),
    )


def newest(slices: Iterable[Slice]) -> Iterator[Device]:
    """Every device of the newest generation of each pool."""
    held = list(slices)
    last: defaultdict[tuple[str, str], int] = defaultdict(int)
    for one in held:
        last[one.driver, one.pool] = max(last[one.driver, one.pool], one.generation)
    for one in held:
        if one.generation == last[one.driver, one.pool]:
            yield from one.devices


def boards(devices: Iterable[Device]) -> list[Board]:
    """The boards of one node in a lasting order: as their driver numbers them, else by name."""
    ordered = sorted(devices, key=_place)
    heads = {head.name: head for group in _sharing(ordered) if (head := _head(group)) is not None}
    parts: defaultdict[Name, list[Device]] = defaultdict(list)
    alone: list[Device] = []
    for device in ordered:
        head = next((h for h in heads.values() if h is not device and set(h.boards) & set(device.boards)), None)
        if device.name in heads or head is None:
            alone.append(device)
        else:
            parts[head.name].append(device)
    return [Board(device, tuple(parts[device.name])) for device in alone]


def _sharing(devices: Sequence[Device]) -> Iterable[list[Device]]:
    groups: defaultdict[Mention, list[Device]] = defaultdict(list)
    for device in devices:
        for board in device.boards:
            groups[board].append(device)
    return groups.values()


def _head(group: list[Device]) -> Device | None:
    """The whole board among those that share one: the only one that is no slice and has the most memory."""
    whole = [d for d in group if not d.profile]
    most = max((d.memory_mebibytes for d in whole), default=0)
    heads = [d for d in whole if d.memory_mebibytes == most]
    return heads[0] if len(heads) == 1 and len(group) > 1 else None


def _place(device: Device) -> tuple[object, ...]:
    """A driver's own numbers first; then names with their numbers as numbers (`gpu-2` before `gpu-10`)."""
    pieces = tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in _DIGITS.split(device.name.device))
    index = 2**31 if device.index is None else device.index
    return device.name.driver, index, pieces, device.name.pool


def _devices(facts: Iterable[Fact], maker: Vendor) -> Iterator[Device]:
    told: defaultdict[Mention, _Told] = defaultdict(_Told)
    for fact in facts:
        if fact.subject.kind is not MentionKind.DRA_DEVICE:
            continue
        match fact:
            case Statement():
                told[fact.subject].said[fact.attribute] = fact.value
            case Relation():
                told[fact.subject].ties.append((fact.tie, fact.other))
            case Condition():
                told[fact.subject].taints.append(fact.reason)
            case _:
                continue
    for subject, found in told.items():
        yield _device(subject, found, maker)


def _device(subject: Mention, told: _Told, maker: Vendor) -> Device:
    pool, _, name = subject.value.rpartition("/")
    same = {other.kind: other for tie, other in told.ties if tie is Tie.SAME_AS}
    uuid = same.get(MentionKind.GPU_UUID)
    address = same.get(MentionKind.PCI_ADDRESS)
    home = next((other.value for tie, other in told.ties if tie is Tie.CONTAINED_BY), "")
    shared = [other for tie, other in told.ties if tie is Tie.PARTITION_OF]
    profile = str(told.said.get(Attribute.MIG_PROFILE, ""))
    own = [uuid] if uuid is not None and not profile else []
    return Device(
        name=Name(subject.scope, pool, name),
        vendor=maker,
        node=home,
        model=str(told.said.get(Attribute.MODEL, "")),
        generation=str(told.said.get(Attribute.ARCHITECTURE, "")).lower(),
        memory_mebibytes=_number(told, Attribute.MEMORY_BYTES, 2**50) // 2**20,
        uuid=uuid.value if uuid is not None else "",
        pci_address=address.value if address is not None else "",
        index=_index(told, Attribute.INDEX, 511),
        numa_node=_index(told, Attribute.NUMA_NODE, 1023),
        profile=profile,
        driver_version=str(told.said.get(Attribute.DRIVER, "")),
        boards=tuple(dict.fromkeys([*shared, *own])),
        health=_health(told.taints),
    )


def _health(effects: Iterable[str]) -> Health:
    found = set(effects)
    if _LEAVES in found:
        return Health.FAILED
    return Health.UNKNOWN if "NoSchedule" in found else Health.HEALTHY


def _number(told: _Told, attribute: Attribute, most: int) -> int:
    found = told.said.get(attribute, 0)
    return found if isinstance(found, int) and 0 <= found <= most else 0


def _index(told: _Told, attribute: Attribute, most: int) -> int | None:
    found = told.said.get(attribute)
    return found if isinstance(found, int) and 0 <= found <= most else None
