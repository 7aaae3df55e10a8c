"""Ports of the inventory: where observations come from, and how a process reads the newest estate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from estate.hardware import Node
from estate.ids import NodeId, WorkloadId
from estate.items import Item
from estate.law import Facts
from estate.references import Ref
from estate.snapshots import Snapshot, SnapshotVersion
from estate.workloads import Workload

type VerifyFacts = Callable[[bytes], Facts]
"""Opens a signed facts envelope: raises Denied or BadInput when it is not what it claims to be."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A batch of what a source saw change. `whole` means: this is everything, forget what is not in it."""

    source: str
    nodes: tuple[Node, ...] = ()
    workloads: tuple[Workload, ...] = ()
    removed_nodes: tuple[NodeId, ...] = ()
    removed_workloads: tuple[WorkloadId, ...] = ()
    items: tuple[Item, ...] = ()
    removed_items: tuple[Ref, ...] = ()
    at: datetime | None = None
    """When it was seen; stands in the origins of items that have none yet."""
    whole: bool = False


class Source(Protocol):
    """Where observations come from: a twin, a cluster, files."""

    def watch(self) -> AsyncIterator[Observed]:
        """First everything (`whole`), then each change as it is seen, until closed."""


class Reader(Protocol):
    """How a process reads the newest snapshot it has followed; never blocks, never scans."""

    def newest(self) -> Snapshot:
        """The newest snapshot. Raises RetryLater before the first one has arrived."""

    async def reached(self, version: SnapshotVersion) -> Snapshot:
        """Wait until the newest snapshot is at least `version`."""


class Past(Protocol):
    """Recent versions of the estate, each exactly as it was."""

    def as_of(self, version: SnapshotVersion) -> Snapshot | None:
        """The estate under exactly that version; None when it is too long ago, or never was here."""

    def at(self, time: datetime) -> Snapshot | None:
        """The newest estate that was told by that time; None when it is too long ago."""


class Forgotten:
    """A past of which nothing is held: satisfies `Past` where nobody follows the stream."""

    def as_of(self, version: SnapshotVersion) -> Snapshot | None:
        """Nothing."""
        return None

    def at(self, time: datetime) -> Snapshot | None:
        """Nothing."""
        return None
