"""The gate: nothing happens before its entry stands, and everything may arrive twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from estate import canonical
from estate.approvals import Word
from estate.effects import lay_out
from estate.errors import Denied, RetryLater
from estate.frozen import FrozenEstate
from estate.identities import Role, Subject, SubjectKind
from estate.ids import Digest, ExecutionId, ExecutorId, IncidentId, InstallationId, KeyId, TenantId
from estate.modes import Mode
from estate.obligations import Canary
from estate.outcomes import Ending, Outcome
from estate.proposals import Proposal
from estate.results import Ok
from estate.units import Watts
from estate.verdicts import Decision, Dimension
from estate.warrants import Warrant
from policies import approving, mandates, warrants
from policies.gate import MOST_WORDS, Answer, Gate
from policies.keyrings import StaticRing
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Appended, Draft, EntryKind, Ledger
from policies.ledger.sqlite import SqliteLedger
from policies.profiles import Duty, Profile
from policies.signing import sealing
from policies.signing.memory import MemorySigner
from policies.signing.sealing import seal
from tests.builders import INSTALLATION, START, TestClock, TestEntropy, estate, facts, proposal, rack, subject, version
from tests.policies.asking import (
    ADA,
    COPY_A_ABROAD,
    MOVE_A,
    MOVE_B,
    TENANT_B,
    Person,
    copy,
    cordon,
    enrolments,
    freeze,
    law,
    mandate_of,
    move,
    orders,
    owner,
    scale,
)

EXECUTOR = ExecutorId("twin-1")
KEY = MemorySigner.generate(TestEntropy("gate"))
BEA = owner()
OLGA = Person("olga")
PEOPLE = (BEA, OLGA, owner("ann"), Person("zoe", (Role.REQUESTER,)))


class Killed(Exception):
    """The process was killed here."""


@dataclass
class Mortal:
    """A ledger whose process is killed around the n-th append, before or after it is durable."""

    inner: Ledger
    at: int
    durable: bool
    seen: int = 0

    async def append(self, draft: Draft) -> Appended:
        self.seen += 1
        if self.seen == self.at and not self.durable:
            raise Killed
        made = await self.inner.append(draft)
        if self.seen == self.at:
            raise Killed
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass
class House:
    """A gate with everything around it; `gate` may be replaced by one that starts anew on the same ledger."""

    ledger: Ledger
    snapshot: FrozenEstate = field(default_factory=estate)
    clock: TestClock = field(default_factory=TestClock)
    entropy: TestEntropy = field(default_factory=TestEntropy)
    over: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.enrolments = enrolments(*PEOPLE, clock=self.clock)

    def gate(self, **over: Any) -> Gate:
        fields: dict[str, Any] = {
            "installation": INSTALLATION,
            "ledger": self.ledger,
            "signer": KEY,
            "bundle": law(),
            "newest": lambda: self.snapshot,
            "controls": orders(),
            "enrolments": self.enrolments,
            "clock": self.clock,
            "entropy": self.entropy,
            "audience": lambda clusters: EXECUTOR,
        }
        return Gate(**(fields | self.over | over))

    async def kinds(self) -> list[EntryKind]:
        return [e.kind async for e in self.ledger.entries()]


@pytest.fixture(params=["memory", "sqlite"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    """A gate on each ledger."""
    if request.param == "memory":
        ledger: Ledger = MemoryLedger(INSTALLATION)
    else:
        ledger = await SqliteLedger.open(tmp_path / "ledger.db", INSTALLATION)
    yield House(ledger)
    await ledger.close()


def _opened(answer: Answer) -> Warrant:
    assert answer.warrant_envelope is not None
    return warrants.read_warrant(answer.warrant_envelope, StaticRing.of(KEY.public_key), EXECUTOR, INSTALLATION)


def _outcome(warrant: Warrant, ending: Ending = Ending.VERIFIED) -> Outcome:
    return Outcome(
        installation=INSTALLATION,
        incident=warrant.incident,
        proposal=warrant.proposal,
        warrant=warrant.digest,
        execution=ExecutionId("exec-1"),
        site=warrant.site,
        lane=warrant.lane,
        ending=ending,
        steps=(),
        at=START,
    )


def _tight(watts: int = 9_000) -> FrozenEstate:
    racks = tuple(rack(r, power_budget_watts=Watts(watts)) for r in ("eu-a", "eu-b", "us-a", "us-b"))
    return estate(law_base=facts(racks=racks))


async def test_a_permit_becomes_one_sealed_warrant_and_three_entries(house: House) -> None:
    asked = proposal(MOVE_A)
    answer = await house.gate().submit(asked)
    warrant = _opened(answer)
    assert answer.verdict.decision is Decision.PERMIT
    assert (warrant.proposal, warrant.verdict) == (asked.digest, answer.verdict.digest)
    assert await house.kinds() == [EntryKind.PROPOSED, EntryKind.DECIDED, EntryKind.ISSUED]


async def test_a_forbid_is_recorded_and_yields_no_warrant(house: House) -> None:
    answer = await house.gate().submit(proposal(COPY_A_ABROAD))
    assert answer.verdict.decision is Decision.FORBID
    assert answer.warrant_envelope is None
    assert await house.kinds() == [EntryKind.PROPOSED, EntryKind.DECIDED]


async def test_observe_permits_and_yields_no_warrant(house: House) -> None:
    answer = await house.gate(controls=orders(Mode.OBSERVE)).submit(proposal(MOVE_A))
    assert (answer.verdict.decision, answer.verdict.mode) == (Decision.PERMIT, Mode.OBSERVE)
    assert answer.warrant_envelope is None
    assert EntryKind.ISSUED not in await house.kinds()


async def test_a_freeze_forbids_only_what_it_covers(house: House) -> None:
    gate = house.gate(controls=orders(Mode.AUTOMATIC, freeze("eu-de")))
    assert (await gate.submit(proposal(MOVE_A))).verdict.policies == ("frozen",)
    abroad = proposal(move("c-batch", (0, "us-a1", "us-a2", tuple(range(8)))), site="us-east")
    assert (await gate.submit(abroad)).verdict.decision is Decision.PERMIT


async def test_a_proposer_that_names_a_free_site_does_not_escape_a_freeze(house: House) -> None:
    """Where it takes place is read off the estate, never off the proposal."""
    gate = house.gate(controls=orders(Mode.AUTOMATIC, freeze("eu-de")))
    assert (await gate.submit(proposal(MOVE_A, site="us-east"))).verdict.policies == ("frozen",)


async def test_a_tenants_freeze_holds_its_workloads(house: House) -> None:
    gate = house.gate(controls=orders(Mode.AUTOMATIC, freeze(tenant="tenant-a")))
    assert (await gate.submit(proposal(MOVE_A))).verdict.policies == ("frozen",)


async def test_a_proposal_for_another_installation_is_denied(house: House) -> None:
    with pytest.raises(Denied, match="installation `other`"):
        await house.gate().submit(proposal(MOVE_A, installation=InstallationId("other")))


@pytest.mark.parametrize(
    "named",
    [
        subject("bob"),
        subject("gate", SubjectKind.GATE),
        subject("agent-1", SubjectKind.AGENT).model_copy(update={"issuer": "x"}),
    ],
    ids=str,
)
async def test_an_agent_cannot_put_a_proposal_into_somebody_elses_mouth(house: House, named: Subject) -> None:
    """The ledger would name them as its author, and they could no longer approve or deny it."""
    with pytest.raises(Denied, match="is no agent of"):
        await house.gate().submit(proposal(MOVE_A, proposer=named))
    assert await house.kinds() == []


async def test_clusters_without_an_executor_get_a_forbid(house: House) -> None:
    answer = await house.gate(audience=lambda clusters: None).submit(proposal(MOVE_A))
    assert answer.verdict.policies == ("one-executor",)


async def test_a_second_delivery_returns_the_same_warrant(house: House) -> None:
    gate, asked = house.gate(), proposal(MOVE_A)
    first = await gate.submit(asked)
    house.snapshot = _tight(1_000)
    assert await gate.submit(asked) == first
    assert await house.gate().submit(asked) == first
    assert len(await house.kinds()) == 3


async def test_a_second_delivery_returns_the_same_verdict(house: House) -> None:
    asked = proposal(COPY_A_ABROAD)
    first = await house.gate().submit(asked)
    house.clock.advance(60)
    assert await house.gate().submit(asked) == first


@pytest.mark.parametrize("durable", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_gate_that_is_killed_around_any_append_finishes_on_redelivery(
    house: House, at: int, durable: bool
) -> None:
    asked = proposal(MOVE_A)
    with pytest.raises(Killed):
        await house.gate(ledger=Mortal(house.ledger, at, durable)).submit(asked)
    gate = house.gate()
    await gate.restore()
    answer = await gate.submit(asked)
    assert _opened(answer).proposal == asked.digest
    assert await gate.submit(asked) == answer
    assert await house.kinds() == [EntryKind.PROPOSED, EntryKind.DECIDED, EntryKind.ISSUED]


async def test_a_permit_that_never_became_a_warrant_is_asked_again(house: House) -> None:
    """Killed between decision and warrant, frozen meanwhile: the old permit opens nothing, then or after the thaw."""
    asked = proposal(MOVE_A)
    with pytest.raises(Killed):
        await house.gate(ledger=Mortal(house.ledger, 2, True)).submit(asked)
    for controls in (orders(Mode.AUTOMATIC, freeze("eu-de")), orders()):
        answer = await house.gate(controls=controls).submit(asked)
        assert answer.verdict.policies == ("frozen",)
        assert answer.warrant_envelope is None


async def test_nor_does_it_take_the_headroom_that_another_was_given_since(house: House) -> None:
    house.snapshot = _tight()
    asked = proposal(MOVE_A, on=house.snapshot)
    with pytest.raises(Killed):
        await house.gate(ledger=Mortal(house.ledger, 2, True)).submit(asked)
    gate = house.gate()
    other = await gate.submit(proposal(MOVE_A, on=house.snapshot, attempt=2))
    assert other.warrant_envelope is not None
    assert (await gate.submit(asked)).warrant_envelope is None


@pytest.mark.parametrize("durable", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_so_does_one_that_is_killed_while_a_word_is_counted(house: House, at: int, durable: bool) -> None:
    asked = proposal(MOVE_B)
    await house.gate().submit(asked)
    word = BEA.sealed(asked)
    with pytest.raises(Killed):
        await house.gate(ledger=Mortal(house.ledger, at, durable)).approve(word)
    answer = await house.gate().approve(word)
    assert _opened(answer).approvals == (BEA.word(asked).digest,)
    assert (await house.kinds()).count(EntryKind.ISSUED) == 1
    assert (await house.kinds()).count(EntryKind.APPROVED) == 1


async def test_the_owners_word_lets_it_go(house: House) -> None:
    gate, asked = house.gate(), proposal(MOVE_B)
    first = await gate.submit(asked)
    assert first.verdict.decision is Decision.NEEDS_APPROVAL
    assert first.verdict.diff == approving.diff_for(asked, TENANT_B, estate()).digest
    answer = await gate.approve(BEA.sealed(asked, tenant=TENANT_B))
    assert answer.verdict.decision is Decision.PERMIT
    assert _opened(answer).approvals == answer.verdict.approvals


async def test_the_proposer_cannot_approve_and_a_second_person_can(house: House) -> None:
    gate, asked = house.gate(), proposal(MOVE_B, on_behalf_of=subject("ann"))
    body: dict[str, canonical.Json] = {"verb": "ask", "says": "", mandates.FIELD: mandate_of(asked).json_form()}
    await house.ledger.append(
        Draft(EntryKind.COMMANDED, START, subject("ann"), body, mandates.key(asked.incident), asked.incident)
    )
    await gate.submit(asked)
    own = await gate.approve(owner("ann").sealed(asked))
    assert own.verdict.decision is Decision.NEEDS_APPROVAL
    assert own.warrant_envelope is None
    assert "approval-self" in {f.policy for f in own.verdict.failures}
    assert _opened(await gate.approve(BEA.sealed(asked))).proposal == asked.digest


async def test_a_persons_no_ends_it(house: House) -> None:
    gate, asked = house.gate(), proposal(MOVE_B)
    await gate.submit(asked)
    answer = await gate.approve(OLGA.sealed(asked, word=Word.DENY))
    assert answer.verdict.decision is Decision.FORBID
    assert {f.dimension for f in answer.verdict.failures} == {Dimension.APPROVAL}
    late = await gate.approve(BEA.sealed(asked))
    assert late.verdict.decision is Decision.FORBID
    assert late.warrant_envelope is None


async def test_an_approved_plan_that_went_stale_is_forbidden_and_names_the_power(house: House) -> None:
    asked = proposal(MOVE_B)
    gate = house.gate()
    await gate.submit(asked)
    house.snapshot = _tight(7_000)
    answer = await gate.approve(BEA.sealed(asked))
    assert answer.verdict.decision is Decision.FORBID
    assert Dimension.POWER in {f.dimension for f in answer.verdict.failures}


@pytest.mark.parametrize(
    ("person", "over", "fault"),
    [
        (Person("mallory"), {}, "nobody trusted"),
        (BEA, {"approver": subject("olga")}, "enrolled for"),
        (BEA, {"diff": Digest("sha256:" + "0" * 64)}, "no diff of this proposal"),
        (BEA, {"installation": InstallationId("other")}, "installation"),
        (BEA, {"incident": IncidentId("inc-2")}, "in incident `inc-2`"),
        (BEA, {"at": START + timedelta(minutes=1)}, "future"),
    ],
)
async def test_a_word_that_cannot_count_is_denied_and_not_recorded(
    house: House, person: Person, over: dict[str, Any], fault: str
) -> None:
    gate, asked = house.gate(), proposal(MOVE_B)
    await gate.submit(asked)
    with pytest.raises(Denied, match=fault):
        await gate.approve(person.sealed(asked, **over))
    assert EntryKind.APPROVED not in await house.kinds()


async def test_nobody_talks_a_proposal_to_death(house: House) -> None:
    """Every word is an entry, and makes a decision over all words so far: one person has so many, and no more."""
    gate, asked = house.gate(), proposal(COPY_A_ABROAD)
    await gate.submit(asked)
    zoe = PEOPLE[2]
    words = [zoe.sealed(asked, word=Word.DENY, reason=str(n)) for n in range(MOST_WORDS + 1)]
    for word in words[:-1]:
        await gate.approve(word)
    with pytest.raises(Denied, match="has given 16 words"):
        await gate.approve(words[-1])
    await gate.approve(words[0])
    assert (await house.kinds()).count(EntryKind.DENIED) == MOST_WORDS


async def test_a_word_on_a_proposal_that_was_never_submitted_is_denied(house: House) -> None:
    with pytest.raises(Denied, match="never submitted"):
        await house.gate().approve(BEA.sealed(proposal(MOVE_B)))


async def test_a_payload_that_is_no_approval_is_denied(house: House) -> None:
    forged = seal(canonical.dumps({"kind": "placet.proposal", "v": 1}), approving.PAYLOAD_TYPE, ADA.signer)
    with pytest.raises(Denied, match="no approval"):
        await house.gate().approve(forged)


async def test_an_enrolment_that_ended_since_no_longer_counts(house: House) -> None:
    """The gate was killed before it decided; when it is back, the one who approved has left."""
    asked = proposal(MOVE_B)
    house.over["bundle"] = replace(law(), profile=Profile(approve_within_minutes=3 * 1440))
    await house.gate().submit(asked)
    with pytest.raises(Killed):
        await house.gate(ledger=Mortal(house.ledger, 1, True)).approve(BEA.sealed(asked))
    house.clock.advance(days=2)
    answer = await house.gate().submit(asked)
    assert answer.verdict.decision is Decision.NEEDS_APPROVAL


# -- what is in flight


async def test_two_plans_never_see_the_same_headroom(house: House) -> None:
    """Rack eu-b has 2 200 W left: the second plan is forbidden while the first one's warrant is out."""
    house.snapshot = _tight()
    gate = house.gate()
    first = await gate.submit(proposal(MOVE_A, on=house.snapshot))
    second = proposal(move("a-serve", (1, "eu-a2", "eu-b3", (0, 1))), on=house.snapshot, attempt=1)
    found = await gate.submit(second)
    assert first.verdict.decision is Decision.PERMIT
    assert Dimension.POWER in {f.dimension for f in found.verdict.failures}


