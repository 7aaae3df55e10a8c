"""The nodes of the case graph, part one: from the record to a proposal that is ready to be submitted.

Each is `state → update`. None has an effect beyond the incident's own record; `agents.cases.waiting` submits.
Expected failures are routes, never exceptions; what is unexpected bubbles, so that the message is delivered again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from agents import folding
from agents.cases import investigating
from agents.cases.drafting import Behind, Rehearse, draft, forecast
from agents.cases.placing import Placed, place
from agents.cases.threads import Case
from agents.incidents import Incidents
from agents.minds.plans import Diagnosis, NoPlan, Plan, Setback, Verbatim
from agents.minds.port import Briefing, Mind
from agents.observing import Observer
from estate.clocks import Clock
from estate.incidents import CaseState, Incident, Origin
from estate.progress import Stage
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.subjects import Subjects
from tools.bus.port import Bus
from tools.bus.precedence import RightOfWay
from tools.catalogue.registry import Catalogue
from tools.inventory.drifts import Drifts
from tools.inventory.port import Forgotten, Past, Reader
from tools.placement.port import Engine


@dataclass(frozen=True, slots=True)
class Deps:
    """What the graph is built on. Nothing here can write an estate, sign, or read a key."""

    bus: Bus
    incidents: Incidents
    reader: Reader
    engine: Engine
    rehearse: Rehearse
    mind: Mind
    clock: Clock
    subjects: Subjects
    behind: Behind
    observer: Observer
    way: RightOfWay
    """Given to fences before each node."""
    attempts: int = 3
    """Proposals that one case may make."""
    drifts: Drifts | None = None
    """What is known to have drifted."""
    past: Past = field(default_factory=Forgotten)
    """Earlier versions of the estate."""
    settling: timedelta = field(default=timedelta(seconds=30))
    """How long `verify` waits for the inventory to show what the executor reported: longer than a killed writer takes
    to come back under a new lease."""


@dataclass(frozen=True, slots=True)
class Done:
    """A node's update, and the line of the story that it adds (no text: none)."""

    update: Case
    stage: Stage = Stage.PLAN
    text: str = ""
    details: tuple[str, ...] = ()


