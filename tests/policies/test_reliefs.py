"""Exceptions and broken glass: they lift tier 1 for a time, in a scope, in the ledger; nothing lifts tier 0."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cedarpy
import pytest

from console.door import relieving
from estate.errors import Denied
from estate.identities import Role, SubjectKind
from estate.ids import Digest, ExecutorId, InstallationId, PolicyId, SiteId, TenantId
from estate.modes import Mode, Scope
from estate.reliefs import BreakGlass, GlassState, GlassWord, PolicyException
from estate.units import PerMille
from estate.verdicts import Decision
from policies import deciding, lifting, reliefs
from policies.bundle import Bundle, shipped_rules
from policies.controls import EXCEPTION_TYPE, FREEZE_TYPE, GLASS_TYPE, Controls
from policies.domains import Sort
from policies.gate import Gate
from policies.keyrings import StaticRing
from policies.ledger.memory import MemoryLedger
from policies.profiles import Breaker
from policies.redeciding import decide_again
from policies.reliefs import Relief
from policies.signing.memory import MemorySigner
from policies.signing.sealing import seal
from policies.standing import Scene, concern, standing
from policies.warrants import read_warrant
from tests.builders import INSTALLATION, START, TestClock, TestEntropy, estate, proposal
from tests.policies.asking import (
    ADA,
    COPY_A_ABROAD,
    MOVE_A,
    MOVE_B,
    Person,
    cordon,
    enrolments,
    freeze,
    move,
    question,
    ratified,
    verdict,
)
from tests.policies.houses import house

EU = Scope(site=SiteId("eu-de"))
OLGA, OTTO = Person("olga"), Person("otto")
PAUL = Person("paul", (Role.POLICY_AUTHOR,))
GRACE = Person("grace", (Role.TENANT_OWNER,), (TenantId("tenant-a"),))
TWICE = Person("olga-night", over={"person": "Olga Ostermann"})
OLGAS = Person("olga-day", over={"person": "Olga Ostermann"})
ROBOT = Person("robot", kind=SubjectKind.AGENT)
OLGA_AS_ADMIN = Person("olga", (Role.ADMINISTRATOR,), key=2)
PEOPLE = (OLGA, OTTO, PAUL, GRACE, TWICE, OLGAS, ROBOT, OLGA_AS_ADMIN)
KEY = MemorySigner.generate(TestEntropy("gate"))
SHUT = house(breakers=(Breaker(of=Sort.RACK, changes=1),))
RACKED = house(breakers=(Breaker(of=Sort.SITE), Breaker(of=Sort.RACK, fenced=PerMille(0))))
BUSY: dict[str, Any] = {"recent": {(Sort.RACK, "eu-a"): 9}}


def exception(rule: str = "breaker-rate", by: Person = ADA, **over: Any) -> PolicyException:
    fields: dict[str, Any] = {
        "installation": INSTALLATION,
        "rule": PolicyId(rule),
        "scope": EU,
        "reason": "CHG-7781",
        "valid_until": START + timedelta(days=1),
        "by": by.subject,
        "at": START,
    }
    return PolicyException(**(fields | over))


def glass(by: Person, word: GlassWord = GlassWord.BREAK, of: Digest | None = None, **over: Any) -> BreakGlass:
    fields: dict[str, Any] = {"installation": INSTALLATION, "scope": EU, "reason": "cooling fails", "at": START}
    return BreakGlass(**(fields | {"word": word, "of": of, "by": by.subject} | over))


def sealed(word: PolicyException | BreakGlass, by: Person) -> bytes:
    kind = EXCEPTION_TYPE if isinstance(word, PolicyException) else GLASS_TYPE
    return seal(word.canonical(), kind, by.signer)


class House:
    """Controls, a clock and a gate under a breaker that is open."""

    def __init__(self) -> None:
        self.clock, self.ledger = TestClock(), MemoryLedger(INSTALLATION)
        self.enrolments = enrolments(*PEOPLE, clock=self.clock)
        self.controls = Controls(INSTALLATION, self.enrolments, self.clock, Mode.AUTOMATIC)
        self.controls.apply(ratified(SHUT))

    async def say(self, word: PolicyException | BreakGlass, by: Person) -> None:
        """As the console does: into the ledger first, then in force."""
        admitted = self.controls.admit(sealed(word, by))
        await self.ledger.append(admitted.draft(self.clock()))
        self.controls.apply(admitted.envelope)

    async def broken(self) -> BreakGlass:
        """Glass that two humans broke just now."""
        first = glass(OLGA, at=self.clock())
        await self.say(first, OLGA)
        await self.say(glass(OTTO, GlassWord.SECOND, first.digest, at=self.clock()), OTTO)
        return first

    def gate(self) -> Gate:
        return Gate(
            installation=INSTALLATION,
            ledger=self.ledger,
            signer=KEY,
            bundle=RACKED,
            newest=estate,
            controls=self.controls,
            enrolments=self.enrolments,
            clock=self.clock,
            entropy=TestEntropy(),
            audience=lambda clusters: ExecutorId("twin-1"),
        )

    def decided(self, *changes: Any, law: Bundle = SHUT, **over: Any) -> Any:
        """The verdict under these controls, with a rack that was disturbed too often."""
        proposed = proposal(*changes, **over.pop("proposal", {}))
        asked = question(proposed, bundle=law, now=self.clock(), **over)
        scene = Scene(self.clock(), law, recent=BUSY["recent"])
        stands = standing(asked.matter, concern(asked.matter, asked.snapshot), self.controls, scene)
        return deciding.decide(replace(asked, standing=stands)).verdict


# -- exceptions


async def test_an_exception_lifts_its_rule_in_its_scope_until_it_ends() -> None:
    place = House()
    assert place.decided(MOVE_A).policies == ("breaker-rate",)
    await place.say(exception(), ADA)
    found = place.decided(MOVE_A)
    assert found.decision is Decision.PERMIT
    assert [(x.policy, x.by) for x in found.lifted] == [("breaker-rate", exception().digest)]
    place.clock.set(START + timedelta(days=1))
    assert place.decided(MOVE_A).policies == ("breaker-rate",)


@pytest.mark.parametrize(
    "over",
    [
        {"scope": Scope(site=SiteId("us-east"))},
        {"scope": Scope(tenant=TenantId("tenant-b"))},
        {"scope": Scope(site=SiteId("eu-de"), tenant=TenantId("tenant-b"))},
        {"target": "rack/eu-b"},
        {"rule": "rack-power"},
        {"revoked": True},
    ],
    ids=["another site", "another tenant", "another tenant there", "another thing", "another rule", "revoked"],
)
async def test_it_lifts_nothing_else(over: dict[str, Any]) -> None:
    place = House()
    await place.say(exception(**over), ADA)
    found = place.decided(MOVE_A)
    assert found.policies == ("breaker-rate",)
    assert not found.lifted


async def test_one_for_a_tenant_does_not_help_a_proposal_that_concerns_others_too() -> None:
    place = House()
    await place.say(exception(scope=Scope(tenant=TenantId("tenant-a"))), ADA)
    assert place.decided(MOVE_A).decision is Decision.PERMIT
    with_b = (MOVE_A, move("b-train", (0, "eu-a1", "eu-b3", (0, 1, 2, 3))))
    assert "breaker-rate" in place.decided(*with_b).policies


async def test_one_for_a_thing_lifts_the_rule_for_that_thing() -> None:
    place = House()
    tight = house(breakers=(Breaker(of=Sort.RACK, fenced=PerMille(0)), Breaker(of=Sort.SITE)))
    await place.say(exception("breaker-rack", target="rack/eu-a"), ADA)
    one, other = ([cordon(f"{rack}{n}") for n in (1, 2)] for rack in ("eu-a", "eu-b"))
    assert place.decided(*one, law=tight).decision is Decision.PERMIT
    assert place.decided(*one, *other, law=tight).policies == ("breaker-rack",)


async def test_nobodys_exception_helps_what_is_proposed_for_themselves() -> None:
    place = House()
    await place.say(exception(), ADA)
    theirs = {"on_behalf_of": ADA.subject}
    assert "breaker-rate" in place.decided(MOVE_A, proposal=theirs).policies


async def test_one_that_lasts_longer_than_the_house_allows_lifts_nothing() -> None:
    place = House()
    await place.say(exception(valid_until=START + timedelta(days=31)), ADA)
    assert place.decided(MOVE_A).policies == ("breaker-rate",)


LOCKED = sorted(r.id for r in shipped_rules().values() if r.tier == 0)
FIRM = sorted(r.id for r in shipped_rules().values() if r.forbids and r.tier > 0 and not r.liftable)


@pytest.mark.parametrize("rule", LOCKED)
def test_there_is_no_exception_to_tier_0(rule: str) -> None:
    with pytest.raises(Denied, match="tier 0, which nothing lifts"):
        House().controls.admit(sealed(exception(rule), ADA))


@pytest.mark.parametrize("rule", FIRM)
def test_nor_to_what_is_firm_or_what_people_approve(rule: str) -> None:
    with pytest.raises(Denied, match="takes no exception"):
        House().controls.admit(sealed(exception(rule), ADA))


@pytest.mark.parametrize(
    ("word", "by", "fault"),
    [
        (exception(by=OLGA), OLGA, "an administrator may"),
        (exception(by=PAUL), PAUL, "an administrator may"),
        (exception(by=OLGA), ADA, "sign with one's own key"),
        (exception(), Person("mallory"), "nobody trusted"),
        (exception("no-such-rule"), ADA, "there is no rule"),
        (exception(valid_until=START), ADA, "ended at"),
        (exception(valid_until=START + timedelta(days=400)), ADA, "366 days at most"),
        (exception(installation=InstallationId("other")), ADA, "this is `test`"),
        (exception(at=START + timedelta(minutes=10)), ADA, "in the future"),
    ],
)
def test_an_exception_that_may_not_be_made_is_denied(word: PolicyException, by: Person, fault: str) -> None:
    with pytest.raises(Denied, match=fault):
        House().controls.admit(sealed(word, by))


def test_an_exception_for_everything_is_another_rule() -> None:
    with pytest.raises(ValueError, match="name a site"):
        exception(scope=Scope())


def test_a_relief_that_slipped_in_lifts_no_rule_of_tier_0() -> None:
    """The rules of tier 0 read nothing of it, and a bundle in which one does is not loaded."""
    slipped = tuple(Relief(Digest("sha256:" + "0" * 64), PolicyId(r), Scope(), (ADA.subject,)) for r in LOCKED)
    glassy = Relief(Digest("sha256:" + "1" * 64), None, Scope(), (OLGA.subject, OTTO.subject))
    found = verdict(COPY_A_ABROAD, standing={"reliefs": (*slipped, glassy)})
    assert found.decision is Decision.FORBID
    assert {"sovereignty-geographic", "sovereignty-legal", "sovereignty-operational"} <= set(found.policies)
    assert not found.lifted


# -- broken glass


async def test_two_humans_lift_tier_1_for_an_hour_and_the_verdict_says_so() -> None:
    place = House()
    first = await place.broken()
    found = place.decided(MOVE_A)
    assert found.decision is Decision.PERMIT
    assert [(x.policy, x.by) for x in found.lifted] == [("breaker-rate", first.digest)]
    place.clock.advance(minutes=60)
    assert place.decided(MOVE_A).policies == ("breaker-rate",)


async def test_it_lifts_neither_tier_0_nor_approvals_nor_a_freeze() -> None:
    place = House()
    await place.broken()
    assert "sovereignty-legal" in place.decided(COPY_A_ABROAD).policies
    assert place.decided(MOVE_B).decision is Decision.NEEDS_APPROVAL
    stop = freeze("eu-de").model_copy(update={"by": OLGA.subject})
    place.controls.apply(seal(stop.canonical(), FREEZE_TYPE, OLGA.signer))
    assert place.decided(MOVE_A).policies == ("frozen",)


async def test_it_lifts_nothing_outside_its_scope() -> None:
    place = House()
    await place.broken()
    assert "breaker-rate" in place.decided(COPY_A_ABROAD, MOVE_A).policies


@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        (OLGA, OLGA, "one of those who broke it"),
        (TWICE, OLGAS, "one of those who broke it"),
        (OLGA, GRACE, "may not second glass"),
        (OLGA, PAUL, "may not second glass"),
        (OLGA, ROBOT, "may not second glass"),
    ],
    ids=["herself", "her other account", "a tenant's owner", "the law's author", "an agent"],
)
async def test_one_human_does_not_break_it_alone(first: Person, second: Person, fault: str) -> None:
    place = House()
    broken = glass(first)
    await place.say(broken, first)
    assert place.decided(MOVE_A).policies == ("breaker-rate",)
    with pytest.raises(Denied, match=fault):
        await place.say(glass(second, GlassWord.SECOND, broken.digest), second)
    assert place.decided(MOVE_A).policies == ("breaker-rate",)


async def test_it_is_seconded_soon_in_that_very_scope_and_once() -> None:
    place = House()
    broken = glass(OLGA)
    await place.say(broken, OLGA)
    with pytest.raises(Denied, match="no glass"):
        await place.say(glass(OTTO, GlassWord.SECOND, broken.digest, scope=Scope()), OTTO)
    with pytest.raises(Denied, match="no glass"):
        await place.say(glass(OTTO, GlassWord.SECOND, Digest("sha256:" + "0" * 64)), OTTO)
    place.clock.advance(minutes=16)
    with pytest.raises(Denied, match="too long ago to be seconded"):
        await place.say(glass(OTTO, GlassWord.SECOND, broken.digest, at=place.clock()), OTTO)
    again = await place.broken()
    with pytest.raises(Denied, match="seconded already"):
        await place.say(glass(ADA, GlassWord.SECOND, again.digest, at=place.clock()), ADA)
    assert [g.state for g in place.controls.glasses()] == [GlassState.LAPSED, GlassState.IN_FORCE]


async def test_an_old_word_begins_no_hour() -> None:
    """A signed word that somebody kept is worth nothing an hour later, nor is one of a clock that is ahead."""
    place = House()
    place.clock.advance(minutes=10)
    with pytest.raises(Denied, match="too long ago to count"):
        await place.say(glass(OLGA), OLGA)
    with pytest.raises(Denied, match="in the future"):
        await place.say(glass(OLGA, at=START + timedelta(minutes=20)), OLGA)


async def test_a_review_falls_due_and_is_shown_until_a_third_human_signs_it() -> None:
    place = House()
    first = await place.broken()
    place.clock.advance(minutes=61)
    assert relieving.reviews_due(place.controls, place.clock())
    assert place.controls.glasses()[0].state is GlassState.REVIEW_DUE
    assert place.controls.glasses(START + timedelta(days=4))[0].state is GlassState.OVERDUE
    now: dict[str, Any] = {"at": place.clock(), "reason": "two moves, both needed"}
    refused = ((OTTO, "may not review"), (GRACE, "may not review"), (OLGA_AS_ADMIN, "one of those who broke it"))
    for person, fault in refused:
        with pytest.raises(Denied, match=fault):
            await place.say(glass(person, GlassWord.REVIEW, first.digest, **now), person)
    await place.say(glass(PAUL, GlassWord.REVIEW, first.digest, **now), PAUL)
    (pane,) = place.controls.glasses()
    assert (pane.state, pane.reviewed_by, pane.finding) == (GlassState.REVIEWED, PAUL.subject, now["reason"])
    assert not relieving.reviews_due(place.controls, place.clock())
    assert [r["finding"] for r in relieving.rows(place.controls, place.clock())] == [now["reason"]]


async def test_what_was_never_in_force_needs_no_review() -> None:
    place = House()
    broken = glass(OLGA)
    await place.say(broken, OLGA)
    with pytest.raises(Denied, match="nothing to review"):
        await place.say(glass(PAUL, GlassWord.REVIEW, broken.digest), PAUL)


async def test_every_process_knows_it_from_the_ledger_and_hears_it_twice() -> None:
    place = House()
    await place.say(exception(), ADA)
    await place.broken()
    other = Controls(INSTALLATION, place.enrolments, place.clock, Mode.AUTOMATIC)
    await other.load(place.ledger)
    assert other.reliefs(START) == place.controls.reliefs(START)
    place.clock.advance(hours=3)
    async for entry in place.ledger.entries():
        other.apply(str(entry.body["envelope"]).encode())
    assert [g.state for g in other.glasses()] == [GlassState.REVIEW_DUE]


async def test_gate_and_executor_both_see_it_and_neither_after_the_hour() -> None:
    place = House()
    gate = place.gate()
    both = (cordon("eu-a1"), cordon("eu-a2"))
    assert (await gate.submit(proposal(*both))).verdict.policies == ("breaker-rack",)
    await place.broken()
    answer = await gate.submit(proposal(*both, attempt=1))
    assert answer.warrant_envelope is not None
    assert {x.policy for x in answer.verdict.lifted} == {"breaker-rack"}
    ring = StaticRing.of(KEY.public_key)
    warrant = read_warrant(answer.warrant_envelope, ring, ExecutorId("twin-1"), INSTALLATION)
    law = gate.bundle
    assert decide_again(warrant, estate(), law, place.controls, START).decision is Decision.PERMIT
    late = START + reliefs.LASTS
    assert decide_again(warrant, estate(), law, place.controls, late).decision is Decision.FORBID


def test_a_rule_gives_way_to_its_own_exceptions_and_only_in_tier_1() -> None:
    own, others = _lifted_by("x"), _lifted_by("rack-power")
    assert lifting.liftable(own)
    assert lifting.fault(1, "x", False, own) is None
    assert "the exceptions of `rack-power`" in str(lifting.fault(1, "x", False, others))
    assert "one or the other" in str(lifting.fault(1, "x", True, own))
    assert all("only tier 1" in str(lifting.fault(tier, "x", False, own)) for tier in (0, 2))


def _lifted_by(rule: str) -> dict[str, Any]:
    text = f'forbid (principal, action, resource) unless {{ context.lifted.contains("{rule}") }};'
    form: dict[str, Any] = json.loads(cedarpy.policies_to_json_str(text))
    return dict(form["staticPolicies"]["policy0"])


def test_every_guardrail_says_whether_it_gives_way() -> None:
    """And the stop that people press, a person's no, and what nobody could do give way to nothing."""
    tier_1 = {r.id: r for r in shipped_rules().values() if r.tier == 1}
    assert {r for r, rule in tier_1.items() if not rule.liftable} == {
        "frozen",
        "denied-by-a-person",
        "one-executor",
        "deputy-permitted",
    }
    assert all(rule.firm for rule in tier_1.values() if not rule.liftable)
