"""Attacks on the gate, each refused with its reason; nothing of one is ever a warrant.

`docs/attacks.md` lists every attack with the tests that show it; most have theirs beside what they attack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import cedarpy
import pytest

from estate.approvals import Word
from estate.canonical import Json
from estate.changes import ScaleWorkload
from estate.errors import Denied
from estate.identities import Role, Subject, SubjectKind
from estate.ids import ExecutorId, NodeId, TenantId, WorkloadId
from estate.modes import Mode
from estate.proposals import Proposal
from estate.verdicts import Decision, Verdict
from policies import deciding, mandates
from policies.bundle import SHIPPED, Bundle
from policies.deciding import decide
from policies.gate import Answer, Gate
from policies.keyrings import StaticRing
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Draft, EntryKind
from policies.mandates import Mandate
from policies.profiles import Patience, Quorum
from policies.questions import Deputy, Matter
from policies.redeciding import Again, decide_again
from policies.signing.memory import MemorySigner
from policies.warrants import check_in_force, read_warrant
from tests import builders
from tests.builders import INSTALLATION, START, TestClock, TestEntropy, estate, facts, proposal
from tests.policies.asking import MOVE_A, MOVE_B, Person, cordon, enrolments, law, orders, owner, question
from tests.policies.houses import house

ANN = owner("ann", TenantId("tenant-a"))
BEA, OTTO, OLGA = owner(), Person("otto"), Person("olga")
OLGA_AGAIN = Person("olga-night", over={"person": "Olga Ostermann"})
OLGA_BY_DAY = Person("olga-day", over={"person": "Olga Ostermann"})
AUTHOR = Person("paul", (Role.OPERATOR, Role.POLICY_AUTHOR))
ROBOT = Person("robot", kind=SubjectKind.AGENT)
PEOPLE = (ANN, BEA, OTTO, OLGA, OLGA_AGAIN, OLGA_BY_DAY, AUTHOR, ROBOT)
KEY = MemorySigner.generate(TestEntropy("gate"))
TWO_OPERATORS = house(approvals=(Quorum(role=Role.OPERATOR, count=2),))


@dataclass
class Place:
    """A gate and what is around it."""

    bundle: Bundle = TWO_OPERATORS
    people: tuple[Person, ...] = PEOPLE
    clock: TestClock = field(default_factory=TestClock)
    ledger: MemoryLedger = field(default_factory=lambda: MemoryLedger(INSTALLATION))

    def __post_init__(self) -> None:
        self.enrolments = enrolments(*self.people, clock=self.clock)
        self.gate = self.opened()

    def opened(self) -> Gate:
        return Gate(
            installation=INSTALLATION,
            ledger=self.ledger,
            signer=KEY,
            bundle=self.bundle,
            newest=estate,
            controls=orders(),
            enrolments=self.enrolments,
            clock=self.clock,
            entropy=TestEntropy(),
            audience=lambda clusters: ExecutorId("twin-1"),
        )

    async def commanded(self, asked: Proposal, person: Subject, tenants: tuple[TenantId, ...] = ()) -> None:
        """What the console wrote when the person commanded it."""
        mandate = Mandate(person=person, tenants=tenants)
        body: dict[str, Json] = {"verb": "ask", "says": "", mandates.FIELD: mandate.json_form()}
        draft = Draft(EntryKind.COMMANDED, START, person, body, mandates.key(asked.incident), asked.incident)
        await self.ledger.append(draft)

    async def said(self, asked: Proposal, *people: Person) -> Answer:
        """The gate's answer once these people approved."""
        answer = await self.gate.submit(asked)
        for person in people:
            answer = await self.gate.approve(person.sealed(asked))
        return answer


# -- who approves


@pytest.mark.parametrize(
    ("people", "permitted"),
    [
        ((OLGA, OTTO), True),
        ((OLGA,), False),
        ((OLGA, OLGA), False),
        ((OLGA_AGAIN, OLGA_BY_DAY), False),
        ((OLGA_AGAIN, OTTO), True),
        ((OLGA, AUTHOR), False),
        ((OLGA, ROBOT), False),
        ((OLGA, BEA), False),
    ],
    ids=["two", "one", "one twice", "two accounts", "account and human", "the author", "an agent", "an owner"],
)  # fmt: skip
async def test_a_quorum_is_of_distinct_humans_in_their_roles(people: tuple[Person, ...], permitted: bool) -> None:
    answer = await Place().said(proposal(cordon("eu-a1")), *people)
    assert (answer.verdict.decision is Decision.PERMIT) is permitted
    assert (answer.warrant_envelope is not None) is permitted
    if not permitted:
        (asked,) = answer.verdict.requirements
        assert (asked.policy, asked.count, asked.role) == ("risk-asks-operators", 2, Role.OPERATOR)


