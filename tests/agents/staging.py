"""What the tests of agents share: a broker in memory, a reader that stands on a settable estate, a scripted law."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from agents import folding
from agents.cases.drafting import Behind
from agents.cases.nodes import Deps
from agents.cases.worker import CaseWorker
from agents.checkpoints.memory import MemoryShelf
from agents.checkpoints.savers import PlacetSaver
from agents.incidents import Incidents
from agents.intake.channels import ChannelConfig
from agents.minds.port import Mind
from agents.minds.runbook import Runbook
from agents.process import AgentProcess, Setting
from agents.wakes import Wake
from estate import canonical
from estate.changes import Change
from estate.effects import effect
from estate.errors import RetryLater
from estate.events import DirectProposal, Event
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.identities import SubjectKind
from estate.ids import ChannelId, ClusterId, Digest, ExecutionId, PolicyId, TenantId
from estate.incidents import Incident
from estate.modes import Mode
from estate.outcomes import Ending, Outcome, StepResult
from estate.progress import Progress
from estate.proposals import Lane, Proposal
from estate.records import Record
from estate.results import Ok
from estate.snapshots import Snapshot, SnapshotVersion
from estate.subjects import Subjects
from estate.verdicts import Decision, Dimension, Failure, Verdict
from tests import builders
from tools.bus.memory import MemoryBroker
from tools.bus.port import Bus, ConsumerSpec, Delivery
from tools.bus.precedence import RightOfWay
from tools.bus.streams import streams
from tools.placement.engine import MaskEngine
from tools.rehearsal.rehearsing import rehearse

SUBJECTS = Subjects(builders.INSTALLATION)
AGENT = builders.subject("agent-1", SubjectKind.AGENT)
HUMAN = builders.subject("ada")
CHANNELS = {
    c.id: c
    for c in (
        ChannelConfig(
            id=ChannelId("eu-monitoring"),
            clusters=(ClusterId("eu-1"),),
            formats=("kernel", "alertmanager", "cloudevents", "nvsentinel"),
        ),
        ChannelConfig(
            id=ChannelId("a-alerts"),
            clusters=(ClusterId("eu-1"),),
            tenant=TenantId("tenant-a"),
            formats=("kernel",),
        ),
        ChannelConfig(id=ChannelId("front-door"), formats=("request", "proposal")),
    )
}


class StandingReader:
    """A reader of whatever estate the test put there."""

    def __init__(self, estate: FrozenEstate) -> None:
        self.estate = estate

    def newest(self) -> Snapshot:
        return self.estate

    async def reached(self, version: SnapshotVersion) -> Snapshot:
        if self.estate.version.sequence < version.sequence:
            raise RetryLater("not yet")
        return self.estate

    def carry_out(self, proposal: Proposal) -> None:
        """What an executor would make of the estate."""
        for step in proposal.steps:
            after = effect(step.change, self.estate)
            assert isinstance(after, Ok), after
            sequence = self.estate.version.sequence + 1
            self.estate = after.value.at(builders.version(sequence))


type Script = Callable[[Proposal, int], Verdict | None]


def verdict_on(proposal: Proposal, decision: Decision = Decision.PERMIT, **over: Any) -> Verdict:
    """A verdict as the gate would publish it."""
    fields: dict[str, Any] = {
        "installation": proposal.installation,
        "incident": proposal.incident,
        "proposal": proposal.digest,
        "site": proposal.site,
        "lane": proposal.lane,
        "decision": decision,
        "policies": (PolicyId("permit-agents"),),
        "mode": Mode.AUTOMATIC,
        "snapshot": proposal.snapshot,
        "bundle": Digest(canonical.digest(b"bundle")),
        "facts": Digest(canonical.digest(b"facts")),
        "read_set": Digest(canonical.digest(b"read set")),
        "decided_at": builders.START,
    }
    return Verdict(**(fields | over))


def failure(dimension: Dimension, about: str, policy: str = "some-policy") -> Failure:
    """One failed dimension."""
    return Failure(
        dimension=dimension,
        policy=PolicyId(policy),
        about=about,
        needed="less",
        found="more",
        remedy="do otherwise",
        reason="the rule says so",
    )


def outcome_of(proposal: Proposal, ending: Ending = Ending.VERIFIED, **over: Any) -> Outcome:
    """An outcome as the executor would publish it."""
    fields: dict[str, Any] = {
        "installation": proposal.installation,
        "incident": proposal.incident,
        "proposal": proposal.digest,
        "warrant": canonical.digest(b"warrant"),
        "execution": ExecutionId(f"exe-{proposal.digest[7:19]}"),
        "site": proposal.site,
        "lane": proposal.lane,
        "ending": ending,
        "steps": tuple(StepResult(number=s.number, applied=True) for s in proposal.steps),
        "at": builders.START,
    }
    return Outcome(**(fields | over))


class Law:
    """A gate and an executor at the level of the bus: they obey a script, permit by default, and remember what came."""

    def __init__(self, bus: Bus, reader: StandingReader, subjects: Subjects) -> None:
        self.bus = bus
        self.subjects = subjects
        self.reader = reader
        self.proposals: list[Proposal] = []
        self.script: Script = lambda proposal, _: verdict_on(proposal)
        self.endings: Callable[[Proposal], Ending] = lambda _: Ending.VERIFIED
        self.carried: set[str] = set()

    async def on_proposal(self, delivery: Delivery) -> None:
        proposal = Proposal.read(delivery.data)
        if proposal.digest not in {p.digest for p in self.proposals}:
            self.proposals.append(proposal)
        verdict = self.script(proposal, len([p for p in self.proposals if p.lane is proposal.lane]))
        if verdict is not None:
            await self.decide(proposal, verdict)

    async def decide(self, proposal: Proposal, verdict: Verdict) -> None:
        """Publish a verdict, and carry a permitted proposal out."""
        subject = self.subjects.verdict(verdict.site, verdict.decision)
        await self.bus.publish(subject, verdict.canonical(), message_id=verdict.digest)
        if verdict.decision is Decision.PERMIT and verdict.mode is not Mode.OBSERVE:
            await self.execute(proposal)

    async def execute(self, proposal: Proposal) -> None:
        """Change the estate once, and publish the outcome."""
        ending = self.endings(proposal)
        if ending is Ending.VERIFIED and proposal.digest not in self.carried:
            self.carried.add(proposal.digest)
            self.reader.carry_out(proposal)
        outcome = outcome_of(proposal, ending)
        subject = self.subjects.outcome(outcome.site, outcome.ending)
        await self.bus.publish(subject, outcome.canonical(), message_id=outcome.digest)

    def on(self, lane: Lane) -> list[Proposal]:
        """The different proposals that came on a lane."""
        return [p for p in self.proposals if p.lane is lane]


class Stage:
    """An installation without gate, executor or ledger: agents, a scripted law, and a standing estate."""

    def __init__(
        self,
        estate: FrozenEstate,
        saver: Any = None,
        mind: Mind | None = None,
        buses: tuple[Bus, Bus] | None = None,
        subjects: Subjects = SUBJECTS,
    ) -> None:
        broker = MemoryBroker()
        self.subjects = subjects
        self.bus, bus = buses or (broker.connect(subjects), broker.connect(subjects))
        self.reader = StandingReader(estate)
        self.law = Law(bus, self.reader, subjects)
        self.clock = builders.TestClock()
        self.saver = saver if saver is not None else PlacetSaver(MemoryShelf())
        self.mind = mind or Runbook()
        self.told: list[Progress] = []
        self.between: Callable[[Progress], Awaitable[None]] | None = None

    async def observe(self, progress: Progress) -> None:
        self.told.append(progress)
        if self.between is not None:
            await self.between(progress)

    async def incidents(self) -> Incidents:
        return await Incidents.open(self.bus)

    def setting(self) -> Setting:
        return Setting(
            bus=self.bus,
            reader=self.reader,
            engine=MaskEngine(),
            mind=self.mind,
            channels=CHANNELS,
            clock=self.clock,
            subjects=self.subjects,
            proposer=AGENT,
            observer=self.observe,
        )

    async def deps(self, **over: Any) -> Deps:
        fields: dict[str, Any] = {
            "bus": self.bus,
            "incidents": await self.incidents(),
            "reader": self.reader,
            "engine": MaskEngine(),
            "rehearse": rehearse,
            "mind": self.mind,
            "clock": self.clock,
            "subjects": self.subjects,
            "behind": Behind(builders.INSTALLATION, AGENT),
            "observer": self.observe,
            "way": RightOfWay(),
            "settling": timedelta(0),
        }
        return Deps(**(fields | over))

    async def process(self) -> AgentProcess:
        return await AgentProcess.open(self.setting(), self.saver)

    @asynccontextmanager
    async def playing(self, *, law: bool = True) -> AsyncIterator[AgentProcess]:
        """Everything running until the block ends."""
        await self.bus.declare(*streams(self.subjects))
        process, stop = await self.process(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(process.run(stop))]
            if law:
                running += [
                    group.create_task(
                        self.law.bus.consume(ConsumerSpec(name, f"gate-{name.lower()}"), self.law.on_proposal)
                    )
                    for name in ("PROPOSALS_CONTAINMENT", "PROPOSALS_CASE")
                ]
            try:
                yield process
            finally:
                stop.set()
                for task in running[1:]:
                    task.cancel()

    async def records(self) -> tuple[Incident, ...]:
        return await (await self.incidents()).every()

    async def until(self, holds: Callable[[tuple[Incident, ...]], bool], within: float = 10.0) -> tuple[Incident, ...]:
        """The records as soon as they are as hoped."""
        async with asyncio.timeout(within):
            while not (records := await self.records()) or not holds(records):  # noqa: ASYNC110 - seen by looking only
                await asyncio.sleep(0.01)
        return records

    async def send(self, format: str, body: bytes, channel: str = "eu-monitoring", message_id: str = "") -> None:
        subject = self.subjects.intake(channel, format)
        await self.bus.publish(subject, body, message_id=message_id or canonical.digest(body))

    async def dead(self) -> list[str]:
        letters: Iterable[Delivery] = await self.bus.replay("DEAD")
        return [letter.headers["Placet-Reason"] for letter in letters]


def ended(records: tuple[Incident, ...]) -> bool:
    """Whether every case is over."""
    return all(r.state.ended for r in records)


def kernel_body(node: Node, index: int = 0, stamp: str = "6781741.548779") -> bytes:
    """A log shipper's body with the line that the driver writes when a device falls off the bus."""
    slot = node.accelerators[index].pci_address.rsplit(".", 1)[0]
    text = f"[{stamp}] NVRM: Xid (PCI:{slot}): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
    at = builders.START.isoformat()
    form = {"host": node.name, "boot_id": node.boot_id, "lines": [{"at": at, "text": text}]}
    return json.dumps(form).encode()