@pytest.mark.parametrize("attempt", range(4))
async def test_what_is_in_flight_counts_in_the_order_in_which_it_was_issued(attempt: int) -> None:
    """A copy, and then one replica more of what was copied, both issued in one moment: the copy keeps its devices."""
    gate = House(MemoryLedger(INSTALLATION)).gate()
    copied = proposal(copy("c-batch", "eu-1", ("eu-b2", tuple(range(8)))))
    scaled = proposal(scale("c-batch", 2), attempt=attempt)
    for asked in (copied, scaled):
        assert (await gate.submit(asked)).warrant_envelope is not None
    found = (await gate.submit(proposal(MOVE_A))).verdict
    assert (found.decision, "plan-current" in found.policies) == (Decision.FORBID, True)


async def test_a_gate_that_starts_again_knows_what_is_in_flight(house: House) -> None:
    house.snapshot = _tight()
    await house.gate().submit(proposal(MOVE_A, on=house.snapshot))
    gate = house.gate()
    await gate.restore()
    found = await gate.submit(_second(house.snapshot))
    assert Dimension.POWER in {f.dimension for f in found.verdict.failures}


async def test_a_rolled_back_execution_frees_what_it_held(house: House) -> None:
    house.snapshot = _tight()
    gate = house.gate()
    warrant = _opened(await gate.submit(proposal(MOVE_A, on=house.snapshot)))
    await gate.concluded(_outcome(warrant, Ending.ROLLED_BACK))
    assert Dimension.POWER not in {f.dimension for f in (await gate.submit(_second(house.snapshot))).verdict.failures}