@pytest.mark.parametrize("other", [False, True], ids=["the same account", "another account of theirs"])
async def test_who_asked_for_it_does_not_approve_it_under_any_account(other: bool) -> None:
    place = Place(house(approvals=(Quorum(role=Role.OPERATOR),)))
    asked = proposal(cordon("eu-a1"), on_behalf_of=OLGA_AGAIN.subject)
    await place.commanded(asked, OLGA_AGAIN.subject)
    answer = await place.said(asked, OLGA_BY_DAY if other else OLGA_AGAIN)
    assert answer.verdict.decision is Decision.NEEDS_APPROVAL
    assert "approval-self" in {f.policy for f in answer.verdict.failures}
    assert (await place.gate.approve(OTTO.sealed(asked))).warrant_envelope is not None


def test_the_kernel_knows_accounts_too() -> None:
    """With the rules of tier 0 gone, the second opinion alone keeps the other account from counting."""
    asked = proposal(cordon("eu-a1"), on_behalf_of=OLGA_AGAIN.subject)
    matter = replace(
        Matter.of(asked, mandate=Mandate(person=OLGA_AGAIN.subject)),
        deputy=Deputy(frozenset({Role.OPERATOR}), human="Olga Ostermann"),
    )
    permits = _permits_alone()
    found = decide(question(asked, matter=matter, bundle=permits, given=(OLGA_BY_DAY.given(asked),))).verdict
    assert found.policies == (deciding.KERNEL,)


def _permits_alone() -> Bundle:
    text = (SHIPPED / "tier2" / "permits.cedar").read_text(encoding="utf-8")
    shipped = law()
    return shipped.instead(cedarpy.PolicySet.from_str(text))


async def test_whoever_approves_everything_has_looked_at_nothing() -> None:
    """Approval fatigue: the cap is of humans, over proposals, keys, accounts and restarts; a no is always heard."""
    place = Place(house(patience=Patience(approvals=2, within_minutes=30)))
    asked = [proposal(MOVE_B, attempt=n) for n in range(4)]
    for one in asked:
        await place.gate.submit(one)
    await place.gate.approve(OLGA_AGAIN.sealed(asked[0]))
    await place.gate.approve(OLGA_BY_DAY.sealed(asked[1]))
    await place.gate.approve(OLGA_BY_DAY.sealed(asked[1]))  # delivered twice, counted once
    for gate in (place.gate, place.opened()):
        await gate.restore()
        with pytest.raises(Denied, match="2 approvals within 30 minutes are the most of one human"):
            await gate.approve(OLGA_AGAIN.sealed(asked[2]))
        await gate.approve(OTTO.sealed(asked[2], reason=str(id(gate))))
    no = await place.gate.approve(OLGA_AGAIN.sealed(asked[3], word=Word.DENY))
    assert "denied-by-a-person" in no.verdict.policies
    place.clock.advance(minutes=31)
    await place.gate.approve(OLGA_AGAIN.sealed(asked[2], at=place.clock()))


async def test_an_approval_is_of_one_proposal_and_not_of_its_twin() -> None:
    """Altered after approval: one replica more is another digest, and nobody approved that."""
    place = Place(house(approvals=(Quorum(role=Role.OPERATOR),)))
    approved, altered = (proposal(ScaleWorkload(workload=WorkloadId("a-serve"), replicas=n)) for n in (3, 4))
    await place.gate.submit(approved)
    assert (await place.gate.submit(altered)).verdict.decision is Decision.NEEDS_APPROVAL
    with pytest.raises(Denied, match="no diff of this proposal"):
        await place.gate.approve(OTTO.sealed(altered, diff=OTTO.word(approved).diff))
    assert (await place.gate.approve(OTTO.sealed(approved))).warrant_envelope is not None
    assert (await place.gate.submit(altered)).warrant_envelope is None


# -- the confused deputy


@pytest.mark.parametrize(
    ("person", "tenants", "found"),
    [
        (ANN, (TenantId("tenant-a"),), None),
        (OTTO, (), None),
        (Person("gone"), (), "holds no role"),
        (AUTHOR, (), None),
        (Person("reader", (Role.POLICY_AUTHOR,)), (), "holds policy-author"),
        (ANN, (TenantId("tenant-a"), TenantId("tenant-c")), "no longer speaks for tenant-c"),
    ],
    ids=["an owner", "an operator", "nobody any more", "an operator too", "no role that asks", "a tenant she lost"],
)
async def test_an_agent_may_do_for_a_person_what_both_may(
    person: Person, tenants: tuple[TenantId, ...], found: str | None
) -> None:
    """The command was signed while it was lawful; what counts is what the person may do when it is decided."""
    enrolled = (*PEOPLE, *((person,) if person.name == "reader" else ()))
    place = Place(law(), enrolled)
    asked = proposal(MOVE_A, on_behalf_of=person.subject, for_tenants=tenants)
    await place.commanded(asked, person.subject, tenants)
    answer = await place.gate.submit(asked)
    assert (answer.warrant_envelope is None) is (found is not None)
    if found is not None:
        assert answer.verdict.policies == ("deputy-permitted",)
        assert found in answer.verdict.failures[0].found


