"""An incident cut to what its reader may see. Pure; the door answers people of a tenant from nothing else.

A case may concern several tenants. Each reads of the others that they are there (a diff counts their steps, an approval
is awaited from somebody), and neither who they are nor what is theirs.
"""

from __future__ import annotations

from console.door.views import Sight
from estate.events import Event
from estate.incidents import Incident
from estate.verdicts import Failure, Requirement, Verdict
from policies import words


def projected(incident: Incident, sight: Sight, asked: bool) -> Incident:
    """What somebody with this sight may read of it; `asked` is whether the case is pursued for them."""
    if sight.everything:
        return incident
    whole = asked or sight.tenants.issuperset(incident.tenants)
    return incident.model_copy(
        update={
            "tenants": tuple(t for t in incident.tenants if sight.of_tenant(t)),
            "summary": incident.summary if whole else f"{incident.origin.value} at {incident.domain}",
            "events": tuple(e for e in incident.events if _told_to(e, sight)),
            "verdicts": tuple(_verdict(v, sight, asked) for v in incident.verdicts),
        }
    )


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
