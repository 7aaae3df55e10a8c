"""Which words of people count."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from estate.approvals import Word
from estate.frozen import FrozenEstate
from estate.identities import Role, SubjectKind
from estate.ids import Digest, InstallationId, NodeId, TenantId
from estate.modes import Mode
from estate.proposals import Proposal
from estate.verdicts import Decision, Dimension, Verdict
from policies import approving, context, deciding, playing
from policies.questions import Given, Matter
from tests.builders import START, estate, proposal, subject
from tests.policies.asking import MOVE_A, MOVE_B, TENANT_B, Person, cordon, move, owner, question


def _verdict(proposed: Proposal, *given: Given, mode: Mode = Mode.AUTOMATIC, on: FrozenEstate | None = None) -> Verdict:
    return deciding.decide(question(proposed, on, given=given, standing={"mode": mode})).verdict


@pytest.fixture
def asked() -> Proposal:
    """A move that tenant-b's owner must approve."""
    return proposal(MOVE_B, on_behalf_of=subject("ann"))


def test_the_owners_approval_turns_it_into_a_permit(asked: Proposal) -> None:
    bea = owner().given(asked)
    found = _verdict(asked, bea)
    assert found.decision is Decision.PERMIT
    assert found.approvals == (bea.digest,)


def test_an_owner_may_have_seen_their_own_part_only() -> None:
    both = proposal(MOVE_A, cordon("eu-a1"), move("b-train", (0, "eu-a1", "eu-b3", (0, 1, 2, 3))))
    part = approving.diff_for(both, TENANT_B, estate())
    assert [line.step for line in part.lines] == [2, 3]
    assert part.elsewhere == 1
    assert b"a-serve" not in part.canonical()
    assert _verdict(both, owner().given(both, tenant=TENANT_B)).decision is Decision.PERMIT


def test_an_operator_must_have_seen_all_of_it(asked: Proposal) -> None:
    olga = Person("olga", (Role.OPERATOR, Role.TENANT_OWNER), (TENANT_B,))
    part, whole = olga.given(asked, tenant=TENANT_B), olga.given(asked)
    assert _verdict(asked, part, mode=Mode.APPROVE).decision is Decision.NEEDS_APPROVAL
    assert _verdict(asked, whole, mode=Mode.APPROVE).decision is Decision.PERMIT


@pytest.mark.parametrize(
    ("person", "over"),
    [
        (owner(tenant=TenantId("tenant-a")), {}),
        (Person("rita", (Role.REQUESTER,)), {}),
        (owner(over={"revoked": True}), {}),
        (owner(over={"valid_until": START}), {}),
        (owner(over={"enrolled_at": START + timedelta(hours=1)}), {}),
        (owner(over={"subject": subject("somebody-else")}), {}),
        (owner(), {"other": Digest("sha256:" + "0" * 64)}),
        (owner(), {"diff": Digest("sha256:" + "0" * 64)}),
        (owner(), {"installation": InstallationId("other")}),
        (owner(kind=SubjectKind.AGENT), {}),
    ],
    ids=[
        "other tenant",
        "other role",
        "revoked",
        "expired",
        "not yet",
        "another name",
        "another proposal",
        "another diff",
        "another installation",
        "an agent",
    ],
)
def test_a_word_that_does_not_count(asked: Proposal, person: Person, over: dict[str, Any]) -> None:
    said = person.given(asked, **{k: v for k, v in over.items() if k != "other"})
    other = {"proposal": over["other"]} if "other" in over else {}
    found = _verdict(asked, replace(said, approval=said.approval.model_copy(update=other)))
    assert found.decision is Decision.NEEDS_APPROVAL
    assert found.approvals == ()


@pytest.mark.parametrize("name", ["agent-1", "ann"])
def test_neither_the_proposer_nor_whom_it_represents_can_approve(name: str) -> None:
    """Self-approval, directly and through `on_behalf_of`: a tier-0 forbid that is told and never counts."""
    asked = proposal(MOVE_B, proposer=subject("agent-1"), on_behalf_of=subject("ann"))
    found = _verdict(asked, owner(name).given(asked))
    assert found.decision is Decision.NEEDS_APPROVAL
    assert found.approvals == ()
    told = next(f for f in found.failures if f.policy == "approval-self")
    assert told.dimension is Dimension.APPROVAL
    assert name in told.found


def test_a_self_approval_does_not_keep_a_second_person_from_approving(asked: Proposal) -> None:
    ann, bea = owner("ann").given(asked), owner().given(asked)
    found = _verdict(asked, ann, bea)
    assert found.decision is Decision.PERMIT
    assert found.approvals == (bea.digest,)


@pytest.mark.parametrize(
    "person", [owner("paul", over={"roles": (Role.TENANT_OWNER, Role.POLICY_AUTHOR)}), owner("test-author")]
)
def test_the_laws_author_cannot_approve(asked: Proposal, person: Person) -> None:
    base = estate()
    law_base = base.facts.model_copy(update={"author": "test-author"})
    found = _verdict(asked, person.given(asked), on=base.with_facts(law_base))
    assert found.decision is Decision.NEEDS_APPROVAL
    assert "approval-self" in {f.policy for f in found.failures}


def test_the_law_forbids_a_self_approval_even_if_it_was_counted() -> None:
    """The second lock: were counting wrong, the rule over the whole proposal would still forbid."""
    asked = proposal(MOVE_B, on_behalf_of=subject("ann"))
    counted = approving.count(Matter.of(asked), estate(), [owner("ann").given(asked)], START, admits=lambda given: True)
    assert counted.approvers

    posed = question(asked)
    read = context.read(posed, playing.play(posed.snapshot, asked.steps), counted)
    answers = posed.bundle.ask([a.request(read.principal) for a in read.asks])
    assert "approval-self" in {r.id for a in answers for r in a.rules}


def test_two_keys_of_one_subject_count_once(asked: Proposal) -> None:
    one, two = owner(key=1), owner(key=2)
    counted = approving.count(
        Matter.of(asked),
        estate(),
        [one.given(asked), two.given(asked, reason="again")],
        START,
        admits=lambda given: True,
    )
    assert len(counted.approvers) == 2
    assert len(counted.owners[TENANT_B]) == 1


def test_a_denial_ends_it_whatever_was_approved(asked: Proposal) -> None:
    found = _verdict(asked, owner().given(asked), Person("olga").given(asked, word=Word.DENY))
    assert found.decision is Decision.FORBID
    assert found.policies == ("denied-by-a-person",)
    assert {f.dimension for f in found.failures} == {Dimension.APPROVAL}


def test_whom_it_represents_may_withdraw_it_and_a_stranger_may_not(asked: Proposal) -> None:
    ann = Person("ann", (Role.REQUESTER,)).given(asked, word=Word.DENY)
    zoe = Person("zoe", (Role.REQUESTER,)).given(asked, word=Word.DENY)
    assert _verdict(asked, owner().given(asked), ann).decision is Decision.FORBID
    assert _verdict(asked, owner().given(asked), zoe).decision is Decision.PERMIT


def test_an_approval_does_not_smuggle_a_stale_plan_through(asked: Proposal) -> None:
    base = estate()
    found = _verdict(asked, owner().given(asked), on=base.without_workload(base.workloads_on(NodeId("eu-b1"))[0].id))
    assert found.decision is Decision.FORBID
    assert Dimension.FACTS in {f.dimension for f in found.failures}