async def test_a_verified_execution_counts_until_the_estate_shows_it(house: House) -> None:
    """Between the outcome and the delta nobody may see the power twice; afterwards it is counted once."""
    house.snapshot = _tight(9_600)
    gate, asked = house.gate(), proposal(MOVE_A, on=house.snapshot)
    warrant = _opened(await gate.submit(asked))
    await gate.concluded(_outcome(warrant))
    before = await gate.submit(proposal(cordon("eu-b4"), on=house.snapshot))
    laid = lay_out([s.change for s in asked.steps], house.snapshot)
    assert isinstance(laid, Ok)
    assert isinstance(laid.value.after, FrozenEstate)
    house.snapshot = laid.value.after
    after = await gate.submit(proposal(cordon("eu-a4"), on=house.snapshot, attempt=1))
    assert before.verdict.decision is after.verdict.decision is Decision.PERMIT
    house.snapshot = _tight(9_600)
    freed = await gate.submit(_second(house.snapshot))
    assert Dimension.POWER not in {f.dimension for f in freed.verdict.failures}


async def test_a_warrant_that_nobody_consumed_in_time_frees_what_it_held(house: House) -> None:
    house.snapshot = _tight()
    gate = house.gate()
    await gate.submit(proposal(MOVE_A, on=house.snapshot))
    house.clock.advance(minutes=11)
    assert Dimension.POWER not in {f.dimension for f in (await gate.submit(_second(house.snapshot))).verdict.failures}


