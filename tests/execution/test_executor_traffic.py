"""The second decision knows whose proposal it is, by the ledger, and what else this executor has under way."""

from __future__ import annotations

from estate import canonical
from estate.canonical import Json
from estate.ids import TenantId
from policies import mandates, recording
from policies.ledger.port import Draft, EntryKind
from policies.mandates import NOBODY, Mandate
from policies.questions import Matter
from tests import builders
from tests.builders import START, proposal
from tests.execution.rig import CAP, FENCE, MOVE, Rig, sealed, warrant
from tests.policies.asking import owner
from tools.execution.traffic import Traffic

ANN = builders.subject("ann")
TENANTS = (TenantId("tenant-a"),)


async def test_people_come_from_the_ledger_and_not_from_the_warrant() -> None:
    rig = Rig()
    asked = proposal(MOVE, for_tenants=TENANTS, on_behalf_of=ANN)
    mandate = Mandate(person=ANN, tenants=TENANTS)
    body: dict[str, Json] = {mandates.FIELD: mandate.json_form()}
    await rig.ledger.append(Draft(EntryKind.COMMANDED, START, ANN, body, mandates.key(asked.incident), asked.incident))
    matter = Matter.of(asked, mandate=mandate)
    await rig.ledger.append(recording.proposed(asked, matter, builders.estate(), (), START))
    await rig.executor().execute(sealed(warrant(MOVE, proposal=asked.digest)))
    (again,) = rig.decided_beside
    assert (again.proposal, again.mandate) == (asked, mandate)


async def test_approvals_come_from_the_ledger_with_the_enrolment_as_it_stands_now() -> None:
    """Who was removed between the warrant and its execution has approved nothing."""
    rig, bea, asked = Rig(), owner(), proposal(MOVE)
    word = bea.word(asked)
    await rig.ledger.append(recording.worded(word, bea.signer.key_id, bea.sealed(asked), (), START))
    approved = warrant(MOVE, proposal=asked.digest, approvals=(word.digest,))
    traffic = Traffic(rig.ledger, rig.law().enrolled)
    assert (await traffic.enter(approved, builders.estate(), START)).given == ()
    rig.people[bea.signer.key_id] = bea.enrolment
    assert (await traffic.enter(approved, builders.estate(), START)).given == (bea.given(asked),)


async def test_a_warrant_whose_proposal_the_ledger_does_not_hold_is_judged_by_itself() -> None:
    rig = Rig()
    await rig.executor().execute(sealed(warrant(MOVE)))
    (again,) = rig.decided_beside
    assert (again.proposal, again.mandate) == (None, NOBODY)


async def test_executions_that_began_before_count_until_the_inventory_shows_them() -> None:
    """Two that begin at once cannot both take the last of a rack's power: the later one counts the earlier."""
    rig, newest = Rig(), builders.estate()
    traffic = Traffic(rig.ledger, rig.law().enrolled)
    one = warrant(FENCE, proposal=canonical.digest(b"one"), nonce="1" * 32)
    two = warrant(CAP, proposal=canonical.digest(b"two"), nonce="2" * 32)
    assert (await traffic.enter(one, newest, START)).in_flight == ()
    assert (await traffic.enter(two, newest, START)).in_flight == one.steps
    assert (await traffic.enter(one, newest, START)).in_flight == two.steps, "resumed: all but itself"
    outcome = await rig.executor().execute(sealed(one))
    traffic.leave(outcome, START)
    assert (await traffic.enter(two, newest, START)).in_flight == one.steps, "done, and not yet to be seen"
    assert (await traffic.enter(two, rig.world.estate, START)).in_flight == ()
