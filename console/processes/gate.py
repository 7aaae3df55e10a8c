"""The gate process: proposals and people's words from the streams into the gate, its verdicts and warrants out of it.

It publishes nothing that the gate has not made durable, and everything again when it is asked again: message ids are
digests, so that a redelivery is swallowed by the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from console.processes.leasing import Fence, Leasing
from console.processes.registering import Registers
from console.processes.settings import Standing
from console.processes.watching import keep
from console.successions import Succession
from estate import canonical
from estate.canonical import Json
from estate.changes import CordonNode, TaintNode
from estate.errors import BadInput, Denied, NeverRetry, NotYet, RetryLater
from estate.ids import ClusterId, ExecutorId, NodeId
from estate.outcomes import Outcome
from estate.proposals import Lane, Proposal
from estate.subjects import Subjects
from estate.warrants import Warrant
from policies import activations, dsse, recording, signed_facts
from policies.gate import Answer, Gate
from policies.heartbeats import PERIOD, Pulse
from policies.signed_facts import Latch
from policies.signing.port import Signer
from tools.bus import streams
from tools.bus.port import Bus, ConsumerSpec, Delivery
from tools.bus.precedence import Precedence
from tools.inventory.follower import Follower

NAME = "gate"

CATCH_UP_SECONDS = 0.5
_PATIENCE = 3
"""Deliveries of a word by somebody unknown before it is given up: the console may have enrolled them just now."""
CONTAINMENT = ConsumerSpec(
    streams.PROPOSALS_CONTAINMENT, "gate-containment", concurrency=4, precedence=Precedence.TAKES
)
CASES = ConsumerSpec(streams.PROPOSALS_CASE, "gate-cases", concurrency=4, precedence=Precedence.GIVES)
APPROVALS = ConsumerSpec(streams.APPROVALS, "gate-approvals", concurrency=4)
OUTCOMES = ConsumerSpec(streams.OUTCOMES, "gate-outcomes", concurrency=4)
CONSUMERS = (CONTAINMENT, CASES, APPROVALS, OUTCOMES)


@dataclass(frozen=True, slots=True)
class GateProcess:
    """One gate on one connection."""

    gate: Gate
    bus: Bus
    subjects: Subjects
    standing: Standing
    inventory: Follower
    lease: Leasing
    serves: Callable[[ExecutorId], tuple[ClusterId, ...]] = field(default=lambda executor: ())
    """The clusters that an executor writes."""
    period: timedelta = PERIOD
    """How often it says in the ledger that it is there."""
    latch: Latch | None = None
    """What its inventory opens facts with: it knows by which key they are signed."""
    succession: Succession | None = None
    """Its key, where it may be replaced while it runs; None where that lies in a key service."""
    second_succession: Succession | None = None
    """Its second key likewise, where it has one."""
    registers: Registers = field(default_factory=Registers)

    async def run(self) -> None:
        """Until cancelled, or until a task ends."""
        await keep(
            NAME,
            {
                "inventory": self.inventory.run(),
                "settings": self.standing.follow(self.bus, self.subjects),
                "facts": self._record_facts(),
                "decide": self._begin(),
            },
        )

    async def _begin(self) -> None:
        await self.standing.load(self.gate.ledger)
        await self.inventory.ready()
        await self.lease.hold(self._decide)

    async def _decide(self, fence: Fence) -> None:
        """The law is in force and what is in flight is known before anything is decided; one gate decides at a time."""
        gate, itself = self.gate, recording.gate(self.gate.installation)
        await activations.activate(gate.ledger, gate.bundle, itself, gate.clock())
        await gate.restore()
        handlers = (self.on_proposal, self.on_proposal, self.on_approval, self.on_outcome)
        consuming = zip(CONSUMERS, handlers, strict=True)
        tasks: dict[str, Coroutine[object, object, object]] = {
            spec.name: self.bus.consume(spec, handler) for spec, handler in consuming
        }
        pulse = Pulse(gate.ledger, gate.clock, self.period)
        tasks |= {
            "heartbeat": pulse.keep_beating(itself),
            "deadlines": self._lapse(),
            "key": self._succeed(self.succession),
            "second key": self._succeed(self.second_succession),
        }
        await keep(NAME, tasks)

    async def _succeed(self, succession: Succession | None) -> None:
        """Sign with each new key that an administrator has put beside the old one."""
        if succession is None:
            await asyncio.Event().wait()
            return

        async def use(signer: Signer) -> dict[str, Json]:
            await asyncio.to_thread(succession.take)
            if succession.second:
                self.gate.second = signer
            else:
                self.gate.signer = signer
            return {}

        await succession.follow(self.gate.ledger, use)

    async def _lapse(self) -> None:
        """What nobody approved in time is decided again, and told."""
        while True:
            with suppress(RetryLater):
                for answer in await self.gate.lapse():
                    await self._publish(answer)
            await asyncio.sleep(1)

    async def _record_facts(self) -> None:
        """The ledger says which facts came into force, so that no start puts older ones in their place."""
        known, by = ("", ""), recording.gate(self.gate.installation)
        await self.inventory.ready()
        while True:
            facts = self.inventory.newest().facts
            seen = (facts.facts_digest, str(self.latch.key) if self.latch is not None else "")
            if seen != known:
                with suppress(RetryLater):
                    await self.gate.ledger.append(signed_facts.loaded(facts, by, self.gate.clock(), self.latch))
                    known = seen
            await asyncio.sleep(1)

    async def on_proposal(self, delivery: Delivery) -> None:
        """The handler for both lanes of proposals."""
        proposal = Proposal.read(delivery.data)
        proper = self.subjects.proposal(proposal.lane, proposal.site, proposal.proposer.name)
        if delivery.subject != proper:
            raise BadInput(
                f"a proposal of `{proposal.proposer.name}` came on `{delivery.subject}`; it belongs on `{proper}`, "
                "where that agent's own user may publish"
            )
        if proposal.lane is Lane.CONTAINMENT and not _is_one_fence(proposal):
            raise BadInput("containment is one fence, which is quick; propose anything else on the lane of cases")
        await self._catch_up(proposal)
        try:
            answer = await self.gate.submit(proposal)
        except Denied as error:
            raise NeverRetry(str(error)) from error
        await self._publish(answer)

    async def _catch_up(self, proposal: Proposal) -> None:
        """A plan is often ahead of this process by a delta that is on its way; what is not, the gate sends back."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.inventory.reached(proposal.snapshot), CATCH_UP_SECONDS)

    async def on_approval(self, delivery: Delivery) -> None:
        """The handler for people's words."""
        try:
            answer = await self.gate.approve(delivery.data)
        except dsse.UnknownSigner as error:
            if delivery.attempt <= _PATIENCE:
                raise NotYet(f"{error}; an enrolment may be on its way") from error
            raise NeverRetry(str(error)) from error
        except Denied as error:
            raise NeverRetry(str(error)) from error
        await self._publish(answer)

    async def on_outcome(self, delivery: Delivery) -> None:
        """The handler for outcomes: what ended is no longer in flight, and no cluster takes its mark any more."""
        outcome = Outcome.read(delivery.data)
        await self.gate.concluded(outcome)
        await self.registers.keep(lambda: self.gate.in_flight - {outcome.proposal})

    async def _publish(self, answer: Answer) -> None:
        verdict = answer.verdict
        subject = self.subjects.verdict(verdict.site, verdict.decision)
        await self.bus.publish(subject, verdict.canonical(), message_id=verdict.digest)
        if answer.warrant_envelope is not None:
            await self._send(answer.warrant_envelope)

    async def _send(self, envelope: bytes) -> None:
        warrant = Warrant.read(dsse.stated_payload(envelope))  # the gate's own, as its ledger has it
        await self.registers.admit(warrant, self.inventory.newest())
        subject = self.subjects.warrant(warrant.lane, warrant.audience, self._hands(warrant))
        await self.bus.publish(subject, envelope, message_id=canonical.digest(envelope))

    def _hands(self, warrant: Warrant) -> ClusterId | None:
        """The cluster whose own hands shall take a fence; None where its executor has no other."""
        clusters = self.serves(warrant.audience)
        if warrant.lane is not Lane.CONTAINMENT or len(clusters) < 2:
            return None
        node = self.inventory.newest().node(NodeId(warrant.steps[0].change.target().id))
        return node.cluster if node is not None and node.cluster in clusters else None


def _is_one_fence(proposal: Proposal) -> bool:
    """Anything else could wait for a disruption budget, or for pods to bind, and would hold the lane of fences up."""
    return len(proposal.steps) == 1 and isinstance(proposal.steps[0].change, CordonNode | TaintNode)
