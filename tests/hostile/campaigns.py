"""One campaign: a hostile proposer against a real gate, under one profile, on one estate that moves as it succeeds.

The gate, its ledger, its enrolments and controls are the real ones; drawn are the plans, the claims, the hour, what
people have frozen or lifted, and who of them approves. Whatever is permitted is judged twice more: by the kernel, on
the estate with what is in flight, and by `harms`. A disagreement raises, and hypothesis shrinks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from console import profiles
from estate.canonical import Json
from estate.effects import Step, effect
from estate.errors import PlacetError
from estate.frozen import FrozenEstate
from estate.ids import ExecutionId, ExecutorId, PolicyId, SiteId
from estate.modes import Freeze, Mode, Scope
from estate.outcomes import Ending, Outcome
from estate.proposals import Proposal
from estate.reliefs import BreakGlass, GlassWord, PolicyException
from estate.results import Refusal
from estate.verdicts import Decision, Dimension, Verdict
from policies import deciding, kernel, mandates, playing
from policies.bundle import Bundle
from policies.controls import EXCEPTION_TYPE, FREEZE_TYPE, GLASS_TYPE, Controls
from policies.enrolments import Enrolments
from policies.gate import Answer, Gate
from policies.kernel import Approver, Objection
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Draft, EntryKind
from policies.questions import Deputy, Matter
from policies.signing.memory import MemorySigner
from policies.signing.sealing import seal
from tests.builders import INSTALLATION, START, TestClock, TestEntropy
from tests.hostile import claiming, twisting
from tests.hostile.aiming import AIMING, plans
from tests.hostile.claiming import ABE, ANA, ANN, AUTHOR, BEA, BOB, OLGA, OLGA_TOO, OTTO, PEOPLE, ROBOT, Case
from tests.hostile.grounds import seldom
from tests.hostile.harms import harms
from tests.hostile.tallying import Tally
from tests.policies import asking
from tests.policies.asking import Person, ratified

PROFILES: Final = ("bank", "media-burst", "robotics-edge", "sovereign-cloud")
_OPEN: Final[Mapping[str, float]] = {"robotics-edge": 12.5}
"""Hours after the start at which a window is open; the bank's is at the start itself."""
_HOURS: Final = (0.0, 4.5, 5.0, 12.5 - 1 / 3600, 12.5, 110.0, 24 * 30.0, 24 * 231.0)
_CROWDS: Final[tuple[tuple[Person, ...], ...]] = (
    (),
    (OTTO, OLGA, ABE, ANA, BEA, BOB),
    (OTTO, OLGA, ABE, ANA, BEA, BOB),
    (OTTO, OLGA, ABE, ANA, BEA, BOB),
    (OTTO, ANN, BEA),
    (OLGA, OLGA_TOO, BEA, BOB),
    (AUTHOR, ROBOT),
)
"""Who approves whatever is shown: nobody, those who may, or those from whom nothing counts."""
_KEY: Final = MemorySigner.generate(TestEntropy("gate"))
_CLOCK: Final = TestClock()


@cache
def _enrolled() -> Enrolments:
    """Everybody, enrolled at the start."""
    now, _ = _CLOCK(), _CLOCK.set(START)
    known = asking.enrolments(*PEOPLE, clock=_CLOCK)
    _CLOCK.set(now)
    return known


@cache
def _bundle(profile: str) -> Bundle:
    return profiles.bundle(profile)


