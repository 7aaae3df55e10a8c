"""What is said of machines to claims about nodes: make, serial number, memory, firmware, ports. Pure; by `claims`.

A claim has the names of the node that its cluster reports, and beyond them only what the sender said: merging then adds
it where nobody says anything yet, and tells of it where somebody says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from estate.hardware import Node
from estate.ids import NodeId
from estate.machines import Nic, Software
from estate.origins import Origin
from tools.inventory.claiming.names import Place
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Presence, Readings
from tools.payloads.facts.statements import Attribute, Fact, Statement

_MEBI = 2**20


@dataclass(frozen=True, slots=True)
class Draft:
    """What a target says of one node, whatever that node is called at the time."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None
    """When it said so first."""

    def claim(self, node: Node, source: str) -> Node:
        """As a claim about that node as it is known now."""
        layers = sorted(set(map(Node.layer_of, self.fields)))
        return Node(
            id=node.id,
            uid=node.uid,
            cluster=node.cluster,
            name=node.name,
            origins=tuple(Origin(layer=layer, source=source, observed_at=self.at) for layer in layers),
            **self.fields,
        )


def drafts(
    told: Iterable[tuple[Place, Fact]],
    measured: Iterable[tuple[Place, Readings, int]],
    nics: Mapping[NodeId, tuple[Nic, ...]],
    before: Mapping[NodeId, Draft],
    at: datetime,
) -> dict[NodeId, Draft]:
    """A draft for each node of which something is said; the one from before where it says the same."""
    said: dict[NodeId, dict[Attribute, str | int]] = {}
    for place, fact in told:
        if place.ref.kind == "node" and not place.part and isinstance(fact, Statement):
            said.setdefault(NodeId(place.ref.id), {}).setdefault(fact.attribute, fact.value)
    memory = _memory(measured)
    every = sorted({*said, *memory, *nics})
    found = {node: _fields(said.get(node, {}), memory.get(node), nics.get(node, ())) for node in every}
    return {node: _draft(fields, before.get(node), at) for node, fields in found.items() if fields}


def _draft(fields: dict[str, Any], before: Draft | None, at: datetime) -> Draft:
    return before if before is not None and before.fields == fields else Draft(fields, at)


def _fields(said: Mapping[Attribute, str | int], memory: int | None, nics: tuple[Nic, ...]) -> dict[str, Any]:
    make = " ".join(str(said[a]) for a in (Attribute.MANUFACTURER, Attribute.MODEL) if a in said)
    firmware, sockets = said.get(Attribute.FIRMWARE), said.get(Attribute.PROCESSORS)
    fields = {
        "serial": str(said.get(Attribute.SERIAL, ""))[:128],
        "system_uuid": str(said.get(Attribute.SYSTEM_UUID, "")).lower()[:128],
        "product": make[:128],
        "sockets": sockets if isinstance(sockets, int) and 0 <= sockets <= 1024 else None,
        "memory_mebibytes": memory,
        "nics": nics,
        "software": (Software(name="firmware", version=str(firmware)[:128]),) if firmware else (),
    }
    return {name: value for name, value in fields.items() if value not in ("", None, ())}


def _memory(measured: Iterable[tuple[Place, Readings, int]]) -> dict[NodeId, int]:
    found: dict[NodeId, int] = {}
    for place, readings, row in measured:
        whole = place.ref.kind == "node" and not place.part and readings.metric[row] == Metric.MEMORY_TOTAL.code
        if whole and readings.presence[row] == Presence.MEASURED:
            found[NodeId(place.ref.id)] = int(readings.value[row]) // _MEBI
    return found
