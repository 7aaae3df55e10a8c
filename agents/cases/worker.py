"""The case worker: news is written into the incident's record, then the incident's thread is driven as far as it goes.

Handlers for wakes, verdicts, outcomes and dead letters. All are idempotent: a repeated or stale message finds nothing
new in the record and resumes nothing. A message is acknowledged after the thread's checkpoint is durable.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.types import Command, StateSnapshot

from agents import folding
from agents.cases import orphans
from agents.cases.graph import CaseGraph, build
from agents.cases.nodes import Deps
from agents.cases.threads import GRAPH_VERSION, thread_id
from agents.cases.waiting import WAITING_FOR
from agents.checkpoints.port import Fenced
from agents.turns import Turns
from agents.wakes import Wake
from estate import canonical
from estate.errors import BadInput, NotYet, RetryLater
from estate.ids import Digest, IncidentId
from estate.incidents import CaseState, Incident, Origin
from estate.outcomes import Outcome
from estate.progress import Progress, Stage
from estate.proposals import Lane
from estate.verdicts import Decision, Verdict
from tools.bus.dead_letters import REASON
from tools.bus.port import Delivery

log = structlog.get_logger(__name__)
_STEPS = 200
"""LangGraph's bound on steps of one run; three attempts take about forty."""
_PATIENCE = 3
_MOMENT = timedelta(seconds=2)


class CaseWorker:
    """Drives the threads of cases; any number of workers may serve one installation."""

    def __init__(self, deps: Deps, saver: BaseCheckpointSaver[Any]) -> None:
        self._deps = deps
        self._saver = saver
        self._graph: CaseGraph = build(deps, saver)
        self._turns = Turns()

    async def on_wake(self, delivery: Delivery) -> None:
        """The handler for CASES."""
        incident = Wake.read(delivery.data).incident
        record = await self._deps.incidents.read(incident)
        if delivery.attempt <= _PATIENCE and _premature(record, self._deps.clock()):
            raise NotYet(f"`{incident}` has companions only so far; its fault may still be under way")
        await self.drive(incident)

    async def on_verdict(self, delivery: Delivery) -> None:
        """The handler for VERDICTS. A fence's verdict is recorded; a thread waits for its own case's only."""
        verdict = Verdict.read(delivery.data)
        record = await self._deps.incidents.change(verdict.incident, lambda r: _judged(r, verdict))
        if verdict.lane is Lane.CASE and verdict.proposal in record.proposals:
            await self.drive(verdict.incident)

    async def on_outcome(self, delivery: Delivery) -> None:
        """The handler for OUTCOMES."""
        outcome = Outcome.read(delivery.data)
        record = await self._deps.incidents.change(outcome.incident, lambda r: _concluded(r, outcome))
        if outcome.lane is Lane.CASE and outcome.proposal in record.proposals:
            await self.drive(outcome.incident)

    async def on_dead_letter(self, delivery: Delivery) -> None:
        """The handler for the dead letters of this worker's own streams: the case is handed to a person."""
        incident = _concerned(delivery.data)
        held = await self._deps.incidents.find(incident) if incident else None
        if incident is None or held is None:
            log.error("dead letter of no known case", subject=delivery.subject)
            return
        reason = f"handed over, because it could not go on: {delivery.headers.get(REASON, 'no reason given')}"[:2000]
        await self._stand(incident, CaseState.HANDED_OVER, reason)
        await self._saver.adelete_thread(thread_id(incident))

    async def drive(self, incident: IncidentId) -> None:
        """Run the incident's thread until it waits for something that has not come, or is over.

        Raises:
            RetryLater: another process is at it (the saver's fence), or something passing failed.
        """
        async with self._turns.of(incident):
            try:
                while await self._advance(incident):
                    pass
            except Fenced as error:
                raise RetryLater(f"another worker drives `{incident}`; look again later") from error

    async def _advance(self, incident: IncidentId) -> bool:
        """One run of the thread; False when there is nothing to run now."""
        config: RunnableConfig = {"configurable": {"thread_id": thread_id(incident)}, "recursion_limit": _STEPS}
        state = await self._graph.aget_state(config)
        record = await self._deps.incidents.read(incident)
        if state.created_at is None:
            return await self._begin(record, config)
        if not state.tasks:
            await self._finish(incident, state)
            return False
        waiting = _waiting_for(state)
        if waiting is None:
            await self._graph.ainvoke(None, config, durability="sync")
            return True
        if not has_come(record, *waiting):
            return False
        await self._graph.ainvoke(Command(resume="look at the record"), config, durability="sync")
        return True

    async def _begin(self, record: Incident, config: RunnableConfig) -> bool:
        """The first run of a thread; a case that has submitted a proposal is past it, whatever the saver holds."""
        if record.state.ended:
            return False
        if not record.proposals:
            await self._graph.ainvoke({"v": GRAPH_VERSION, "incident": record.id}, config, durability="sync")
            return True
        if (await self._graph.aget_state(config)).created_at is not None:
            return True  # another worker began it between the two reads
        log.error("thread of a case under way is gone", incident=record.id, thread=thread_id(record.id))
        state, reason = orphans.standing(record)
        if state is not record.state:
            await self._stand(record.id, state, reason)
        return False

    async def _stand(self, incident: IncidentId, state: CaseState, reason: str) -> None:
        """Move a case on without its thread, unless it has ended."""
        now, summary = self._deps.clock(), reason if state.ended else None
        await self._deps.incidents.change(incident, lambda r: folding.with_state(r, state, summary, now))
        await self._deps.observer(Progress(incident=incident, at=now, stage=Stage.OUTCOME, text=reason))

    async def _finish(self, incident: IncidentId, state: StateSnapshot) -> None:
        if not state.values.get("ended"):
            raise RetryLater(f"the thread of `{incident}` has no task and no end; its graph was changed underneath it")
        await self._saver.adelete_thread(thread_id(incident))
        log.info("case ended", incident=incident, ending=state.values.get("ending"))


