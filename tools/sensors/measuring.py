"""Readings in senders' names to readings of things of the estate: called by `watching` for every batch. Pure.

Only what some sensor asks for is looked at, and that by column. Dropped and counted: what is blank, not finite, of a
thing that nobody knows, or from the future. A name is resolved by a strong alias or by what an administrator wrote (a
cluster's node, a BMC's own name); one that fits two things fits none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from estate.aliases import Alias, AliasKind
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.neighbours import accelerator
from estate.references import Ref
from estate.snapshots import Snapshot
from tools.inventory.port import Heard
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import ORDER, Metric
from tools.payloads.facts.readings import NO_TIME, Presence, Readings
from tools.sensors.port import Measured

SKEW = timedelta(seconds=30)
"""How far ahead of ours a sender's clock may be."""
_SUFFIXES = 2
"""What a ReplicaSet's pod has behind its owner's name: a hash and a word."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was understood, by metric, and how many readings were not."""

    of: dict[Metric, tuple[Measured, ...]]
    dropped: int = 0


def taken(heard: Collection[Heard], wanted: frozenset[Metric], snapshot: Snapshot, now: datetime) -> Taken:
    """Every reading of the metrics that are wanted."""
    found: dict[Metric, list[Measured]] = {}
    dropped = 0
    for one in heard:
        for readings in one.readings:
            measured, lost = _read(readings, wanted, snapshot, min(one.at, now), now)
            dropped += lost
            for reading in measured:
                found.setdefault(reading.metric, []).append(reading)
    return Taken({metric: tuple(of) for metric, of in found.items()}, dropped)


def _read(
    readings: Readings, wanted: frozenset[Metric], snapshot: Snapshot, heard_at: datetime, now: datetime
) -> tuple[list[Measured], int]:
    asked = np.isin(readings.metric, [m.code for m in wanted])
    sound = (readings.presence == Presence.MEASURED) & np.isfinite(readings.value)
    late = readings.at > int((now + SKEW).timestamp() * 1000)
    rows = np.flatnonzero(asked & sound & ~late).tolist()
    places: dict[int, Ref | None] = {}
    found = list[Measured]()
    for row in rows:
        number = int(readings.subject[row])
        if number not in places:
            places[number] = resolve(readings.subjects[number], snapshot)
        about = places[number]
        if about is not None:
            written = int(readings.at[row])
            at = heard_at if written == NO_TIME else min(datetime.fromtimestamp(written / 1000, UTC), now)
            mention = readings.subjects[number]
            metric = ORDER[int(readings.metric[row])]
            found.append(Measured(about, metric, float(readings.value[row]), at, str(mention)))
    return found, int(asked.sum()) - len(found)


def resolve(mention: Mention, snapshot: Snapshot) -> Ref | None:
    """The thing of the estate that a sender means; None where nothing, or more than one thing, answers."""
    match mention.kind:
        case MentionKind.GPU_UUID:
            device = snapshot.accelerator(mention.value)
            return accelerator(device.node, device.index) if device is not None else None
        case MentionKind.NODE:
            named = snapshot.named(ClusterId(mention.scope), mention.value)
            return Ref("node", named) if named is not None else None
        case MentionKind.HOSTNAME:
            return _host(mention.value, snapshot)
        case MentionKind.CHASSIS if not mention.part:
            return _called(mention.scope, snapshot)
        case MentionKind.PORT:
            host = _host(mention.scope, snapshot)
            return Ref("port", f"{host.id}/{mention.value}") if host is not None else None
        case MentionKind.MODEL_SERVER:
            return _server(mention, snapshot)
        case MentionKind.SERIAL | MentionKind.SYSTEM_UUID | MentionKind.PROVIDER_ID:
            return snapshot.stock.known_as(Alias(kind=AliasKind(mention.kind.value), value=mention.value))
        case _:
            return None


def _host(name: str, snapshot: Snapshot) -> Ref | None:
    """The node that exactly one cluster calls so."""
    found = {n for c in snapshot.facts.clusters if (n := snapshot.named(c.id, name)) is not None}
    return Ref("node", found.pop()) if len(found) == 1 else None


def _called(name: str, snapshot: Snapshot) -> Ref | None:
    """What a BMC is called by whoever configured it: a node's id or name, or a part of the power chain."""
    if snapshot.node(NodeId(name)) is not None:
        return Ref("node", name)
    parts = (Ref(kind, name) for kind in ("pdu", "feed", "ups", "transformer", "cdu", "loop"))
    return next((ref for ref in parts if snapshot.stock.get(ref) is not None), None) or _host(name, snapshot)


def _server(mention: Mention, snapshot: Snapshot) -> Ref | None:
    """The workload of a model server's pod: of the pod's name, or of that without what its ReplicaSet added."""
    namespace, _, pod = mention.value.partition("/")
    clusters = [ClusterId(mention.scope)] if mention.scope else [c.id for c in snapshot.facts.clusters]
    name = pod
    for _ in range(_SUFFIXES + 1):
        found: set[WorkloadId] = {w for c in clusters if (w := snapshot.workload_named(c, namespace, name)) is not None}
        if found:
            return Ref("workload", found.pop()) if len(found) == 1 else None
        name = name.rpartition("-")[0]
    return None
