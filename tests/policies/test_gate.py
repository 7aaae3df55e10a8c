"""The gate: nothing happens before its entry stands, and everything may arrive twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from estate import canonical
from estate.approvals import Word
from estate.errors import Denied
from estate.identities import Subject, SubjectKind
from estate.ids import Digest, IncidentId, InstallationId
from estate.modes import Mode
from estate.verdicts import Decision, Dimension
from policies import approving, mandates
from policies.gate import MOST_WORDS
from policies.ledger.port import Draft, EntryKind
from policies.profiles import Profile
from policies.signing.sealing import seal
from tests.builders import START, estate, proposal, subject
from tests.policies.asking import (
    ADA,
    COPY_A_ABROAD,
    MOVE_A,
    MOVE_B,
    TENANT_B,
    Person,
    freeze,
    law,
    mandate_of,
    move,
    orders,
    owner,
)
from tests.policies.gates import BEA, OLGA, PEOPLE, House, Killed, Mortal, opened, tight


async def test_a_permit_becomes_one_sealed_warrant_and_three_entries(house: House) -> None:
    asked = proposal(MOVE_A)
    answer = await house.gate().submit(asked)
    warrant = opened(answer)
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
    house.snapshot = tight(1_000)
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
    assert opened(answer).proposal == asked.digest
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
    house.snapshot = tight()
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
    assert opened(answer).approvals == (BEA.word(asked).digest,)
    assert (await house.kinds()).count(EntryKind.ISSUED) == 1
    assert (await house.kinds()).count(EntryKind.APPROVED) == 1


async def test_the_owners_word_lets_it_go(house: House) -> None:
    gate, asked = house.gate(), proposal(MOVE_B)
    first = await gate.submit(asked)
    assert first.verdict.decision is Decision.NEEDS_APPROVAL
    assert first.verdict.diff == approving.diff_for(asked, TENANT_B, estate()).digest
    answer = await gate.approve(BEA.sealed(asked, tenant=TENANT_B))
    assert answer.verdict.decision is Decision.PERMIT
    assert opened(answer).approvals == answer.verdict.approvals


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
    assert opened(await gate.approve(BEA.sealed(asked))).proposal == asked.digest


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
    house.snapshot = tight(7_000)
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