def alert_body(node: Node, count: int, start: int = 0, severity: str = "warning") -> bytes:
    """An Alertmanager webhook of so many different alerts about one node."""
    alerts = [
        {
            "status": "firing",
            "labels": {"alertname": f"Alert{n}", "severity": severity, "node": node.name, "cluster": "eu-1"},
            "annotations": {"summary": f"alert {n}"},
            "startsAt": builders.START.isoformat(),
            "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": f"{n:016x}",
        }
        for n in range(start, start + count)
    ]
    form = {"version": "4", "groupKey": f"{{}}/{start}", "status": "firing", "receiver": "placet", "alerts": alerts}
    return json.dumps(form).encode()


def request_body(text: str, *tenants: str, id: str = "req-1") -> bytes:
    """What the console publishes for `placet ask`."""
    return canonical.dumps({"id": id, "text": text, "requester": HUMAN.json_form(), "tenants": list(tenants)})


def proposal_body(*changes: Change, id: str = "pro-1", tenants: tuple[str, ...] = ()) -> bytes:
    """What the console publishes for `placet propose`."""
    written = DirectProposal(summary="by hand", changes=changes, requester=HUMAN, tenants=tenants)
    return canonical.dumps({"id": id, **written.json_form()})


def delivery(record: Record, *, attempt: int = 1, **headers: str) -> Delivery:
    """One message as a handler sees it."""
    return Delivery("subject", record.canonical(), headers, "id", "STREAM", 1, attempt)


