"""Deltas: how the one inventory writer tells every other process what changed, and under which version.

A delta that is too large for one message travels in parts of the same version; a follower applies it when it has all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from estate.alterations import Alteration, Bound, Unbound, WrittenAlteration, altered_node, altered_workload
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import NodeId, WorkloadId
from estate.items import Item
from estate.law import Facts
from estate.records import Record, Time, later
from estate.references import WrittenRef
from estate.snapshots import SnapshotVersion
from estate.stock import Stock
from estate.workloads import Workload

_MESSAGE_ID = re.compile(r"([a-z0-9-]+)/(\d{1,16})\.(\d{1,16})(/whole)?#\d{1,9}", re.ASCII)
PART_BYTES = 160 * 1024
"""About how large a part may become; the bus refuses messages above 256 KiB."""


class Delta(Record):
    """Things put and removed, leading to `version`. The first of an epoch is a whole estate (`whole`)."""

    kind: Literal["placet.delta"] = "placet.delta"
    v: Literal[1] = 1
    version: SnapshotVersion
    at: Time
    part: int = Field(default=1, ge=1)
    parts: int = Field(default=1, ge=1)
    whole: bool = False
    facts_envelope: str | None = None
    """The signed facts (a DSSE envelope as JSON text) when they changed; followers verify it themselves."""
    nodes: tuple[Node, ...] = ()
    workloads: tuple[Workload, ...] = ()
    removed_nodes: tuple[NodeId, ...] = ()
    removed_workloads: tuple[WorkloadId, ...] = ()
    items: tuple[Item, ...] = later(())
    removed_items: tuple[WrittenRef, ...] = later(())
    alterations: tuple[WrittenAlteration, ...] = later(())
    """Of things that are known, and not put or removed by this delta."""

    @property
    def message_id(self) -> str:
        """What makes the bus store this part once: version, sort and part."""
        return f"{self.version}{'/whole' if self.whole else ''}#{self.part}"


@dataclass(frozen=True, slots=True)
class Heading:
    """What a message id says of its part: enough to pass over what is known, without reading the body."""

    version: SnapshotVersion
    whole: bool

    @classmethod
    def of(cls, message_id: str) -> Heading | None:
        """The heading in the message id of a part; None for any other."""
        found = _MESSAGE_ID.fullmatch(message_id)
        if found is None:
            return None
        installation, epoch, sequence, whole = found.groups()
        form = {"installation": installation, "epoch": int(epoch), "sequence": int(sequence)}
        try:
            return cls(SnapshotVersion.model_validate(form), whole is not None)
        except ValidationError:
            return None


def apply(estate: FrozenEstate, delta: Delta, facts: Facts) -> FrozenEstate:
    """The estate after `delta` (joined), under `facts` (the verified ones)."""
    if delta.whole:
        return FrozenEstate.of(delta.version, facts, delta.nodes, delta.workloads, delta.items)
    if facts is not estate.facts:
        estate = estate.with_facts(facts)
    for node in delta.removed_nodes:
        estate = estate.without_node(node)
    for workload in delta.removed_workloads:
        estate = estate.without_workload(workload)
    for changed in delta.nodes:
        estate = estate.with_node(changed)
    for moved in delta.workloads:
        estate = estate.with_workload(moved)
    for fact in delta.alterations:
        estate = _altered(estate, fact)
    return estate.with_stock(restocked(estate.stock, delta)).at(delta.version)


def _altered(estate: FrozenEstate, fact: Alteration) -> FrozenEstate:
    """A fact about what nobody knows is none."""
    if isinstance(fact, Bound | Unbound):
        workload = estate.workload(fact.workload)
        return estate if workload is None else estate.with_workload(altered_workload(workload, fact))
    node = estate.node(fact.node)
    return estate if node is None else estate.with_node(altered_node(node, fact))


def restocked(stock: Stock, delta: Delta) -> Stock:
    """The items after `delta`."""
    for ref in delta.removed_items:
        stock = stock.without(ref)
    for item in delta.items:
        stock = stock.with_(item)
    return stock


def split(delta: Delta, limit: int = PART_BYTES) -> tuple[Delta, ...]:
    """The parts of a delta, none much larger than `limit` bytes (one thing is never cut; an envelope is)."""
    bare = delta.model_copy(update=dict.fromkeys(_LISTS, ()) | {"facts_envelope": None})
    contents = list(_portions(delta, limit)) or [{}]
    return tuple(
        bare.model_copy(update=content | {"part": number, "parts": len(contents)})
        for number, content in enumerate(contents, start=1)
    )


def join(parts: Sequence[Delta]) -> Delta:
    """The delta that was split into `parts`, given in order and complete."""
    envelopes = [p.facts_envelope for p in parts if p.facts_envelope is not None]
    joined: dict[str, Any] = {name: tuple(t for p in parts for t in getattr(p, name)) for name in _LISTS}
    joined["facts_envelope"] = "".join(envelopes) if envelopes else None
    return parts[0].model_copy(update=joined | {"part": 1, "parts": 1})


_LISTS = ("nodes", "workloads", "items", "removed_nodes", "removed_workloads", "removed_items", "alterations")
_written = TypeAdapter[Alteration](WrittenAlteration).dump_json


def _portions(delta: Delta, limit: int) -> Iterator[dict[str, Any]]:
    """The content in order, cut where a portion would pass the limit."""
    content: dict[str, Any] = {}
    size = 0
    for name, value, weight in _pieces(delta, limit):
        if content and size + weight > limit:
            yield content
            content, size = {}, 0
        content[name] = value if name == "facts_envelope" else (*content.get(name, ()), value)
        size += weight
    if content:
        yield content


def _pieces(delta: Delta, limit: int) -> Iterable[tuple[str, Any, int]]:
    """Every smallest piece with its weight in bytes; a slice of the envelope always fills a portion of its own."""
    envelope = delta.facts_envelope or ""
    for start in range(0, len(envelope), max(limit // 4, 1)):
        yield "facts_envelope", envelope[start : start + max(limit // 4, 1)], limit
    for name in ("nodes", "workloads", "items"):
        for thing in getattr(delta, name):
            yield name, thing, len(thing.model_dump_json()) + 1  # its canonical form, nearly, at a tenth of the cost
    for name in ("removed_nodes", "removed_workloads", "removed_items"):
        for gone in getattr(delta, name):
            yield name, gone, len(str(gone)) + 3
    for fact in delta.alterations:
        yield "alterations", fact, len(_written(fact)) + 1
