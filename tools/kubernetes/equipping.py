"""A node with the devices that drivers offer on it by name, in the place of those that were only counted. Pure.

Called by the inventory's source. A vendor's devices are named or counted, never both: where its driver offers some, the
number that a device plugin reports of the same vendor is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from estate.devices import Partition
from estate.hardware import Accelerator, Node
from estate.machines import Software
from estate.origins import Layer, Origin
from estate.units import Mebibytes
from tools.kubernetes import power
from tools.kubernetes.nodes import MOST_DEVICES, Reading
from tools.kubernetes.slices import Board, Device, Name

_PROFILE = re.compile(r"[a-z0-9][a-z0-9.+\-]{0,62}", re.ASCII)


def equipped(reading: Reading, boards: Sequence[Board], allotted: Collection[Name], source: str) -> Reading:
    """The node with these boards; `allotted` are the devices that somebody holds, which says how a board is cut."""
    if not boards:
        return reading
    node = reading.node
    makers = {b.device.vendor for b in boards}
    named = [_accelerator(node, i, b, allotted, reading) for i, b in enumerate(boards[:MOST_DEVICES])]
    counted = [a for a in node.accelerators if a.vendor not in makers][: MOST_DEVICES - len(named)]
    rest = [a.model_copy(update={"index": i}) for i, a in enumerate(counted, start=len(named))]
    devices = (*named, *rest)
    draws = [power.draw(a.model) for a in named]
    made = node.model_copy(
        update={
            "accelerators": devices,
            "idle_watts": power.idle(draws[0].beside, len(devices)),
            "software": _software(node, boards),
            "origins": (Origin(layer=Layer.HARDWARE, source=source),),
        }
    )
    watts = max((d.device for d in draws), default=0)
    return replace(reading, node=made, device_watts=max(watts, reading.device_watts if rest else 0))


def places(boards: Iterable[Board]) -> dict[Name, int]:
    """The index that each device, whole or a part, has on its node."""
    found: dict[Name, int] = {}
    for index, board in enumerate(boards):
        found |= {d.name: index for d in (board.device, *board.partitions)}
    return found


def _accelerator(node: Node, index: int, board: Board, allotted: Collection[Name], reading: Reading) -> Accelerator:
    device = board.device
    cut = [p for p in board.partitions if p.name in allotted]
    return Accelerator(
        index=index,
        uuid=device.uuid[:128] or f"{node.uid}/{device.name.driver}/{device.name.device}",
        pci_address=device.pci_address,
        model=device.model.replace(" ", "-") or f"{device.vendor.value}-device",  # as labels write it
        memory_mebibytes=Mebibytes(device.memory_mebibytes),
        nvlink_domain=reading.clique,
        health=device.health,
        vendor=device.vendor,
        generation=device.generation[:64],
        numa_node=device.numa_node,
        partitioned=bool(cut) if board.partitions else None,
        partitions=tuple(_partition(i, p) for i, p in enumerate(cut[:64])),
    )


def _partition(index: int, device: Device) -> Partition:
    profile = (device.profile or device.name.device).lower()
    return Partition(
        index=index,
        profile=profile if _PROFILE.fullmatch(profile) else "unknown",
        uuid=device.uuid[:128],
        memory_mebibytes=Mebibytes(device.memory_mebibytes) if device.memory_mebibytes else None,
    )


def _software(node: Node, boards: Sequence[Board]) -> tuple[Software, ...]:
    """What the driver says of itself goes before what labels do."""
    told: Mapping[str, str] = {s.name: s.version for s in node.software}
    version = next((b.device.driver_version for b in boards if b.device.driver_version), "")
    merged = {**told, **({"driver": version[:128]} if version else {})}
    return tuple(Software(name=name, version=found) for name, found in sorted(merged.items()))
