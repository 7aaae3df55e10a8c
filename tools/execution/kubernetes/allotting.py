"""Devices that are known by name, read live: which claims pods hold, and what drivers offer on a node.

Called by `reaching`, so that what holds its devices through claims is counted as the source counts it. Nothing is read
where no pod names a claim, or a node's devices are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from estate.hardware import Accelerator
from tools.execution.kubernetes.listing import listed
from tools.kubernetes import equipping, faults, objects, resources, slices
from tools.kubernetes.allotments import Allotments
from tools.kubernetes.claims import Claims
from tools.kubernetes.connecting import Connection, Object
from tools.kubernetes.nodes import Reading
from tools.kubernetes.resources import Resource


async def allotments(connection: Connection, namespace: str, pods: Sequence[Object]) -> Allotments:
    """What these pods of one namespace hold by name."""
    if not any(objects.pod(p).claims for p in pods):
        return Allotments()
    found, kind = await _served(connection, resources.CLAIMS, namespace)
    return Allotments(Claims.of(found, kind.api_version))


async def devices(connection: Connection, reading: Reading) -> tuple[Accelerator, ...]:
    """The accelerators of a node: those that drivers offer on it by name, and those that it counts."""
    name = reading.node.name
    found, kind = await _served(connection, resources.SLICES, "", f"spec.nodeName={name}")
    offered = slices.newest(slices.read(raw, kind.api_version) for raw in found)
    boards = slices.boards(d for d in offered if d.node == name)
    return equipping.equipped(reading, boards, (), kind.plural).node.accelerators


async def _served(
    connection: Connection, kind: Resource, namespace: str, where: str = ""
) -> tuple[list[Object], Resource]:
    """The objects in the newest version that the cluster serves; none where it serves none."""
    for version in (kind.version, *kind.older):
        served = replace(kind, version=version)
        try:
            return list(await listed(connection, served, namespace, fields=where)), served
        except faults.NotFound:
            continue
    return [], kind
