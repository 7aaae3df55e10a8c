"""Devices that are known by name, read live: which claims pods hold, and what drivers offer on a node.

Called by `reaching`, so that what holds its devices through claims is counted as the source counts it. Nothing is read
where no pod names a claim, or a node's devices are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from estate.hardware import Accelerator
from tools.execution.kubernetes.listing import listed
from tools.kubernetes import claims, equipping, faults, objects, resources, slices
from tools.kubernetes.allotments import Allotments
from tools.kubernetes.claims import Claims
from tools.kubernetes.connecting import Connection, Object
from tools.kubernetes.nodes import Reading
from tools.kubernetes.resources import Resource
from tools.kubernetes.slices import Board


async def allotments(connection: Connection, namespace: str, pods: Sequence[Object]) -> Allotments:
    """What these pods of one namespace hold by name; and what those will that ask by a template."""
    parsed = [objects.pod(p) for p in pods]
    if not any(p.claims or p.ask.templates for p in parsed):
        return Allotments()
    found, kind = await _served(connection, resources.CLAIMS, namespace)
    held = Allotments(Claims.of(found, kind.api_version))
    return await _wanted(connection, namespace, held) if any(p.ask.templates for p in parsed) else held


async def _wanted(connection: Connection, namespace: str, held: Allotments) -> Allotments:
    made, of = await _served(connection, resources.CLAIM_TEMPLATES, namespace)
    sorts, kind = await _served(connection, resources.CLASSES, "")
    asked = (claims.template(raw, of.api_version) for raw in made)
    known = (claims.device_class(raw, kind.api_version) for raw in sorts)
    return replace(held, templates={(t.namespace, t.name): t for t in asked}, classes={c.name: c for c in known})


async def devices(connection: Connection, reading: Reading) -> tuple[Accelerator, ...]:
    """The accelerators of a node: those that drivers offer on it by name, and those that it counts."""
    found = await boards(connection, reading.node.name)
    return equipping.equipped(reading, found, (), resources.SLICES.plural).node.accelerators


async def boards(connection: Connection, node: str) -> list[Board]:
    """What drivers offer on a node by name, in the order in which devices have their indexes."""
    found, kind = await _served(connection, resources.SLICES, "", f"spec.nodeName={node}")
    offered = slices.newest(slices.read(raw, kind.api_version) for raw in found)
    return slices.boards(d for d in offered if d.node == node)


async def claims_served(connection: Connection, namespace: str) -> Resource:
    """ResourceClaims in the newest version that the cluster serves."""
    return (await _served(connection, resources.CLAIMS, namespace))[1]


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
