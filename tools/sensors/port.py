"""The Sensor port: what a sensor is shown, what it says, how it is set. One module a sensor, one line in `registry`.

A sensor is a frozen model of its own thresholds: what `placet.yaml` may say of it is what it reads. Both questions are
pure. `touched` names the subjects that a change may have moved, at a cost of the change; `judge` looks at one subject,
at a cost that does not grow with the estate. Times, memory and repetitions are kept by `sensing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from estate.evidence import Quantity
from estate.hands import Hand
from estate.ids import WorkloadId
from estate.observations import EventType, Severity, Whereabouts
from estate.records import Model
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.verdicts import Failure
from policies.watching import Look
from tools.inventory.disagreements import Disagreement
from tools.inventory.port import Heard
from tools.payloads.facts.metrics import Metric
from tools.sensors.alarms import Hold, Level


@dataclass(frozen=True, slots=True)
class Measured:
    """One reading of a thing of the estate."""

    about: Ref
    metric: Metric
    value: float
    """Finite, in the metric's unit."""
    at: datetime
    """By its sender; never ahead of us."""
    part: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """By how much a thing of the estate changed a sum: sums over a fleet are kept by what changed, never added up."""

    name: str
    amount: int


type Stimulus = Measured | Part


@dataclass(frozen=True, slots=True)
class Change:
    """What a delta put or took away, by name. Everything there is, where the estate is seen for the first time."""

    nodes: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    items: tuple[Ref, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a sensor is shown at one moment."""

    now: datetime
    before: Snapshot
    after: Snapshot
    change: Change = Change()
    measured: Mapping[Metric, tuple[Measured, ...]] = field(default_factory=dict)
    source: str = ""
    """Whose word it is; empty when only time has passed."""
    heard: tuple[Heard, ...] = ()
    said: tuple[Ref, ...] = ()
    """The things that the source spoke of, changed or not."""
    watched_from: datetime | None = None
    """Since when this process has been watching: before that nobody's silence was heard."""
    conflicts: tuple[Disagreement, ...] = ()
    """Where it contradicts another source."""
    claimed: bool = False
    """Whether it is what a target's word makes of the model; that it spoke was shown before."""
    law: Look | None = None
    """What the law is asked now; None where nobody asks it."""
    hands: Mapping[WorkloadId, Hand] = field(default_factory=dict)
    """Who wrote what made these workloads what they are, where their source knows."""

    @property
    def first(self) -> bool:
        """Whether the estate is seen for the first time: what was summed up before counts no more."""
        return self.before.version.sequence == 0

    def promised_by(self, contract: Ref) -> Iterator[WorkloadId]:
        """Whom a contract names, or named before."""
        for snapshot in (self.before, self.after):
            item = snapshot.stock.get(contract)
            if item is not None:
                yield from (WorkloadId(named.id) for _, named in item.named() if named.kind == "workload")


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that may be wrong with a subject, as it is now."""

    name: str
    level: Level
    hold: Hold
    severity: Severity
    message: str
    """One sentence for people, told when it is raised."""
    code: str
    whereabouts: Whereabouts
    values: tuple[Quantity, ...] = ()
    thresholds: tuple[Quantity, ...] = ()
    window_seconds: int = 0
    type: EventType | None = None
    """What its event is called, where its sensor tells of more than one sort."""
    failures: tuple[Failure, ...] = ()
    by: Hand | None = None


@dataclass(frozen=True, slots=True)
class Judged[M: Model]:
    """What a sensor makes of a subject. Without conditions it is forgotten, and what was raised of it is resolved."""

    memory: M | None = None
    """What it will want to know next time; persisted."""
    conditions: tuple[Condition, ...] = ()
    due: datetime | None = None
    """When it wants to look again though nothing may have happened."""


class Sensor[M: Model](Model):
    """What watches one sort of trouble. Its fields are its thresholds."""

    tells: ClassVar[EventType]
    remembers: ClassVar[type[Model]]
    """The model of its memory, for reading it back."""
    metrics: ClassVar[frozenset[Metric]] = frozenset()
    """The readings that it wants to see."""

    def touched(self, seen: Seen) -> Iterable[tuple[str, Stimulus | None]]:
        """The subjects that this may have moved, each with the reading or the share that did, if one did."""
        raise NotImplementedError

    def judge(self, subject: str, memory: M | None, stimuli: tuple[Stimulus, ...], seen: Seen) -> Judged[M]:
        """One subject as it is now."""
        raise NotImplementedError

    def settle(self) -> None:
        """Wait for what it works out beside the loop: for whoever plays time."""
        return

    def stop(self) -> None:
        """Give up what it works out beside the loop."""
        return