async def test_one_that_was_consumed_still_holds_it(house: House) -> None:
    house.snapshot = _tight()
    gate = house.gate()
    warrant = _opened(await gate.submit(proposal(MOVE_A, on=house.snapshot)))
    await house.ledger.append(
        Draft(EntryKind.CONSUMED, START, subject("twin-1"), {"warrant": warrant.digest}, f"consumed:{warrant.nonce}")
    )
    house.clock.advance(minutes=11)
    assert Dimension.POWER in {f.dimension for f in (await gate.submit(_second(house.snapshot))).verdict.failures}


def _second(on: FrozenEstate) -> Proposal:
    return proposal(move("a-serve", (1, "eu-a2", "eu-b3", (0, 1))), on=on, attempt=1)


# -- what the ledger holds


async def test_a_tenant_reads_its_own_part_only(house: House) -> None:
    """Two tenants in one proposal: neither projection names the other's workload."""
    seen: list[Draft] = []

    @dataclass
    class Listening(Mortal):
        async def append(self, draft: Draft) -> Appended:
            seen.append(draft)
            return await self.inner.append(draft)

    both = proposal(MOVE_A, move("b-train", (0, "eu-a1", "eu-b3", (0, 1, 2, 3))))
    await house.gate(ledger=Listening(house.ledger, 0, False)).submit(both)
    parts = {t: str(p) for d in seen for t, p in d.projections.items()}
    assert set(parts) == {"tenant-a", "tenant-b"}
    assert all("b-train" not in str(d.projections[TenantId("tenant-a")]) for d in seen)
    assert all("a-serve" not in str(d.projections[TENANT_B]) for d in seen)