def has_come(record: Incident, waiting_for: str, proposal: Digest) -> bool:
    """Whether the record holds what a waiting thread waits for."""
    verdict = record.verdict_on(proposal)
    match waiting_for:
        case "verdict":
            return verdict is not None
        case "approval":
            return verdict is not None and verdict.decision is not Decision.NEEDS_APPROVAL
        case _:
            return record.outcome_of(proposal) is not None


def _premature(record: Incident, now: datetime) -> bool:
    """Whether a case was opened a moment ago by alerts alone: in a burst, the fault itself often comes second."""
    alone = record.origin is Origin.INCIDENT and not any(folding.material(e) for e in record.events)
    return alone and now - record.opened_at < _MOMENT


def _waiting_for(state: StateSnapshot) -> tuple[str, Digest] | None:
    """What the thread's interrupt asks for; None when a crash left a task that waits for nothing."""
    for task in state.tasks:
        for asked in task.interrupts:
            return str(asked.value[WAITING_FOR]), Digest(asked.value["proposal"])
    return None


def _judged(record: Incident, verdict: Verdict) -> Incident:
    known = verdict.lane is Lane.CONTAINMENT or verdict.proposal in record.proposals
    return folding.with_verdict(record, verdict) if known else record


def _concluded(record: Incident, outcome: Outcome) -> Incident:
    known = outcome.lane is Lane.CONTAINMENT or outcome.proposal in record.proposals
    return folding.with_outcome(record, outcome) if known else record


def _concerned(data: bytes) -> IncidentId | None:
    """The incident that a wake, a verdict or an outcome is about."""
    try:
        form = canonical.loads(data)
    except BadInput:
        return None
    named = form.get("incident") if isinstance(form, dict) else None
    return IncidentId(named) if isinstance(named, str) else None
