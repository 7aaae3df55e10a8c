"""What the hostile proposer says of itself and of its plan: on whose behalf, when, of which estate, under which title.

Honest as a rule, because a claim that is refused at the door hides what the law would have said of the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from estate.changes import Change, NoInverse
from estate.effects import Step, lay_out
from estate.frozen import FrozenEstate
from estate.identities import Role, Subject, SubjectKind
from estate.ids import IncidentId, InstallationId, SiteId, TenantId
from estate.proposals import Lane, Proposal
from estate.results import Refusal
from estate.uses.running import ComponentSort
from policies.mandates import NOBODY, Mandate, digest_of
from tests import builders
from tests.builders import INSTALLATION, START
from tests.hostile.grounds import AGENT, MIND, STRANGER, TENANTS, seldom
from tests.policies.asking import Person

_LONG: dict[str, Any] = {"valid_until": START + timedelta(days=3000)}
OTTO, OLGA = Person("otto", over=_LONG), Person("olga", over=_LONG | {"person": "Olga Ostermann"})
OLGA_TOO = Person("olga-night", over=_LONG | {"person": "Olga Ostermann"})
ANN = Person("ann", (Role.TENANT_OWNER,), TENANTS[:2], over=_LONG)
ABE, ANA = (Person(n, (Role.TENANT_OWNER,), TENANTS[:3], over=_LONG) for n in ("abe", "ana"))
BEA, BOB = (Person(n, (Role.TENANT_OWNER,), TENANTS[3:], over=_LONG) for n in ("bea", "bob"))
AUTHOR = Person("paul", (Role.OPERATOR, Role.POLICY_AUTHOR), over=_LONG)
ADAM = Person("adam", (Role.ADMINISTRATOR,), over=_LONG)
ROBOT = Person(AGENT.name, kind=SubjectKind.AGENT, over=_LONG)
PEOPLE = (OTTO, OLGA, OLGA_TOO, ANN, ABE, ANA, BEA, BOB, ADAM, AUTHOR, ROBOT)
COMMANDERS: tuple[Person | None, ...] = (None, None, None, OTTO, OLGA, ANN, BEA)


class Case:
    """One case: who commanded it, when, and on which estate it is planned. Written without the estate."""

    def __init__(self, number: int, commander: Person | None, now: datetime, on: FrozenEstate) -> None:
        self.number, self.commander, self.now, self.on = number, commander, now, on
        self.written: tuple[Change, ...] | None = None
        """The changes, where the commander wrote them out."""

    def __repr__(self) -> str:
        return f"case {self.number} of {self.commander and self.commander.name}"

    @property
    def incident(self) -> IncidentId:
        return IncidentId(f"inc-{self.number}")

    @property
    def mandate(self) -> Mandate:
        """What the ledger says of whoever is behind it."""
        if self.commander is None:
            return NOBODY
        written = digest_of(self.written) if self.written is not None else None
        return Mandate(person=self.commander.subject, tenants=self.commander.tenants, changes=written)


@st.composite
def proposals(draw: st.DrawFn, case: Case, changes: Sequence[Change]) -> Proposal:
    """The plan with honest claims, or with one that is not."""
    fields: dict[str, Any] = {
        "installation": INSTALLATION,
        "incident": case.incident,
        "attempt": 0,
        "lane": Lane.CASE,
        "site": SiteId("de"),
        "snapshot": case.on.version,
        "created_at": case.now,
        "proposer": AGENT,
        "made_by": (builders.maker(AGENT.name),),
        "on_behalf_of": case.mandate.person,
        "for_tenants": case.mandate.tenants,
        "summary": "as asked",
        "steps": draw(_laid(case, changes)),
    }
    if seldom(draw, 7):
        fields |= draw(st.sampled_from(_LIES))(draw, case)
    if seldom(draw, 12):
        fields["steps"] = draw(_tampered(fields["steps"]))
    return Proposal(**fields)


@st.composite
def _laid(draw: st.DrawFn, case: Case, changes: Sequence[Change]) -> tuple[Step, ...]:
    """The steps; what has no effect is left out, or claimed all the same."""
    steps: list[Step] = []
    running: Any = case.on
    for change in changes[:256]:
        found = lay_out((change,), running)
        if not isinstance(found, Refusal):
            steps.append(found.value.steps[0].model_copy(update={"number": len(steps) + 1}))
            running = found.value.after
        elif seldom(draw, 12):
            steps.append(_claimed(len(steps) + 1, change))
    return tuple(steps) or (_claimed(1, changes[0]),)


def _claimed(number: int, change: Change) -> Step:
    nothing = NoInverse(reason="none is needed")
    return Step(number=number, change=change, preconditions=(), postconditions=(), inverse=nothing)


@st.composite
def _tampered(draw: st.DrawFn, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Unchecked, unverified, irreversible, out of order, twice, or numbered otherwise."""
    first = steps[0]
    bare = [{"preconditions": ()}, {"postconditions": ()}, {"inverse": NoInverse(reason="none")}, {"number": 2**40}]
    odd: list[tuple[Step, ...]] = [(first.model_copy(update=u), *steps[1:]) for u in bare]
    return draw(st.sampled_from([*odd, steps[::-1], steps + steps]))