async def test_no_snapshot_yet_is_a_passing_fault(house: House) -> None:
    def nothing() -> FrozenEstate:
        raise RetryLater("no snapshot has arrived yet")

    with pytest.raises(RetryLater):
        await house.gate(newest=nothing).submit(proposal(MOVE_A))
    assert await house.kinds() == []


async def test_a_plan_that_is_ahead_of_the_gate_waits_for_the_delta(house: House) -> None:
    """Judged on an older estate than it was made on, a good plan would look stale."""
    ahead = proposal(MOVE_A, snapshot=version(2))
    with pytest.raises(RetryLater, match=r"has seen `test/1\.1`"):
        await house.gate().submit(ahead)
    assert await house.kinds() == []
    house.snapshot = estate(at=version(2))
    assert (await house.gate().submit(ahead)).verdict.decision is Decision.PERMIT


async def test_an_approval_that_comes_too_late_is_refused_and_the_case_is_told(house: House) -> None:
    """The gate that asked has gone; the one that comes after it knows from the ledger what waits, and until when."""
    asked = proposal(MOVE_B)
    bundle = replace(law(), profile=Profile(approve_within_minutes=90))
    waiting = (await house.gate(bundle=bundle).submit(asked)).verdict
    assert waiting.approve_by == START + timedelta(minutes=90)
    assert waiting.execute_within_seconds == 600
    gate = house.gate(bundle=bundle)
    await gate.restore()
    assert await gate.lapse() == ()
    house.clock.advance(minutes=90)
    (answer,) = await gate.lapse()
    assert answer.verdict.decision is Decision.FORBID
    assert answer.verdict.policies[0] == "approval-in-time"
    late = next(f for f in answer.verdict.failures if f.policy == "approval-in-time")
    assert "1 × tenant-owner of tenant-b" in late.found
    assert "propose it again" in late.remedy
    assert await gate.lapse() == (), "nobody waits any more"
    with pytest.raises(Denied, match=r"too late: the time to approve ended at .* have it proposed again"):
        await gate.approve(BEA.sealed(asked))
    assert (await house.kinds()).count(EntryKind.APPROVED) == 0
    assert (await gate.submit(asked)).verdict == answer.verdict


