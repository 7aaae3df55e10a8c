"""The gate over time: what is in flight, what comes too late, and who keeps it waiting."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from estate.effects import lay_out
from estate.errors import Denied, RetryLater
from estate.frozen import FrozenEstate
from estate.ids import KeyId, TenantId
from estate.obligations import Canary
from estate.outcomes import Ending
from estate.proposals import Proposal
from estate.results import Ok
from estate.verdicts import Decision, Dimension
from policies import warrants
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Appended, Draft, EntryKind
from policies.profiles import Duty, Profile
from policies.signing import sealing
from policies.signing.memory import MemorySigner
from tests.builders import INSTALLATION, START, estate, proposal, subject, version
from tests.policies.asking import (
    MOVE_A,
    MOVE_B,
    TENANT_B,
    copy,
    cordon,
    law,
    move,
    scale,
)
from tests.policies.gates import BEA, EXECUTOR, KEY, House, Mortal, opened, outcome, tight


async def test_two_plans_never_see_the_same_headroom(house: House) -> None:
    """Rack eu-b has 2 200 W left: the second plan is forbidden while the first one's warrant is out."""
    house.snapshot = tight()
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
    house.snapshot = tight()
    await house.gate().submit(proposal(MOVE_A, on=house.snapshot))
    gate = house.gate()
    await gate.restore()
    found = await gate.submit(_second(house.snapshot))
    assert Dimension.POWER in {f.dimension for f in found.verdict.failures}


async def test_a_rolled_back_execution_frees_what_it_held(house: House) -> None:
    house.snapshot = tight()
    gate = house.gate()
    warrant = opened(await gate.submit(proposal(MOVE_A, on=house.snapshot)))
    await gate.concluded(outcome(warrant, Ending.ROLLED_BACK))
    assert Dimension.POWER not in {f.dimension for f in (await gate.submit(_second(house.snapshot))).verdict.failures}


async def test_a_verified_execution_counts_until_the_estate_shows_it(house: House) -> None:
    """Between the outcome and the delta nobody may see the power twice; afterwards it is counted once."""
    house.snapshot = tight(9_600)
    gate, asked = house.gate(), proposal(MOVE_A, on=house.snapshot)
    warrant = opened(await gate.submit(asked))
    await gate.concluded(outcome(warrant))
    before = await gate.submit(proposal(cordon("eu-b4"), on=house.snapshot))
    laid = lay_out([s.change for s in asked.steps], house.snapshot)
    assert isinstance(laid, Ok)
    assert isinstance(laid.value.after, FrozenEstate)
    house.snapshot = laid.value.after
    after = await gate.submit(proposal(cordon("eu-a4"), on=house.snapshot, attempt=1))
    assert before.verdict.decision is after.verdict.decision is Decision.PERMIT
    house.snapshot = tight(9_600)
    freed = await gate.submit(_second(house.snapshot))
    assert Dimension.POWER not in {f.dimension for f in freed.verdict.failures}


async def test_a_warrant_that_nobody_consumed_in_time_frees_what_it_held(house: House) -> None:
    house.snapshot = tight()
    gate = house.gate()
    await gate.submit(proposal(MOVE_A, on=house.snapshot))
    house.clock.advance(minutes=11)
    assert Dimension.POWER not in {f.dimension for f in (await gate.submit(_second(house.snapshot))).verdict.failures}


async def test_one_that_was_consumed_still_holds_it(house: House) -> None:
    house.snapshot = tight()
    gate = house.gate()
    warrant = opened(await gate.submit(proposal(MOVE_A, on=house.snapshot)))
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
    warrant = opened(await gate.approve(BEA.sealed(asked, at=house.clock())))
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
    assert opened(answer).audience == EXECUTOR
    assert beats > 5


async def test_a_key_service_that_does_not_answer_is_a_passing_fault() -> None:
    with pytest.raises(RetryLater, match=r"did not sign within 0\.02 s"):
        await sealing.seal_soon(b"{}", "x", Slow(KEY, 0.1), within=0.02)
