"""Who is behind a proposal, as the rules read it: its makers, the person it is for, and the people who approved. Pure.

Called by `context`, which writes the read set. What the proposer says of any of them is a claim; what counts comes from
the ledger (`mandates`), from signed facts (`makers`), and from enrolments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from estate.identities import Role, SubjectKind
from estate.ids import TenantId, WorkloadId
from estate.things import Thing
from policies import (
    approving,
    makers,
    mandates,
    objects,
    reaches,
)
from policies.asks import Context, names
from policies.makers import Shown
from policies.playing import Play
from policies.questions import Given, Matter, Question


def who(matter: Matter) -> Context:
    """Of what sort they are, and for whom they act."""
    return {"kind": matter.proposer.kind.value, "actsFor": names(matter.for_tenants)}


def made(matter: Matter, play: Play, now: datetime) -> Context:
    """Who made it without being registered for it as they are, and whose work they may not see."""
    facts, made = play.base.facts, matter.makers
    found = (play.base.workload(w) or play.after.workload(w) for w in written(play))
    concerned = [w for w in found if w is not None]
    tenants = frozenset(w.tenant for w in concerned)
    owners = (objects.owner_of(facts, o) for o in map(objects.address_of, _targets(play)) if o is not None)
    shown = Shown(
        tenants.union(t for t in owners if t is not None), frozenset(d for w in concerned for d in w.datasets)
    )
    return {
        "unregistered": names(makers.unregistered(facts, made)),
        "altered": names(makers.altered(facts, made)),
        "lapsed": names(makers.lapsed(facts, made, now)),
        "outside": names(makers.outside(facts, made, shown)),
        "beyond": names(reaches.beyond(facts, matter.minds, shown.tenants)),
    }


def _targets(play: Play) -> Iterable[Thing]:
    return (s.change.target() for s in play.asked)


def mandated(matter: Matter) -> Context:
    """What the person behind it signed, against what the proposer claims of them."""
    mandate = matter.mandate
    return {
        "persons": names([str(mandate.person)] if mandate.person else []),
        "claimed": names([str(matter.on_behalf_of)] if matter.on_behalf_of else []),
        "tenants": names(mandate.tenants),
        "roles": names(r.value for r in (matter.deputy.roles if matter.deputy else _VOUCHED)),
        "outgrown": names(_outgrown(matter)),
        "asWritten": mandate.changes is None or mandate.changes == mandates.digest_of(s.change for s in matter.steps),
    }


_VOUCHED: Final = (Role.REQUESTER,)
"""Of a person whose rights were judged before: that they may ask is what the gate's signature says."""


def _outgrown(matter: Matter) -> set[TenantId]:
    """The tenants that the person spoke for when they commanded it and does not speak for now."""
    return set() if matter.deputy is None else set(matter.mandate.tenants) - matter.deputy.tenants


def written(play: Play) -> set[WorkloadId]:
    """The workloads that it changes, those of steps that could not be played among them."""
    beyond = (s.change for s in play.asked[len(play.steps) :])
    return {*play.footprint.workloads, *(w for c in beyond for w in c.disrupts(play.after))}


def people(matter: Matter, approvers: Iterable[Given], authors: Collection[str]) -> Context:
    """Who approved, and which of them may not."""
    given = tuple(approvers)
    called = {g: "/".join(approving.actor(g.approval.approver)) for g in given}
    barred = {"/".join(approving.actor(s)) for s in approving.barred(matter)}
    barred |= {name for g, name in called.items() if _wrote(g, authors) or _is_represented(g, matter)}
    return {
        "approvers": names(called.values()),
        "kinds": names({g.approval.approver.kind.value for g in given}),
        "roles": names({r.value for g in given for r in g.enrolment.roles}),
        "barred": names(barred),
    }


def _is_represented(given: Given, matter: Matter) -> bool:
    """Whether it is another account of the human whom the proposal is for."""
    return matter.deputy is not None and given.enrolment.human == matter.deputy.human


def _wrote(given: Given, authors: Collection[str]) -> bool:
    return given.approval.approver.kind is SubjectKind.HUMAN and given.approval.approver.name in authors


def authors(question: Question) -> frozenset[str]:
    """Who wrote the facts and the rules that decide, by name: no approval of theirs counts."""
    return frozenset({question.snapshot.facts.author, question.standing.ratified.author} - {""})