type _Lie = Callable[[st.DrawFn, Case], dict[str, Any]]


def _speaking_for(draw: st.DrawFn, case: Case) -> dict[str, Any]:
    """For tenants that nobody behind it speaks for, or for none, which would be the house."""
    some = st.lists(st.sampled_from([*TENANTS, TenantId("acme-l")]), max_size=3, unique=True).map(tuple)
    return {"for_tenants": draw(some)}


def _in_the_name_of(draw: st.DrawFn, case: Case) -> dict[str, Any]:
    who: list[Subject | None] = [OTTO.subject, ANN.subject, BEA.subject, builders.subject("0tto"), None]
    return {"on_behalf_of": draw(st.sampled_from(who))}


def _by_another(draw: st.DrawFn, case: Case) -> dict[str, Any]:
    robot = AGENT.model_copy(update={"name": draw(st.sampled_from(["agent-2", "agent-l"]))})
    abroad = AGENT.model_copy(update={"issuer": InstallationId("test-2")})
    return {"proposer": draw(st.sampled_from([robot, robot, abroad, OTTO.subject]))}


def _planned_by(draw: st.DrawFn, case: Case) -> dict[str, Any]:
    return {"mind": draw(st.sampled_from([MIND, MIND, STRANGER]))}


def _made_by(draw: st.DrawFn, case: Case) -> dict[str, Any]:
    """By nobody, by another, with a tool that nobody knows, or without a word of its own digest."""
    own = builders.maker(AGENT.name)
    tool = builders.maker("place", ComponentSort.TOOL)
    silent = own.model_copy(update={"content": None})
    return {"made_by": draw(st.sampled_from([(), (builders.maker("agent-l"),), (own, tool), (silent,)]))}


def _dated(draw: st.DrawFn, case: Case) -> dict[str, Any]:
    return {"created_at": case.now + timedelta(seconds=draw(st.sampled_from([-(10**7), 29, 31, 600])))}


def _titled(draw: st.DrawFn, case: Case) -> dict[str, Any]:
    titles = ["раuse the move", "move \u202eevres-a", "\x1b[2Kas asked", "cafe\u0301", "", "перенести"]
    return {"summary": draw(st.sampled_from(titles))}


def _placed(draw: st.DrawFn, case: Case) -> dict[str, Any]:
    places = [{"site": SiteId("us")}, {"site": SiteId("nowhere")}, {"lane": Lane.CONTAINMENT}]
    return draw(st.sampled_from([*places, {"installation": InstallationId("test-2")}]))


def _planned_on(draw: st.DrawFn, case: Case) -> dict[str, Any]:
    """Of another snapshot than it says, also of one that nobody has seen; of a huge attempt."""
    version = case.on.version
    odd = [version.model_copy(update={"sequence": s}) for s in (0, version.sequence + 1, 2**53 - 1)]
    return draw(st.sampled_from([*({"snapshot": v} for v in odd), {"attempt": 2**53 - 1}, {"attempt": 2**60}]))


_LIES: tuple[_Lie, ...] = (
    _speaking_for,
    _speaking_for,
    _in_the_name_of,
    _by_another,
    _planned_by,
    _made_by,
    _planned_by,
    _dated,
    _titled,
    _placed,
    _planned_on,
)
