"""Whom a proposal stands for is what a person signed, whatever an agent says: by Cedar, by the kernel, by the gate."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from estate.canonical import Json
from estate.changes import Change
from estate.identities import Role
from estate.ids import ExecutorId, IncidentId, TenantId
from estate.proposals import Proposal
from estate.verdicts import Decision, Dimension, Verdict
from policies import deciding, kernel, mandates
from policies.gate import Gate
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Draft, EntryKind
from policies.mandates import NOBODY, Mandate
from policies.questions import Matter
from policies.signing.memory import MemorySigner
from tests.builders import INSTALLATION, START, TestClock, TestEntropy, estate, proposal, subject
from tests.policies.asking import MOVE_A, MOVE_B, Person, cordon, dimensions, enrolments, law, orders, question

ANN = subject("ann")
TENANT_A = TenantId("tenant-a")
HERS: dict[str, Any] = {"on_behalf_of": ANN, "for_tenants": (TENANT_A,)}
ASKED = Mandate(person=ANN, tenants=(TENANT_A,))


def judged(proposed: Proposal, mandate: Mandate) -> Verdict:
    """The verdict on a proposal for a case with this mandate."""
    return deciding.decide(question(proposed, matter=Matter.of(proposed, mandate=mandate))).verdict


def test_what_a_person_commanded_is_permitted_in_their_name() -> None:
    assert judged(proposal(MOVE_A, **HERS), ASKED).decision is Decision.PERMIT


def test_an_agent_cannot_claim_a_person_for_an_incident_that_nobody_commanded() -> None:
    """Otherwise it would bar whom it likes from approving, and speak in anybody's name in the ledger."""
    found = judged(proposal(MOVE_A, on_behalf_of=ANN), NOBODY)
    assert found.decision is Decision.FORBID
    assert found.policies == ("mandate-person",)
    assert dimensions(found) == {Dimension.FACTS}
    (failure,) = found.failures
    assert str(ANN) in failure.found


def test_nor_leave_the_person_out_of_a_case_that_somebody_commanded() -> None:
    """Without the person it would act for the installation: more tenants, and an approval by the very person."""
    found = judged(proposal(MOVE_A), ASKED)
    assert found.decision is Decision.FORBID
    assert dimensions(found) == {Dimension.FACTS, Dimension.TENANT}


def test_nor_speak_for_other_tenants_than_the_person() -> None:
    tenants = (TENANT_A, TenantId("tenant-b"))
    found = judged(proposal(MOVE_B, on_behalf_of=ANN, for_tenants=tenants), ASKED)
    assert found.decision is Decision.FORBID
    assert "mandate-tenants" in found.policies


def test_nor_put_its_own_changes_in_the_place_of_those_that_a_person_wrote() -> None:
    wrote = ASKED.model_copy(update={"changes": mandates.digest_of([MOVE_A])})
    assert judged(proposal(MOVE_A, **HERS), wrote).decision is Decision.PERMIT
    found = judged(proposal(cordon("eu-a2"), **HERS), wrote)
    assert found.policies == ("mandate-changes",)


def test_no_approval_lifts_a_false_claim() -> None:
    assert all(law().rules[p].tier == 0 for p in ("mandate-person", "mandate-tenants", "mandate-changes"))
    assert all(law().rules[p].requires is None for p in ("mandate-person", "mandate-tenants", "mandate-changes"))


PEOPLE = st.none() | st.sampled_from([ANN, subject("bob")])
SPOKEN_FOR = st.lists(st.sampled_from([TENANT_A, TenantId("tenant-b")]), max_size=2, unique=True).map(tuple)
CHANGES: list[Change] = [MOVE_A, cordon("eu-a2")]


@given(PEOPLE, SPOKEN_FOR, PEOPLE, SPOKEN_FOR, st.none() | st.sampled_from(CHANGES), st.sampled_from(CHANGES))
def test_cedar_and_kernel_judge_every_claim_alike(
    claimed: Any, acting: Any, person: Any, tenants: Any, wrote: Change | None, change: Change
) -> None:
    mandate = Mandate(person=person, tenants=tenants, changes=None if wrote is None else mandates.digest_of([wrote]))
    proposed = proposal(change, on_behalf_of=claimed, for_tenants=acting)
    about = f"proposal/{proposed.digest}"
    failures = judged(proposed, mandate).failures
    matter = Matter.of(proposed, mandate=mandate)
    objected = {o.dimension for o in kernel.objections(matter, estate(), (), START) if o.about == about}
    assert {f.dimension for f in failures if f.policy.startswith("mandate-")} == objected
    honest = (claimed, set(acting)) == (person, set(tenants)) and wrote in (None, change)
    assert bool(objected) is not honest


# -- from the ledger


def commanded(incident: IncidentId, mandate: Mandate) -> Draft:
    """The entry that the console writes before a command's event exists."""
    body: dict[str, Json] = {"verb": "ask", "says": "please", mandates.FIELD: mandate.json_form()}
    return Draft(EntryKind.COMMANDED, START, ANN, body, mandates.key(incident), incident)


def gate(ledger: MemoryLedger) -> Gate:
    """A gate on that ledger."""
    return Gate(
        installation=INSTALLATION,
        ledger=ledger,
        signer=MemorySigner.generate(TestEntropy("gate")),
        bundle=law(),
        newest=estate,
        controls=orders(),
        enrolments=enrolments(Person("ann", (Role.REQUESTER,), (TENANT_A,))),
        clock=TestClock(),
        entropy=TestEntropy(),
        audience=lambda clusters: ExecutorId("twin-1"),
    )


async def test_the_gate_believes_the_ledger_and_not_the_proposal() -> None:
    ledger = MemoryLedger(INSTALLATION)
    claimed = proposal(MOVE_A, **HERS)
    assert (await gate(ledger).submit(claimed)).verdict.policies == ("mandate-person", "mandate-tenants")
    await ledger.append(commanded(claimed.incident, ASKED))
    again = proposal(MOVE_A, **HERS, attempt=2)
    answer = await gate(ledger).submit(again)
    assert answer.verdict.decision is Decision.PERMIT
    assert answer.warrant_envelope is not None


async def test_a_case_has_one_mandate_and_the_first_one_stands() -> None:
    """Whoever could write a second command for an incident would otherwise inherit the first one's case."""
    ledger, incident = MemoryLedger(INSTALLATION), IncidentId("inc-1")
    assert await mandates.find(ledger, incident) == NOBODY
    await ledger.append(commanded(incident, ASKED))
    await ledger.append(commanded(incident, Mandate(person=subject("bob"))))
    assert await mandates.find(ledger, incident) == ASKED