@dataclass
class Campaign:
    """What a campaign is fought on. `data` draws; `tally` counts."""

    data: st.DataObject
    profile: str
    tally: Tally
    ledger: MemoryLedger = field(default_factory=lambda: MemoryLedger(INSTALLATION, entropy=TestEntropy("salt")))
    flying: list[tuple[Step, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        draw = self.data.draw
        hour = draw(st.sampled_from([*[_OPEN.get(self.profile, 0.0)] * 24, *_HOURS]))
        _CLOCK.set(START + timedelta(hours=hour))
        self.estate: FrozenEstate = draw(twisting.estates()).estate
        self.relieved = seldom(draw, 10)
        self.controls = self._controls()
        self.gate = self._gate()

    @property
    def now(self) -> datetime:
        return _CLOCK()

    async def fight(self) -> None:
        """One plan, a few, or many small ones of one kind while all before them are still under way."""
        await self.gate.restore()
        size = self.data.draw(st.sampled_from([1, 1, 1, 1, 2, 2, 3, 3, 10]))
        aim = AIMING if size <= 3 else st.just(self.data.draw(AIMING))
        for number in range(size):
            case = Case(number, self.data.draw(st.sampled_from(claiming.COMMANDERS)), self.now, self.estate)
            await self._propose(case, self.data.draw(aim), most=256 if size <= 3 else 1)

    async def _propose(self, case: Case, aim: str, most: int) -> None:
        changes = self.data.draw(plans(case, aim))[:most]
        case.written = tuple(changes) if seldom(self.data.draw, 4) else None
        proposal = self.data.draw(claiming.proposals(case, changes))
        kinds = [s.change.kind for s in proposal.steps]
        try:
            await self._command(case)
            answer = await self.gate.submit(proposal)
        except PlacetError as error:
            self.tally.refused(aim, kinds, error)
            return
        answer = await self._asked(proposal, answer)
        self.tally.answered(aim, kinds, answer.verdict)
        self._judge(case, proposal, answer.verdict)
        if answer.warrant_envelope is not None:
            await self._carry_out(proposal)

    async def _command(self, case: Case) -> None:
        """What the console wrote when a person commanded it."""
        if case.commander is not None:
            body: dict[str, Json] = {"verb": "ask", "says": "", mandates.FIELD: case.mandate.json_form()}
            key = mandates.key(case.incident)
            await self.ledger.append(Draft(EntryKind.COMMANDED, self.now, case.commander.subject, body, key))

    async def _asked(self, proposal: Proposal, answer: Answer) -> Answer:
        """The answer once whoever is asked approved what was shown."""
        if answer.verdict.decision is not Decision.NEEDS_APPROVAL:
            return answer
        for person in self.data.draw(st.sampled_from(_CROWDS)):
            if answer.verdict.decision is Decision.NEEDS_APPROVAL:
                try:
                    answer = await self.gate.approve(person.sealed(proposal, self.estate, at=self.now))
                except PlacetError:
                    continue  # a word that can never count is not even recorded
        return answer

    def _judge(self, case: Case, proposal: Proposal, verdict: Verdict) -> None:
        """Neither opinion sees a breach that the other misses, and what is permitted harms nobody."""
        base = playing.joined(self.estate, [s for steps in self.flying for s in steps])
        objections = kernel.objections(_matter(case, proposal), base, _approvers(verdict, proposal, self), self.now)
        unshared = [f for f in verdict.failures if f.policy in {deciding.KERNEL, deciding.ERRORED}]
        assert not unshared, unshared
        apart = _told(objections) ^ _tier_0(verdict, _bundle(self.profile))
        assert not apart, apart
        if verdict.decision is Decision.PERMIT:
            assert not objections, objections
            found = harms(base, _after(base, proposal.steps), case.mandate.tenants, self.now, relieved=self.relieved)
            assert not found, found

    async def _carry_out(self, proposal: Proposal) -> None:
        """The executor did it and the estate shows it; or it is still under way when the next plan comes."""
        self.flying.append(proposal.steps)
        if self.data.draw(st.booleans()):
            return
        self.flying.pop()
        after = _after(self.estate, proposal.steps)
        version = after.version
        self.estate = replace(after, version=version.model_copy(update={"sequence": version.sequence + 1}))
        await self.gate.concluded(_done(proposal, self.now))
        _CLOCK.advance(seconds=11)

    # -- what is around the gate

    def _gate(self) -> Gate:
        return Gate(
            installation=INSTALLATION,
            ledger=self.ledger,
            signer=_KEY,
            bundle=_bundle(self.profile),
            newest=lambda: self.estate,
            controls=self.controls,
            enrolments=_enrolled(),
            clock=_CLOCK,
            entropy=TestEntropy(),
            audience=lambda clusters: ExecutorId("twin-1"),
        )

    def _controls(self) -> Controls:
        mode = self.data.draw(st.sampled_from([*[Mode.AUTOMATIC] * 14, Mode.APPROVE, Mode.OBSERVE]))
        made = Controls(INSTALLATION, _enrolled(), _CLOCK, default=mode)
        made.apply(ratified(_bundle(self.profile)))
        if seldom(self.data.draw, 20):
            scope = self.data.draw(st.sampled_from([Scope(), Scope(site=SiteId("de")), Scope(tenant="acme")]))
            made.apply(_frozen(scope, self.now))
        if self.relieved:
            for word in self.data.draw(st.sampled_from([_glass, _exceptions]))(self.now):
                made.apply(word)
        return made


def _frozen(scope: Scope, now: datetime) -> bytes:
    freeze = Freeze(installation=INSTALLATION, scope=scope, frozen=True, by=OTTO.subject, at=now)
    return seal(freeze.canonical(), FREEZE_TYPE, OTTO.signer)


def _glass(now: datetime) -> list[bytes]:
    """Broken by two humans, for everything."""
    first = BreakGlass(installation=INSTALLATION, word=GlassWord.BREAK, reason="fire", by=OTTO.subject, at=now)
    second = first.model_copy(update={"word": GlassWord.SECOND, "of": first.digest, "by": OLGA.subject})
    return [seal(w.canonical(), GLASS_TYPE, p.signer) for w, p in ((first, OTTO), (second, OLGA))]


def _exceptions(now: datetime) -> list[bytes]:
    rules = ("breaker-rate", "rack-power", "change-window", "contract-available", "blast-nodes")
    fields: dict[str, Any] = {"installation": INSTALLATION, "scope": Scope(site=SiteId("de")), "reason": "CHG-7781"}
    until, by = now + timedelta(days=1), claiming.ADAM
    words = (PolicyException(**fields, rule=PolicyId(r), valid_until=until, by=by.subject, at=now) for r in rules)
    return [seal(w.canonical(), EXCEPTION_TYPE, by.signer) for w in words]


def _matter(case: Case, proposal: Proposal) -> Matter:
    """The matter as it truly is: whoever commanded it, whatever is claimed."""
    person = case.commander
    deputy = Deputy(frozenset(person.roles), frozenset(person.tenants), person.enrolment.human) if person else None
    return replace(Matter.of(proposal, mandate=case.mandate), deputy=deputy)


def _approvers(verdict: Verdict, proposal: Proposal, at: Campaign) -> list[Approver]:
    """The people whose approvals the verdict counted."""
    counted = set(verdict.approvals)
    said = {p.word(proposal, at.estate, at=at.now).digest: p for p in PEOPLE} if counted else {}
    assert counted <= set(said), "an approval counts that nobody gave"
    return [Approver(said[d].subject, said[d].roles, said[d].enrolment.human) for d in counted]


def _told(objections: Sequence[Objection]) -> set[tuple[Dimension, str]]:
    return {(o.dimension, o.about) for o in objections if o.dimension is not Dimension.APPROVAL}


def _tier_0(verdict: Verdict, bundle: Bundle) -> set[tuple[Dimension, str]]:
    """What tier 0 forbade. Of approvals it also names those that were not counted, which the kernel is not asked of."""
    found = (f for f in verdict.failures if (r := bundle.rules.get(f.policy)) is not None and r.tier == 0)
    return {(f.dimension, f.about) for f in found if f.dimension is not Dimension.APPROVAL}


def _after(base: Any, steps: Sequence[Step]) -> Any:
    """The estate once the steps are done; what has no effect any more changes nothing."""
    running = base
    for step in steps:
        found = effect(step.change, running)
        running = running if isinstance(found, Refusal) else found.value
    return running


def _done(proposal: Proposal, now: datetime) -> Outcome:
    return Outcome(
        installation=INSTALLATION,
        incident=proposal.incident,
        proposal=proposal.digest,
        warrant=proposal.digest,
        execution=ExecutionId("exe-1"),
        site=proposal.site,
        lane=proposal.lane,
        ending=Ending.VERIFIED,
        steps=(),
        at=now,
    )
