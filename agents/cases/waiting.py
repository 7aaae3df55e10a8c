"""The nodes of the case graph, part two: submit, wait for the law and the executor, verify, end.

A waiting node reads the incident's record before it interrupts, and again when it runs after a resume; what a resume
carries is ignored. The one effect, publishing the proposal, has a node of its own, and its message id is the digest.
"""

from __future__ import annotations

import asyncio

from langgraph.types import interrupt

from agents import folding
from agents.cases import alternatives, answers, investigating
from agents.cases.answers import Answer, Route
from agents.cases.nodes import Deps, Done
from agents.cases.threads import Case
from agents.minds.plans import Setback
from estate.conditions import lasting, misses
from estate.ids import NodeId
from estate.incidents import CaseState, Incident, Origin
from estate.outcomes import Ending, Outcome
from estate.progress import Stage
from estate.proposals import Lane, Proposal
from estate.verdicts import Decision, Verdict

WAITING_FOR = "waiting_for"
_POLL_SECONDS = 0.01


class Waiting:
    """The nodes that speak to gate and executor through the bus and the record."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def submit(self, case: Case) -> Done:
        """Record the proposal, then publish it; both as often as the node runs, with the same bytes."""
        proposal = _proposal(case)
        digest, now = proposal.digest, self._deps.clock()
        await self._deps.incidents.change(case.id, lambda r: folding.with_proposal(r, digest, case.attempt, now))
        subject = self._deps.subjects.proposal(Lane.CASE, proposal.site, proposal.proposer.name)
        await self._deps.bus.publish(subject, proposal.canonical(), message_id=digest)
        text = f"proposal {digest[7:19]} of {len(proposal.steps)} steps put before the gate"
        return Done(Case(next="await_verdict"), Stage.SUBMIT, text)

    async def await_verdict(self, case: Case) -> Done:
        """Until the record holds the gate's word on this proposal."""
        digest = _proposal(case).digest
        while (verdict := (await self._record(case)).verdict_on(digest)) is None:
            interrupt({WAITING_FOR: "verdict", "proposal": digest})
        return await self._decided(case, verdict)

    async def await_approval(self, case: Case) -> Done:
        """Until the record holds a later verdict that asks for nobody any more."""
        digest = _proposal(case).digest
        verdict = (await self._record(case)).verdict_on(digest)
        while verdict is None or verdict.decision is Decision.NEEDS_APPROVAL:
            interrupt({WAITING_FOR: "approval", "proposal": digest})
            verdict = (await self._record(case)).verdict_on(digest)
        return await self._decided(case, verdict)

    async def await_outcome(self, case: Case) -> Done:
        """Until the record holds what the executor observed."""
        digest = _proposal(case).digest
        while (outcome := (await self._record(case)).outcome_of(digest)) is None:
            interrupt({WAITING_FOR: "outcome", "proposal": digest})
        found = answers.ending_of(outcome)
        return _routed(found, Stage.OUTCOME, f"the execution ended {outcome.ending.value}")

    async def explain(self, case: Case) -> Done:
        """A forbid or a refusal: plan again within bounds, or end with the reasons and with what would be lawful."""
        record = await self._record(case)
        verdict = record.verdict_on(_proposal(case).digest)
        failed, again = self._setback(case, record, verdict)
        if again and case.attempt < self._deps.attempts:
            back = "investigate" if record.origin is Origin.INCIDENT else "place"
            update = Case(setbacks=(*case.setbacks, failed), attempt=case.attempt + 1, next=back)
            return Done(update, Stage.PLAN, f"plan again, away from {_away(failed)}", failed.reasons)
        return await self._given_up(case, record, failed)

    async def verify(self, case: Case) -> Done:
        """The inventory must show the postconditions; the symptom, not the plan, says whether the fence may go."""
        record = await self._record(case)
        missing = await self._missing(_proposal(case))
        if missing:
            unseen = f"reported as done, and the inventory does not show it: {'; '.join(missing[:4])}"
            update = Case(explanation=(unseen,), ending=CaseState.HANDED_OVER, next="hand_over")
            return Done(update, Stage.VERIFY, unseen)
        told = investigating.fences(record, self._deps.reader.newest())
        update = Case(explanation=(*case.explanation, *told), ending=CaseState.VERIFIED, next="close")
        return Done(update, Stage.VERIFY, "every postcondition is observed", told)

    async def close(self, case: Case) -> Done:
        """Write the end into the record."""
        return await self._end(case, case.ending or CaseState.FAILED)

    async def hand_over(self, case: Case) -> Done:
        """A person goes on from here."""
        return await self._end(case, case.ending or CaseState.HANDED_OVER)

    async def _decided(self, case: Case, verdict: Verdict) -> Done:
        found = answers.answer(verdict)
        states = {Route.AWAIT_OUTCOME: CaseState.EXECUTING, Route.AWAIT_APPROVAL: CaseState.AWAITING_APPROVAL}
        if found.route in states:
            now = self._deps.clock()
            state = states[found.route]
            await self._deps.incidents.change(case.id, lambda r: folding.with_state(r, state, None, now))
        policies = ", ".join(verdict.policies)
        return _routed(found, Stage.VERDICT, f"{verdict.decision.value}{f' ({policies})' if policies else ''}")

    def _setback(self, case: Case, record: Incident, verdict: Verdict | None) -> tuple[Setback, bool]:
        if verdict is not None and verdict.decision is Decision.FORBID:
            failed = answers.setback(verdict, case.attempt, self._deps.reader.newest())
            return failed, answers.worth_another(verdict, record.origin)
        outcome = record.outcome_of(_proposal(case).digest)
        reasons = (outcome.reason or "the executor refused",) if outcome else ("nothing came of it",)
        again = record.origin is not Origin.PROPOSAL and _refused(outcome)
        return Setback(attempt=case.attempt, reasons=reasons), again

    async def _given_up(self, case: Case, record: Incident, failed: Setback) -> Done:
        if record.origin is Origin.INCIDENT:
            update = Case(explanation=failed.reasons, ending=CaseState.HANDED_OVER, next="hand_over")
            return Done(update, Stage.PLAN, f"no lawful plan after {case.attempt} attempts", failed.reasons)
        refused = _refused(record.outcome_of(_proposal(case).digest))
        engine, newest = self._deps.engine, self._deps.reader.newest()
        racks = not folding.of_a_tenant(record)
        lawful = await asyncio.to_thread(alternatives.lawful, case.changes, newest, engine, racks=racks)
        lines = (*failed.reasons, *lawful)
        ending = CaseState.FAILED if refused else CaseState.FORBIDDEN
        return Done(Case(explanation=lines, ending=ending, next="close"), Stage.PLAN, ending.value, lines)

    async def _missing(self, proposal: Proposal) -> tuple[str, ...]:
        """The postconditions of the whole proposal that the newest snapshot lacks, after some patience."""
        wanted = lasting(c for s in proposal.steps for c in s.postconditions)
        waited = 0.0
        while found := misses(self._deps.reader.newest(), wanted):
            if waited >= self._deps.settling.total_seconds():
                return tuple(f"{m.condition.about} {m.condition.field.value} {m.fault}" for m in found)
            await asyncio.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS
        return ()

    async def _end(self, case: Case, ending: CaseState) -> Done:
        lines = tuple(dict.fromkeys(case.explanation))
        diagnosed = frozenset(case.diagnosis.nodes if case.diagnosis else ())

        def fold(record: Incident) -> Incident:
            if record.origin is Origin.INCIDENT and _worse(record, diagnosed, case, self._deps.attempts):
                return record
            return folding.with_state(record, ending, _summary(record, case, lines), self._deps.clock())

        record = await self._deps.incidents.change(case.id, fold)
        if not record.state.ended:
            update = Case(attempt=case.attempt + 1, explanation=(), ended=False, next="investigate")
            return Done(update, Stage.INVESTIGATE, "worse news came in meanwhile; the case goes on")
        return Done(Case(ended=True, next=""), Stage.OUTCOME, f"{record.state.value}: {_planned(record, case)}", lines)

    async def _record(self, case: Case) -> Incident:
        return await self._deps.incidents.read(case.id)


def _worse(record: Incident, diagnosed: frozenset[NodeId], case: Case, attempts: int) -> bool:
    """Whether a device was lost on a node that the diagnosis did not know, and there is an attempt left for it."""
    return bool(folding.lost_nodes(record) - diagnosed) and case.attempt < attempts


def _summary(record: Incident, case: Case, lines: tuple[str, ...]) -> str:
    return "; ".join((_planned(record, case), *lines))[:4000]


def _planned(record: Incident, case: Case) -> str:
    return getattr(case.plan, "summary", "") or folding.title(record.events[0]) if record.events else record.summary


def _routed(found: Answer, stage: Stage, text: str) -> Done:
    update = Case(next=found.route.value)
    if found.ending is not None:
        update = Case(next=found.route.value, ending=found.ending, explanation=found.lines)
    return Done(update, stage, text, found.lines)


def _refused(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.ending is Ending.REFUSED


def _away(failed: Setback) -> str:
    return ", ".join((*failed.racks, *failed.nodes)) or "a stale snapshot"


def _proposal(case: Case) -> Proposal:
    assert case.proposal is not None, "`rehearse` drew it up before this node"
    return case.proposal
