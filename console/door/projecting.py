"""An incident cut to what its reader may see. Pure; the door answers people of a tenant from nothing else.

A case may concern several tenants. Each reads of the others that they are there (a diff counts their steps, an approval
is awaited from somebody), and neither who they are nor what is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from console.door.views import Sight
from estate.events import Event, Request
from estate.ids import TenantId
from estate.incidents import Incident
from estate.verdicts import Failure, Requirement, Verdict
from policies import words

type TellsOf = Callable[[str], frozenset[TenantId]]
"""Whose things a text names (`policies.evidence`)."""


def projected(incident: Incident, sight: Sight, asked: bool, tells_of: TellsOf) -> Incident:
    """What somebody with this sight may read of it; `asked` is whether the case is pursued for them."""
    if sight.everything:
        return incident
    whole = asked or sight.tenants.issuperset(incident.tenants)
    said = frozenset(_said(incident, sight))

    def own(text: str) -> str:
        return text if text in said or tells_of(text) <= sight.tenants else ELSEWHERE

    domain = own(incident.domain)
    return incident.model_copy(
        update={
            "tenants": tuple(t for t in incident.tenants if sight.of_tenant(t)),
            "domain": domain,
            "summary": own(incident.summary) if whole else f"{incident.origin.value} at {domain}",
            "events": tuple(_event(e, own(e.message)) for e in incident.events if _told_to(e, sight)),
            "verdicts": tuple(_verdict(v, sight, asked) for v in incident.verdicts),
        }
    )


ELSEWHERE: Final = "something of another tenant's"
"""In the place of a text that names it."""


def told(incident: Incident, sight: Sight, tells_of: TellsOf) -> frozenset[TenantId]:
    """Whose things an incident tells of, as it is handed out: in its fields, and in texts that are not the reader's."""
    spoken = (e.request or e.proposal for e in incident.events)
    named = {t for s in spoken if s is not None for t in s.tenants} | {e.tenant for e in incident.events}
    named |= {f.tenant for v in incident.verdicts for f in v.failures}
    named |= {r.tenant for v in incident.verdicts for r in v.requirements}
    texts = {incident.domain, incident.summary, *(e.message for e in incident.events)}
    others = texts.difference(_said(incident, sight))
    return frozenset({*incident.tenants, *(t for t in named if t)}).union(*map(tells_of, others))


def _said(incident: Incident, sight: Sight) -> Iterator[str]:
    """What people said who speak for nobody but tenants in sight: whatever it names, they named it."""
    for event in incident.events:
        spoken = event.request or event.proposal
        if spoken is not None and spoken.tenants and sight.tenants.issuperset(spoken.tenants):
            yield event.message
            yield spoken.text if isinstance(spoken, Request) else spoken.summary


def _event(event: Event, message: str) -> Event:
    return event if message == event.message else event.model_copy(update={"message": message})


def _told_to(event: Event, sight: Sight) -> bool:
    spoken = event.request or event.proposal
    of = spoken.tenants if spoken else (event.tenant,) if event.tenant else ()
    return not of or sight.of_any(of)


def _verdict(verdict: Verdict, sight: Sight, asked: bool) -> Verdict:
    failures = (_failure(f, asked) for f in verdict.failures if f.tenant is None or sight.of_tenant(f.tenant))
    requirements = tuple(_requirement(r, sight) for r in verdict.requirements)
    return verdict.model_copy(update={"failures": tuple(failures), "requirements": requirements})


def _failure(failure: Failure, asked: bool) -> Failure:
    """Of what is about no tenant, what was found may name others, unless the whole case is the reader's own."""
    if failure.tenant is None:
        return failure if asked else failure.model_copy(update={"found": "", "remedy": ""})
    return words.own_part(failure)


def _requirement(requirement: Requirement, sight: Sight) -> Requirement:
    foreign = requirement.tenant is not None and not sight.of_tenant(requirement.tenant)
    return requirement.model_copy(update={"tenant": None}) if foreign else requirement