class Thinking:
    """The nodes that read and decide."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def receive(self, case: Case) -> Done:
        """The way in decides the first node, and nothing else."""
        record = await self._mark(case, CaseState.PLANNING)
        first = {Origin.INCIDENT: "investigate", Origin.REQUEST: "interpret", Origin.PROPOSAL: "adopt"}[record.origin]
        return Done(Case(attempt=1, next=first), Stage.OPENED)

    async def investigate(self, case: Case) -> Done:
        """Findings about what the events name, on the newest snapshot."""
        record, snapshot = await self._look(case)
        tools = await self._catalogue(snapshot)
        found = investigating.findings(record, tools)
        text = f"{len(found)} findings about {record.domain}"
        return Done(
            Case(findings=found, tools=_asked(case, tools)), Stage.INVESTIGATE, text, tuple(f.claim for f in found)
        )

    async def diagnose(self, case: Case) -> Done:
        """The mind says what is wrong."""
        briefing = await self._briefing(case)
        diagnosis = await self._deps.mind.diagnose(briefing)
        return Done(Case(diagnosis=diagnosis, tools=_asked(case, briefing.tools)), Stage.DIAGNOSE, diagnosis.cause)

    async def plan(self, case: Case) -> Done:
        """The mind says what to aim for, or that it knows nothing (more) to do."""
        diagnosis = case.diagnosis or Diagnosis(cause="not diagnosed")
        briefing = await self._briefing(case)
        planned = await self._deps.mind.plan(briefing, diagnosis)
        if isinstance(planned, NoPlan):
            ending = CaseState.VERIFIED if planned.settled else CaseState.HANDED_OVER
            return _stopped(Case(plan=planned), planned.reason, ending)
        update = Case(plan=planned, tools=_asked(case, briefing.tools), next="place")
        return Done(update, Stage.PLAN, _attempted(case, planned))

    async def interpret(self, case: Case) -> Done:
        """A request's words become a plan, lawful or not; what is not understood is explained."""
        briefing = await self._briefing(case)
        text = next((e.request.text for e in briefing.incident.events if e.request), "")
        planned = await self._deps.mind.interpret(briefing, text)
        if isinstance(planned, NoPlan):
            return _stopped(Case(plan=planned), planned.reason, CaseState.FAILED)
        update = Case(plan=planned, tools=_asked(case, briefing.tools), next="place")
        return Done(update, Stage.PLAN, f"understood: {planned.summary}")

    async def adopt(self, case: Case) -> Done:
        """A person's own changes are the plan."""
        record = await self._deps.incidents.read(case.id)
        written = next((e.proposal for e in record.events if e.proposal), None)
        if written is None or not written.changes:
            return _stopped(Case(), "the proposal holds no change", CaseState.FAILED)
        planned = Plan(summary=written.summary or record.summary, aims=(Verbatim(changes=written.changes),))
        text = f"{len(written.changes)} changes proposed by {written.requester}"
        return Done(Case(plan=planned, next="place"), Stage.PLAN, text)

    async def place(self, case: Case) -> Done:
        """Aims become changes; the engine chooses the devices (in a thread: it is arithmetic over the whole estate)."""
        record, snapshot = await self._look(case)
        assert isinstance(case.plan, Plan), "only a plan leads here"
        deps, plainly = self._deps, folding.of_a_tenant(record)
        placed = await asyncio.to_thread(
            place, case.plan, snapshot, deps.engine, deps.clock(), case.setbacks, plainly=plainly
        )
        if not placed.changes:
            reason = "; ".join(placed.unplaced) or "the plan comes to no change"
            return _stopped(Case(evidence=placed.evidence), reason, CaseState.HANDED_OVER)
        update = Case(changes=placed.changes, evidence=placed.evidence, explanation=placed.unplaced, next="rehearse")
        return Done(update, Stage.PLACE, f"{len(placed.changes)} changes placed", _homes(placed))

    async def rehearse(self, case: Case) -> Done:
        """Lay out and rehearse. The proposal is complete here, time included, so that submitting can be repeated."""
        record, snapshot = await self._look(case)
        deps, now = self._deps, self._deps.clock()
        drawn = await asyncio.to_thread(draft, case, record, snapshot, deps.rehearse, deps.behind, now)
        if isinstance(drawn, Refusal):
            return self._refused(case, drawn, record.origin)
        feasible = "feasible" if drawn.rehearsal is None or drawn.rehearsal.feasible else "not feasible"
        text = f"attempt {case.attempt} rehearsed on {snapshot.version}: {feasible}"
        told = () if folding.of_a_tenant(record) else forecast(drawn.rehearsal)
        return Done(Case(proposal=drawn, next="submit"), Stage.REHEARSE, text, told)

    def _refused(self, case: Case, refusal: Refusal, origin: Origin) -> Done:
        reason = f"{refusal.about}: {refusal.message}"
        if origin is not Origin.INCIDENT:
            return _stopped(Case(), reason, CaseState.FAILED)
        if case.attempt >= self._deps.attempts:
            return _stopped(Case(), reason, CaseState.HANDED_OVER)
        failed = Setback(attempt=case.attempt, reasons=(reason,))
        update = Case(setbacks=(*case.setbacks, failed), attempt=case.attempt + 1, next="investigate")
        return Done(update, Stage.REHEARSE, f"the plan is stale: {reason}")

    async def _briefing(self, case: Case) -> Briefing:
        record, snapshot = await self._look(case)
        tools = await self._catalogue(snapshot)
        return Briefing(record, snapshot, tools, case.findings, case.setbacks)

    async def _catalogue(self, snapshot: Snapshot) -> Catalogue:
        drifts = await self._deps.drifts.every() if self._deps.drifts is not None else ()
        return Catalogue(lambda: snapshot, self._deps.engine, lambda: drifts, self._deps.past, self._deps.clock)

    async def _look(self, case: Case) -> tuple[Incident, Snapshot]:
        return await self._deps.incidents.read(case.id), self._deps.reader.newest()

    async def _mark(self, case: Case, state: CaseState) -> Incident:
        now = self._deps.clock()
        return await self._deps.incidents.change(case.id, lambda r: folding.with_state(r, state, None, now))


def _stopped(update: Case, reason: str, ending: CaseState) -> Done:
    """Over, for this reason: handed over to people, or closed."""
    after = "hand_over" if ending is CaseState.HANDED_OVER else "close"
    stopped = update.model_copy(update={"explanation": (reason[:4000],), "ending": ending, "next": after})
    return Done(stopped, Stage.PLAN, reason)


def _asked(case: Case, tools: Catalogue) -> tuple[str, ...]:
    """Every tool that this case has asked."""
    return tuple(sorted({*case.tools, *tools.asked}))


def _attempted(case: Case, plan: Plan) -> str:
    return plan.summary if case.attempt == 1 else f"attempt {case.attempt}: {plan.summary}"


def _homes(placed: Placed) -> tuple[str, ...]:
    return (*(c.describe() for c in placed.changes), *placed.unplaced)