async def test_a_person_whose_enrolment_was_revoked_since_commands_nothing() -> None:
    place = Place(law())
    asked = proposal(MOVE_A, on_behalf_of=ANN.subject, for_tenants=(TenantId("tenant-a"),))
    await place.commanded(asked, ANN.subject, (TenantId("tenant-a"),))
    place.clock.advance(days=2)
    assert (await place.gate.submit(asked)).verdict.policies == ("deputy-permitted",)


# -- clocks, and what changed between decision and act


@pytest.mark.parametrize(("seconds", "fault"), [(31, "31 s ahead"), (600, "600 s ahead")])
async def test_a_proposal_of_a_clock_that_is_ahead_is_refused(seconds: int, fault: str) -> None:
    with pytest.raises(Denied, match=fault):
        await Place().gate.submit(proposal(MOVE_A, created_at=START + timedelta(seconds=seconds)))


async def test_so_is_an_approval_of_such_a_clock() -> None:
    place, asked = Place(), proposal(cordon("eu-a1"))
    await place.gate.submit(asked)
    with pytest.raises(Denied, match="dated in the future"):
        await place.gate.approve(OTTO.sealed(asked, at=START + timedelta(minutes=10)))


async def test_an_executor_whose_clock_is_ten_minutes_off_begins_nothing() -> None:
    answer = await Place(law()).gate.submit(proposal(MOVE_A))
    assert answer.warrant_envelope is not None
    ring = StaticRing.of(KEY.public_key)
    warrant = read_warrant(answer.warrant_envelope, ring, ExecutorId("twin-1"), INSTALLATION)
    check_in_force(warrant, START)
    for off, fault in ((-timedelta(minutes=10), "starts 600 s from now"), (timedelta(minutes=60), "expired")):
        with pytest.raises(Denied, match=fault):
            check_in_force(warrant, START + off)


def _abroad() -> Any:
    narrow = tuple(t.model_copy(update={"residency": builders.residency("FR")}) for t in facts().tenants)
    return estate(law_base=facts(version=2, tenants=narrow))


CHANGED: list[tuple[str, Callable[[], dict[str, Any]], str]] = [
    ("nothing", dict, ""),
    ("the facts", lambda: {"snapshot": _abroad()}, "sovereignty-geographic"),
    ("the numbers", lambda: {"bundle": house(blast={"nodes": 1})}, "blast-nodes"),
    ("the quorum", lambda: {"bundle": TWO_OPERATORS}, "risk-asks-operators"),
    ("the estate", lambda: {"snapshot": estate().without_node(NodeId("eu-b2"))}, "plan-current"),
    ("the mode", lambda: {"controls": orders(Mode.APPROVE)}, "mode-asks-operator"),
]


@pytest.mark.parametrize(("over", "rule"), [(o, r) for _, o, r in CHANGED], ids=[n for n, _, _ in CHANGED])
async def test_what_changed_since_the_decision_is_decided_anew(over: Callable[[], dict[str, Any]], rule: str) -> None:
    answer = await Place(law()).gate.submit(proposal(MOVE_A))
    assert answer.warrant_envelope is not None
    ring = StaticRing.of(KEY.public_key)
    warrant = read_warrant(answer.warrant_envelope, ring, ExecutorId("twin-1"), INSTALLATION)
    known: dict[str, Any] = {"snapshot": estate(), "bundle": law(), "controls": orders()} | over()
    found: Verdict = decide_again(warrant, known["snapshot"], known["bundle"], known["controls"], START)
    assert (found.decision is Decision.PERMIT) is not bool(rule)
    assert not rule or rule in found.policies


async def test_an_approval_of_two_owners_is_vouched_for_as_two() -> None:
    """The executor counts what the gate counted: humans, by tenant."""
    place = Place(house(approvals=(Quorum(role=Role.TENANT_OWNER, count=2),)), (*PEOPLE, owner("bob")))
    asked = proposal(MOVE_B)
    assert (await place.said(asked, BEA)).warrant_envelope is None
    answer = await place.gate.approve(owner("bob").sealed(asked))
    assert answer.warrant_envelope is not None
    ring = StaticRing.of(KEY.public_key)
    warrant = read_warrant(answer.warrant_envelope, ring, ExecutorId("twin-1"), INSTALLATION)
    given = (BEA.given(asked), owner("bob").given(asked))
    for words, decision in ((given, Decision.PERMIT), (given[:1], Decision.NEEDS_APPROVAL)):
        found = decide_again(warrant, estate(), place.bundle, orders(), START, Again(given=words))
        assert found.decision is decision