async def test_an_execution_has_a_window_of_its_own(house: House) -> None:
    """Approved in the last minute, and executed within the window that begins then; a soaking canary has its time."""
    canary = Duty(canary=Canary(steps=1, soak_seconds=900))
    bundle = replace(law(), profile=Profile(approve_within_minutes=60, execute_within_minutes=5, obligations=(canary,)))
    asked = proposal(MOVE_B, cordon("eu-a2"))
    gate = house.gate(bundle=bundle)
    await gate.submit(asked)
    house.clock.advance(59 * 60)
    warrant = _opened(await gate.approve(BEA.sealed(asked, at=house.clock())))
    assert warrant.expires_at == house.clock() + timedelta(minutes=5, seconds=900)
    assert warrant.obligations == (Canary(steps=1, soak_seconds=900),)
    with pytest.raises(Denied, match="approved in time was to begin within 1200 s; propose again"):
        warrants.check_in_force(warrant, warrant.expires_at)


@dataclass
class Slow:
    """A key service that takes its time, and does not come back at all when it is asked not to."""

    inner: MemorySigner
    seconds: float
    remote: bool = True

    @property
    def key_id(self) -> KeyId:
        return self.inner.key_id

    @property
    def public_key(self) -> bytes:
        return self.inner.public_key

    def sign(self, data: bytes) -> bytes:
        time.sleep(self.seconds)
        return self.inner.sign(data)


async def test_a_key_service_that_takes_its_time_holds_nobody_else_up() -> None:
    beats = 0

    async def beating() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.002)
            beats += 1

    heart = asyncio.create_task(beating())
    answer = await House(MemoryLedger(INSTALLATION)).gate(signer=Slow(KEY, 0.05)).submit(proposal(MOVE_A))
    heart.cancel()
    assert _opened(answer).audience == EXECUTOR
    assert beats > 5


async def test_a_key_service_that_does_not_answer_is_a_passing_fault() -> None:
    with pytest.raises(RetryLater, match=r"did not sign within 0\.02 s"):
        await sealing.seal_soon(b"{}", "x", Slow(KEY, 0.1), within=0.02)
