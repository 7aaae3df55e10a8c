"""Where a case stands whose thread is gone although its proposal was submitted: by its record, never drafted anew.

Called by the worker where the saver holds nothing of a case under way: its checkpoints were lost, or the version of
the graph was raised while it waited. Pure. The record names proposals and holds none, so nothing is planned again.
"""

from __future__ import annotations

from agents.cases import answers
from agents.cases.answers import Answer, Route
from estate.errors import RetryLater
from estate.incidents import CaseState, Incident

_LOST = "its thread was lost after it had submitted a proposal, so it goes by what gate and executor say"
_STATES = {
    Route.AWAIT_OUTCOME: CaseState.EXECUTING,
    Route.AWAIT_APPROVAL: CaseState.AWAITING_APPROVAL,
    Route.VERIFY: CaseState.VERIFIED,
}
_MOST = 2000


def standing(record: Incident) -> tuple[CaseState, str]:
    """The state that the record comes to, in words; an ending, or a wait for people or the executor.

    Raises:
        RetryLater: no verdict has come; perhaps none will, because the proposal was recorded and never published.
    """
    found = _found(record)
    state = found.ending or _STATES.get(found.route, CaseState.HANDED_OVER)
    return state, "; ".join((record.summary, _LOST, *found.lines))[:_MOST]


def _found(record: Incident) -> Answer:
    proposal = record.proposals[-1]
    if (outcome := record.outcome_of(proposal)) is not None:
        return answers.ending_of(outcome)
    if (verdict := record.verdict_on(proposal)) is not None:
        return answers.answer(verdict)
    raise RetryLater(
        f"the thread of `{record.id}` is gone and no verdict on `{proposal}` has come; if none does, propose again"
    )
