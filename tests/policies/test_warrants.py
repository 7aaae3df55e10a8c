"""Warrants made and opened, and the executor's own decision on them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from estate import canonical
from estate.changes import MoveWorkload
from estate.errors import BadInput, Denied
from estate.ids import ClusterId, ExecutorId, InstallationId, TenantId, WorkloadId
from estate.modes import Mode
from estate.proposals import Proposal
from estate.verdicts import Decision, Dimension
from estate.warrants import PAYLOAD_TYPE, Warrant
from policies import deciding, warrants
from policies.keyrings import StaticRing
from policies.questions import Given
from policies.redeciding import Again, acts, decide_again, held, undo_fault
from policies.signing.memory import MemorySigner
from policies.signing.sealing import seal
from tests.builders import INSTALLATION, START, TestEntropy, binding, contract, estate, facts, proposal, rack, workload
from tests.policies.asking import (
    COPY_A_ABROAD,
    MOVE_A,
    MOVE_B,
    dimensions,
    freeze,
    law,
    mandate_of,
    move,
    orders,
    owner,
    question,
)

GATE = MemorySigner.generate(TestEntropy("gate"))
EXECUTOR = ExecutorId("twin-1")
RING = StaticRing.of(GATE.public_key)


def _warrant(asked: Proposal | None = None, **over: Any) -> Warrant:
    ruling = deciding.decide(question(asked or proposal(MOVE_A), **over))
    return warrants.build(ruling.verdict, ruling.steps, EXECUTOR, START, TestEntropy())


def _sealed(warrant: Warrant, signer: MemorySigner = GATE, kind: str = PAYLOAD_TYPE) -> bytes:
    return seal(warrant.canonical(), kind, signer)


def _open(envelope: bytes, **over: Any) -> Warrant:
    fields: dict[str, Any] = {"ring": RING, "audience": EXECUTOR, "installation": INSTALLATION}
    now = over.pop("now", START)
    warrant = warrants.read_warrant(envelope, **(fields | over))
    warrants.check_in_force(warrant, now)
    return warrant


def test_a_warrant_carries_what_was_decided_and_opens_again() -> None:
    asked = proposal(MOVE_A)
    warrant = _warrant(asked)
    assert warrant.proposal == asked.digest
    assert warrant.steps == asked.steps
    assert warrant.expires_at - warrant.issued_at == timedelta(minutes=10)
    assert _open(_sealed(warrant)) == warrant


def test_only_a_permit_becomes_a_warrant() -> None:
    with pytest.raises(Denied, match="only a permit"):
        _warrant(proposal(COPY_A_ABROAD))


def test_no_two_warrants_share_a_nonce() -> None:
    entropy = TestEntropy()
    ruling = deciding.decide(question(proposal(MOVE_A)))
    made = [warrants.build(ruling.verdict, ruling.steps, EXECUTOR, START, entropy) for _ in range(2)]
    assert made[0].nonce != made[1].nonce


@pytest.mark.parametrize(
    ("over", "fault"),
    [
        ({"audience": ExecutorId("other")}, "for executor `twin-1`"),
        ({"installation": InstallationId("other")}, "for installation `test`"),
        ({"now": START - timedelta(seconds=31)}, "check the clocks"),
        ({"now": START + timedelta(minutes=10)}, "expired"),
        ({"ring": StaticRing.of(MemorySigner.generate(TestEntropy("mallory")).public_key)}, "nobody trusted"),
    ],
)
def test_a_warrant_that_does_not_hold_is_denied_with_the_reason(over: dict[str, Any], fault: str) -> None:
    with pytest.raises(Denied, match=fault):
        _open(_sealed(_warrant()), **over)


def test_a_slow_clock_is_forgiven_up_to_the_skew() -> None:
    assert _open(_sealed(_warrant()), now=START - timedelta(seconds=30)).audience == EXECUTOR


def test_an_expired_warrant_is_still_read_for_its_undo() -> None:
    warrant = _warrant()
    assert warrants.read_warrant(_sealed(warrant), RING, EXECUTOR, INSTALLATION) == warrant


def test_another_payload_under_the_gates_key_is_no_warrant() -> None:
    with pytest.raises(Denied, match="expected"):
        _open(_sealed(_warrant(), kind="application/vnd.placet.approval.v1+json"))
    with pytest.raises(Denied, match="no warrant"):
        _open(seal(canonical.dumps({"kind": "other", "v": 1}), PAYLOAD_TYPE, GATE))
    with pytest.raises(Denied, match="canonical form"):
        _open(seal(b" " + _warrant().canonical(), PAYLOAD_TYPE, GATE))


# -- the executor decides again


def test_the_executor_agrees_while_nothing_changed() -> None:
    found = decide_again(_warrant(), estate(), law(), orders(), START)
    assert found.decision is Decision.PERMIT
    assert acts(found)


def test_the_executor_sees_the_power_that_was_taken_since() -> None:
    small = estate(
        law_base=facts(racks=tuple(rack(r, power_budget_watts=9_000) for r in ("eu-a", "eu-b", "us-a", "us-b")))
    )
    hog = workload(
        "c-hog", tenant="tenant-c", contract=contract(3), replicas=1, bindings=(binding(0, "eu-b3", 0, 1, 2),)
    )
    warrant = _warrant(proposal(MOVE_A, on=small), on=small)
    found = decide_again(warrant, small.with_workload(hog), law(), orders(), START)
    assert found.decision is Decision.FORBID
    assert {f.dimension for f in found.failures} == {Dimension.POWER}


def test_the_gates_signature_vouches_for_the_approvals_it_counted() -> None:
    asked = proposal(MOVE_B)
    words = (owner().given(asked),)
    warrant, known = _warrant(asked, given=words), Again(given=words)
    assert decide_again(warrant, estate(), law(), orders(), START, known).decision is Decision.PERMIT
    unapproved = warrant.model_copy(update={"approvals": ()})
    assert decide_again(unapproved, estate(), law(), orders(), START, known).decision is Decision.NEEDS_APPROVAL
    assert decide_again(warrant, estate(), law(), orders(), START).decision is Decision.NEEDS_APPROVAL


def test_an_owners_approval_is_not_the_operators_that_a_mode_asks_for_since() -> None:
    """People tighten the mode between the warrant and its execution: nobody has approved that yet."""
    asked = proposal(MOVE_B)
    words = (owner().given(asked),)
    warrant, known = _warrant(asked, given=words), Again(given=words)
    again = decide_again(warrant, estate(), law(), orders(Mode.APPROVE), START, known)
    assert again.decision is Decision.NEEDS_APPROVAL
    assert again.policies == ("mode-asks-operator",)


def test_an_approval_counts_again_only_while_its_key_is_enrolled() -> None:
    asked, bea = proposal(MOVE_B), owner()
    warrant = _warrant(asked, given=(bea.given(asked),))
    left = Given(bea.word(asked), bea.enrolment.model_copy(update={"valid_until": START}))
    again = decide_again(warrant, estate(), law(), orders(), START, Again(given=(left,)))
    assert again.decision is Decision.NEEDS_APPROVAL


def test_a_freeze_or_observe_since_holds_the_executor() -> None:
    warrant, base = _warrant(), estate()
    assert held(warrant, base, orders()) is None
    frozen = orders(Mode.AUTOMATIC, freeze("eu-de"))
    assert "audit" in str(held(warrant, base, frozen))
    assert decide_again(warrant, base, law(), frozen, START).decision is Decision.FORBID
    watching = orders(Mode.OBSERVE)
    assert "observe" in str(held(warrant, base, watching))
    assert not acts(decide_again(warrant, base, law(), watching, START))
    assert held(warrant, base, orders(Mode.AUTOMATIC, freeze("us-east"))) is None


def test_what_is_done_is_not_decided_again() -> None:
    two = proposal(MOVE_A, move("a-serve", (1, "eu-a2", "eu-b3", (0, 1))))
    warrant = _warrant(two)
    halfway = estate().with_workload(_moved())
    assert decide_again(warrant, halfway, law(), orders(), START).decision is Decision.FORBID
    assert decide_again(warrant, halfway, law(), orders(), START, Again(done=1)).decision is Decision.PERMIT


def _moved() -> Any:
    before = estate().workload(WorkloadId("a-serve"))
    assert before is not None
    return before.model_copy(update={"bindings": (binding(0, "eu-b2", 0, 1), before.bindings[1])})


def test_given_the_proposal_the_people_behind_it_are_judged_again() -> None:
    asked = proposal(MOVE_A, for_tenants=(TenantId("tenant-a"),))
    warrant, known = _warrant(asked), Again(asked, mandate_of(asked))
    assert decide_again(warrant, estate(), law(), orders(), START, known).decision is Decision.PERMIT
    was = estate().workload(WorkloadId("a-serve"))
    assert was is not None
    theirs = estate().with_workload(was.model_copy(update={"tenant": TenantId("tenant-b")}))
    assert Dimension.TENANT in dimensions(decide_again(warrant, theirs, law(), orders(), START, known))
    with pytest.raises(BadInput, match="not the proposal of this warrant"):
        decide_again(warrant, estate(), law(), orders(), START, Again(proposal(MOVE_B)))


def test_an_undo_is_checked_against_tier_0_only() -> None:
    back = proposal(MOVE_A).steps[0].inverse
    assert isinstance(back, MoveWorkload)
    moved = estate().with_workload(_moved())
    assert undo_fault(back, moved, law(), START) is None
    gone = facts(clusters=tuple(c for c in facts().clusters if c.id != ClusterId("eu-1")))
    assert "geographic" in str(undo_fault(back, moved.with_facts(gone), law(), START))
