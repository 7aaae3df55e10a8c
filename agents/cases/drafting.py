"""A case's proposal drawn up from its changes: laid out, rehearsed, with the evidence that people read. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from agents.cases.threads import Case
from estate.changes import Change
from estate.effects import lay_out
from estate.identities import Subject
from estate.ids import InstallationId
from estate.incidents import Incident, Origin
from estate.proposals import Evidence, Lane, Proposal, Rehearsal
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.uses.running import ComponentSort, Maker
from tools.catalogue import registry

type Rehearse = Callable[[Snapshot, tuple[Change, ...]], Rehearsal]
"""Plays changes on a twin of a snapshot (`tools.rehearsal`); silent, and without effect."""

EVIDENCE_KEPT = 48


@dataclass(frozen=True, slots=True)
class Behind:
    """Who proposes, in which installation."""

    installation: InstallationId
    proposer: Subject
    agent: tuple[Maker, ...] = ()
    """The agent and its duty, as they are installed."""
    minds: tuple[Maker, ...] = ()
    """What plans for it."""

    def makers(self, case: Case, incident: Incident) -> tuple[Maker, ...]:
        """Who had a part in what comes of this case. No mind planned what a person wrote."""
        minds = self.minds if incident.origin is not Origin.PROPOSAL else ()
        return (*self.agent, *minds, *(registry.maker(name) for name in case.tools))


def draft(
    case: Case, incident: Incident, snapshot: Snapshot, rehearse: Rehearse, behind: Behind, now: datetime
) -> Proposal | Refusal:
    """The proposal of this attempt, or why its changes cannot be laid out on `snapshot`."""
    laid = lay_out(case.changes, snapshot)
    if isinstance(laid, Refusal):
        return laid
    made_by = behind.makers(case, incident)
    spoken = next((e.request or e.proposal for e in incident.events if e.request or e.proposal), None)
    return Proposal(
        installation=behind.installation,
        incident=incident.id,
        attempt=case.attempt,
        lane=Lane.CASE,
        site=incident.site,
        snapshot=snapshot.version,
        created_at=now,
        proposer=behind.proposer,
        on_behalf_of=spoken.requester if spoken else None,
        for_tenants=spoken.tenants if spoken else (),
        summary=_summary(case, incident),
        steps=laid.value.steps,
        evidence=_evidence(case),
        rehearsal=rehearse(snapshot, case.changes),
        mind=next((m.id for m in made_by if m.sort is ComponentSort.MODEL), None),
        made_by=made_by,
    )


def forecast(rehearsal: Rehearsal | None) -> tuple[str, ...]:
    """A rehearsal in a few lines for people."""
    if rehearsal is None:
        return ()
    racks = (f"{r.rack}: {r.drawn_watts} W of {r.budget_watts} W" for r in rehearsal.racks)
    broken = (f"contract broken: {w}" for w in rehearsal.contracts_broken)
    return (*racks, *broken, *((rehearsal.refusal,) if rehearsal.refusal else ()))


def _summary(case: Case, incident: Incident) -> str:
    planned = getattr(case.plan, "summary", "") or incident.summary
    return f"{planned}"[:1000]


def _evidence(case: Case) -> tuple[Evidence, ...]:
    diagnosed = case.diagnosis.evidence if case.diagnosis else ()
    noted = tuple(Evidence(source="mind", claim=n) for n in getattr(case.plan, "notes", ()))
    learnt = tuple(Evidence(source="gate", claim=r) for s in case.setbacks for r in s.reasons)
    return (*diagnosed, *case.findings, *case.evidence, *noted, *learnt)[:EVIDENCE_KEPT]
