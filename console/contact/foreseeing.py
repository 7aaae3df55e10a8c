"""What Placet would do about what is observed now: the pieces of the real path, played on the snapshot without a bus.

Called by `contact.meeting`. Each trouble becomes the event that a sender would report, and goes the way of one:
containment drafts its fence, the runbook plans, the engine places, the rehearsal rehearses, and the law answers in mode
observe. Nothing is signed or sent. One after another, each on the estate that the ones before would leave: fences
first, as on the real path.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from agents import containment, folding
from agents.cases import answers, drafting, investigating
from agents.cases.drafting import Behind
from agents.cases.placing import Placed, place
from agents.cases.threads import Case
from agents.minds.plans import NoPlan, Plan, Setback
from agents.minds.port import Briefing, Mind
from console.contact.troubles import Trouble
from estate.effects import lay_out
from estate.events import Event
from estate.identities import Subject, SubjectKind
from estate.incidents import Fence, Incident, Origin
from estate.modes import Mode
from estate.observations import Severity
from estate.proposals import Lane, Proposal
from estate.records import Model
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.verdicts import Decision, Failure, Verdict
from policies.bundle import Bundle
from policies.deciding import decide
from policies.questions import Matter, Question, Standing
from tools.catalogue.registry import Catalogue
from tools.placement.port import Engine
from tools.rehearsal.rehearsing import rehearse

ATTEMPTS = 3
"""As many as a case makes."""
MOST_PLANS = 50
"""Faults for which a plan is drawn: a look takes a minute, and a storm of more than that is a matter for people."""


class Proposed(Model):
    """One proposal that would be made, and the law's answer to it."""

    lane: Lane
    attempt: int
    summary: str
    changes: tuple[str, ...]
    decision: Decision
    failures: tuple[Failure, ...] = ()
    asked: tuple[str, ...] = ()
    """The approvals that the rules would ask for."""
    notes: tuple[str, ...] = ()
    """What the plan could not place, and why."""


class Foreseen(Model):
    """One trouble, and what would be done about it."""

    about: str
    trouble: str
    proposed: tuple[Proposed, ...] = ()
    nothing: str = ""
    """Why nothing (more) would be done."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a what-if is made of; none of it can write."""

    bundle: Bundle
    engine: Engine
    mind: Mind
    now: datetime


@dataclass(slots=True)
class _Case:
    """A trouble on its way."""

    trouble: Trouble
    incident: Incident | None
    proposed: list[Proposed]
    nothing: str = ""


async def foresee(snapshot: Snapshot, troubles: Iterable[Trouble], means: Means) -> tuple[Foreseen, ...]:
    """What would be done about each trouble, in order."""
    foreseeing = _Foreseeing(snapshot, means)
    cases = [foreseeing.open(t) for t in troubles]
    for case in cases:
        foreseeing.contain(case)
    for number, case in enumerate((c for c in cases if c.incident is not None and not c.nothing), start=1):
        if number > MOST_PLANS and case.trouble.severity is Severity.FATAL:
            case.nothing = f"no plan was drawn for more than {MOST_PLANS} faults at once"
        else:
            await foreseeing.pursue(case)
    return tuple(
        Foreseen(about=c.trouble.about, trouble=c.trouble.told, proposed=tuple(c.proposed), nothing=c.nothing)
        for c in cases
    )


class _Foreseeing:
    """The running estate of a what-if."""

    def __init__(self, snapshot: Snapshot, means: Means) -> None:
        self._snapshot = snapshot
        self._means = means
        installation = snapshot.version.installation
        self._behind = Behind(installation, Subject(kind=SubjectKind.AGENT, issuer=installation, name="agent"))

    def open(self, trouble: Trouble) -> _Case:
        """The incident that its event would open; none where no fact says at which site."""
        event = trouble.event(self._means.now)
        if event.place.site is None:
            return _Case(trouble, None, [], "no signed fact says where this is, and what has no place is denied")
        record = folding.opened(event, folding.incident_id(event.id), trouble.about)
        return _Case(trouble, record, [])

    def contain(self, case: _Case) -> None:
        """The fence of a fatal fault."""
        event = case.incident.events[0] if case.incident is not None else None
        if case.incident is None or event is None or (node := containment.calls_for_fence(event)) is None:
            return
        drafted = self._fence(event, case.incident)
        if drafted is not None:
            case.incident = folding.with_fence(case.incident, Fence(node=node, proposal=drafted.digest))
            self._judge(case, drafted)

    async def pursue(self, case: _Case) -> None:
        """The plan, as often as another one is worth it."""
        setbacks: list[Setback] = []
        while case.incident is not None and len(setbacks) < ATTEMPTS:
            attempt = len(setbacks) + 1
            found = await self._proposal(case.incident, tuple(setbacks), attempt)
            if isinstance(found, str):
                case.nothing = found
                return
            proposal, placed = found
            before = self._snapshot
            verdict = self._judge(case, proposal, placed.unplaced)
            if verdict.decision is not Decision.FORBID or not answers.worth_another(verdict, Origin.INCIDENT):
                return
            setbacks.append(answers.setback(verdict, attempt, before))

    def _fence(self, event: Event, incident: Incident) -> Proposal | None:
        return containment.draft(event, incident, self._snapshot, self._behind.proposer, self._behind.installation)

    async def _proposal(
        self, incident: Incident, setbacks: tuple[Setback, ...], attempt: int
    ) -> tuple[Proposal, Placed] | str:
        """The proposal of this attempt, or why there is none."""
        snapshot, means = self._snapshot, self._means
        tools = Catalogue(lambda: snapshot, means.engine)
        findings = investigating.findings(incident, tools)
        briefing = Briefing(incident, snapshot, tools, findings, setbacks)
        diagnosis = await means.mind.diagnose(briefing)
        planned: Plan | NoPlan = await means.mind.plan(briefing, diagnosis)
        if isinstance(planned, NoPlan):
            return planned.reason
        placed = place(planned, snapshot, means.engine, means.now, setbacks)
        if not placed.changes:
            return "; ".join(placed.unplaced) or "the plan comes to no change"
        case = Case(attempt=attempt, diagnosis=diagnosis, findings=findings, plan=planned, changes=placed.changes)
        drawn = drafting.draft(case, incident, snapshot, rehearse, self._behind, means.now)
        return f"{drawn.about}: {drawn.message}" if isinstance(drawn, Refusal) else (drawn, placed)

    def _judge(self, case: _Case, proposal: Proposal, notes: tuple[str, ...] = ()) -> Verdict:
        """The law's answer; what it permits counts as done for those that come after."""
        standing = Standing(Mode.OBSERVE)
        matter = replace(Matter.of(proposal), supposed=True)
        question = Question(matter, self._snapshot, self._means.bundle, standing, self._means.now)
        verdict = decide(question).verdict
        case.proposed.append(
            Proposed(
                lane=proposal.lane,
                attempt=proposal.attempt,
                summary=proposal.summary,
                changes=tuple(s.change.describe() for s in proposal.steps),
                decision=verdict.decision,
                failures=verdict.failures,
                asked=tuple(r.describe() for r in verdict.requirements),
                notes=notes,
            )
        )
        if verdict.decision is Decision.PERMIT:
            laid = lay_out((s.change for s in proposal.steps), self._snapshot)
            self._snapshot = self._snapshot if isinstance(laid, Refusal) else laid.value.after
        return verdict
