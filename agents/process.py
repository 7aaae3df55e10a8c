"""The agent process: every consumer of the agents' floor in one task group, hosted by `console.processes`.

It holds read-only means: a bus user that may publish events, wakes, proposals and progress, a reader of the inventory,
a saver. It has no key, no ledger and no way to write an estate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from langgraph.checkpoint.base import BaseCheckpointSaver

from agents import consumers
from agents.cases.drafting import Behind
from agents.cases.nodes import Deps
from agents.cases.worker import CaseWorker
from agents.consumers import Concurrency
from agents.containment import Containment
from agents.correlator import Correlator
from agents.incidents import Incidents
from agents.intake.channels import ChannelConfig
from agents.intake.receiving import Intake
from agents.minds.port import Mind
from agents.observing import Observer, telling
from agents.presence import Presence
from agents.roster import CASE_GRAPH, CONTAINMENT, RUNBOOK, WORKER, shipped
from estate.clocks import Clock
from estate.identities import Subject
from estate.ids import ChannelId, ComponentId
from estate.subjects import Subjects
from estate.uses.running import Maker
from tools.bus.port import Bus, ConsumerSpec, Handler
from tools.bus.precedence import RightOfWay
from tools.inventory.drifts import Drifts
from tools.inventory.port import Forgotten, Past, Reader
from tools.payloads.formats import FORMATS
from tools.placement.port import Engine
from tools.rehearsal.rehearsing import rehearse


@dataclass(frozen=True, slots=True)
class Setting:
    """What an agent process is given."""

    bus: Bus
    reader: Reader
    engine: Engine
    mind: Mind
    channels: Mapping[ChannelId, ChannelConfig]
    clock: Clock
    subjects: Subjects
    proposer: Subject
    observer: Observer | None = None
    """Default: signals on the bus."""
    past: Past = field(default_factory=Forgotten)
    """Earlier versions of what `reader` reads."""
    attempts: int = 3
    concurrency: Concurrency = field(default_factory=Concurrency)
    worker: str = "worker"
    """What it is called among those of its agent."""
    way: RightOfWay = field(default_factory=RightOfWay)
    """Shared with whatever else runs in this interpreter."""


class AgentProcess:
    """Intake, correlation with containment, and cases."""

    def __init__(self, setting: Setting, incidents: Incidents, drifts: Drifts, saver: BaseCheckpointSaver[Any]) -> None:
        self._bus = setting.bus
        self._subjects = setting.subjects
        self._concurrency = setting.concurrency
        self._presence = Presence(
            bus=setting.bus,
            installation=setting.subjects.installation,
            agent=ComponentId(setting.proposer.name),
            worker=setting.worker,
            runs=runs(setting),
            clock=setting.clock,
        )
        observer = setting.observer or telling(setting.bus, setting.subjects)
        self._intake = Intake(setting.bus, setting.reader, FORMATS, setting.channels, setting.clock, setting.subjects)
        fencing = (WORKER.maker(setting.proposer.name), CONTAINMENT.maker())
        containment = Containment(setting.bus, incidents, setting.subjects, setting.proposer, fencing)
        self._correlator = Correlator(setting.bus, incidents, setting.reader, containment, setting.subjects, observer)
        self.worker = CaseWorker(_deps(setting, incidents, drifts, observer), saver)

    @classmethod
    async def open(cls, setting: Setting, saver: BaseCheckpointSaver[Any]) -> Self:
        """The process on its bus's buckets."""
        return cls(setting, await Incidents.open(setting.bus), await Drifts.open(setting.bus), saver)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set or a consumer fails; the failure is raised from the task group."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._bus.consume(spec, handler), name=f"agent-{spec.name}")
                for spec, handler in self.consumers()
            ]
            tasks.append(group.create_task(self._presence.keep_telling(), name="agent-presence"))
            await stop.wait()
            for task in tasks:
                task.cancel()

    def consumers(self) -> tuple[tuple[ConsumerSpec, Handler], ...]:
        """Each durable consumer with its handler."""
        worker = self.worker
        handlers: tuple[Handler, ...] = (
            self._intake.on_body,
            self._intake.on_body,
            self._correlator.on_event,
            self._correlator.on_event,
            worker.on_wake,
            worker.on_verdict,
            worker.on_outcome,
            worker.on_dead_letter,
        )
        return tuple(zip(consumers.specs(self._subjects, self._concurrency), handlers, strict=True))


def runs(setting: Setting) -> tuple[Maker, ...]:
    """Everything that may have a part in its proposals."""
    own = {m.id: m for m in (WORKER.maker(setting.proposer.name), *setting.mind.makers)}
    rest = (s.maker for s in shipped() if s.maker.id not in {WORKER.id, RUNBOOK.id})
    return (*own.values(), *rest)


def _deps(setting: Setting, incidents: Incidents, drifts: Drifts, observer: Observer) -> Deps:
    return Deps(
        bus=setting.bus,
        incidents=incidents,
        reader=setting.reader,
        engine=setting.engine,
        rehearse=rehearse,
        mind=setting.mind,
        clock=setting.clock,
        subjects=setting.subjects,
        behind=Behind(
            installation=setting.subjects.installation,
            proposer=setting.proposer,
            agent=(WORKER.maker(setting.proposer.name), CASE_GRAPH.maker()),
            minds=setting.mind.makers,
        ),
        observer=observer,
        attempts=setting.attempts,
        way=setting.way,
        drifts=drifts,
        past=setting.past,
    )
