"""Ports of the inventory: where observations come from, and how a process reads the newest estate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from estate.drifts import Drift
from estate.frozen import FrozenEstate
from estate.hands import Hand
from estate.hardware import Node
from estate.ids import ClusterId, NodeId, SiteId, WorkloadId
from estate.items import Item
from estate.law import Facts
from estate.observations import Observation
from estate.references import Ref
from estate.snapshots import Snapshot, SnapshotVersion
from estate.workloads import Workload
from tools.inventory.claiming.names import Names
from tools.inventory.disagreements import Disagreement
from tools.payloads.facts.readings import Readings
from tools.payloads.facts.statements import Fact
from tools.payloads.parsed import Fault


@dataclass(frozen=True, slots=True)
class About:
    """What an administrator wrote of a target: whose word stands above whatever the target says of itself."""

    things: Mapping[str, Ref] = field(default_factory=dict)
    """What its paths are; under the empty one, what all of it is."""
    site: SiteId | None = None
    """Where its prices hold."""
    micro_usd: Mapping[str, int] = field(default_factory=dict)
    """What a unit of another currency is worth."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A body that tells events: for intake, as any sender would post it."""

    format: str
    body: bytes
    headers: Mapping[str, str]
    id: str
    """The same for the same lines of the same file, however often they are read."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one target of a source said at one time, in the sender's own names; or why it said nothing."""

    target: str
    at: datetime
    """By our clock. Facts and readings have their senders' times."""
    facts: tuple[Fact, ...] = ()
    readings: tuple[Readings, ...] = ()
    faults: tuple[Fault, ...] = ()
    """What could not be read; each stands here once, until it is gone and comes back."""
    failure: str = ""
    """Empty when the target answered. What it said before stays as it was, and ages."""
    about: About = field(default_factory=About)
    raw: tuple[Raw, ...] = ()
    """What is intake's to read."""
    taken: Callable[[], None] | None = field(default=None, compare=False)
    """Called once intake has all of `raw`: whoever reads it need not read that again."""
    partial: bool = False
    """Some of it could not be asked this time: what is missing is not gone."""


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
    heard: tuple[Heard, ...] = ()
    observations: tuple[Observation, ...] = ()
    """Events that others told where the source looks on; each stands here once."""
    claimed: bool = False
    """Whether it is what a target's word makes of the model: that it spoke was told before."""
    whole: bool = False
    cluster: ClusterId | None = None
    """The one cluster that `drifts` are of; None: this source knows of none."""
    drifts: Mapping[str, tuple[Drift, ...]] = field(default_factory=dict)
    """By what people call the object; none any more where that is empty."""
    hands: Mapping[WorkloadId, Hand] = field(default_factory=dict)
    """Who wrote what made these workloads what they are, where its system knows."""


class Source(Protocol):
    """Where observations come from: a twin, a cluster, files."""

    @property
    def cluster(self) -> ClusterId | None:
        """The cluster that it alone shows; None where it shows no single one."""

    def watch(self) -> AsyncIterator[Observed]:
        """First everything (`whole`), then each change as it is seen, until closed."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """What the writer took in, and the estate before and after: by name, because both estates hold the things."""

    before: FrozenEstate
    after: FrozenEstate
    source: str = ""
    """Empty where nobody said it: the first estate, and new facts."""
    nodes: tuple[NodeId, ...] = ()
    """Put or removed, as the next two."""
    workloads: tuple[WorkloadId, ...] = ()
    items: tuple[Ref, ...] = ()
    said: tuple[Ref, ...] = ()
    """What the source spoke of, changed or not."""
    heard: tuple[Heard, ...] = ()
    observations: tuple[Observation, ...] = ()
    conflicts: tuple[Disagreement, ...] = ()
    claimed: bool = False
    names: Names = field(default_factory=Names)
    """By which what was heard is resolved."""
    hands: Mapping[WorkloadId, Hand] = field(default_factory=dict)


class Onlooker(Protocol):
    """Who is shown everything that the one writer takes in, for as long as it is the one."""

    async def notice(self, noticed: Noticed) -> None:
        """Take it in; may wait, and so slow the writer down, never lose it."""

    async def run(self) -> None:
        """Work until cancelled."""


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