class Desk:
    """One case on a stage, driven by hand: no consumer runs."""

    def __init__(self, stage: Stage, record: Incident) -> None:
        self.stage = stage
        self.id = record.id
        self.record = record

    @classmethod
    async def open(cls, stage: Stage, event: Event | None = None) -> Desk:
        await stage.bus.declare(*streams(stage.subjects))
        first = event or builders.event()
        record = folding.opened(first, folding.incident_id(first.id), "node/eu-a1")
        await (await stage.incidents()).write(record, None)
        return cls(stage, record)

    async def worker(self, **over: Any) -> CaseWorker:
        return CaseWorker(await self.stage.deps(**over), self.stage.saver)

    async def wake(self, worker: CaseWorker | None = None) -> None:
        worker = worker or await self.worker()
        await worker.on_wake(delivery(Wake(incident=self.id)))

    async def proposals(self) -> list[Proposal]:
        return [Proposal.read(d.data) for d in await self.stage.bus.replay("PROPOSALS_CASE")]

    async def now(self) -> Incident:
        return await (await self.stage.incidents()).read(self.id)

    async def permit(self, worker: CaseWorker, ending: Ending = Ending.VERIFIED) -> None:
        (*_, proposal) = await self.proposals()
        await worker.on_verdict(delivery(verdict_on(proposal)))
        if ending is Ending.VERIFIED:
            self.stage.reader.carry_out(proposal)
        await worker.on_outcome(delivery(outcome_of(proposal, ending, reason=f"it {ending.value}")))


NEEDS = {"decision": Decision.NEEDS_APPROVAL, "policies": (PolicyId("tenant-consent"),)}
