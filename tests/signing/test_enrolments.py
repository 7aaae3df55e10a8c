"""Who may speak: only those whom an administrator enrolled, from then, until then."""

from __future__ import annotations

import pytest

from estate.errors import Denied
from estate.identities import Role
from estate.ids import InstallationId
from policies import dsse
from policies.enrolments import PAYLOAD_TYPE, Enrolments
from policies.ledger.memory import MemoryLedger
from policies.signing.sealing import seal
from tests.builders import INSTALLATION, START, TestClock
from tests.signing.conftest import ADA, MALLORY, OLGA, TIM, later, person


def test_the_ring_opens_what_enrolled_people_sign_and_nothing_else(enrolments: Enrolments) -> None:
    assert dsse.open_envelope(seal(b"{}", "t", OLGA.signer), "t", enrolments.ring()).key_ids == (OLGA.signer.key_id,)
    with pytest.raises(Denied, match="nobody trusted"):
        dsse.open_envelope(seal(b"{}", "t", MALLORY.signer), "t", enrolments.ring())


def test_a_key_and_a_subject_lead_to_their_enrolment(enrolments: Enrolments) -> None:
    found = enrolments.of_key(OLGA.signer.key_id)
    assert found is not None
    assert found.subject == OLGA.subject
    assert enrolments.of_subject(OLGA.subject) == (found,)
    assert enrolments.of_key(MALLORY.signer.key_id) is None
    assert enrolments.of_subject(MALLORY.subject) == ()
    assert len(enrolments.in_force()) == 3


def test_only_the_pinned_key_may_sign_for_itself_and_only_once(clock: TestClock, enrolments: Enrolments) -> None:
    """Otherwise whoever reaches the front door first would be the administrator."""
    fresh = Enrolments(INSTALLATION, ADA.signer.key_id, clock)
    with pytest.raises(Denied, match="nobody trusted"):
        fresh.apply(MALLORY.signs(MALLORY.enrolment(Role.ADMINISTRATOR)))
    with pytest.raises(Denied, match="must be an administrator's"):
        fresh.apply(ADA.signs(ADA.enrolment(Role.OPERATOR)))
    with pytest.raises(Denied, match="nobody trusted"):
        fresh.apply(MALLORY.signs(ADA.enrolment(Role.ADMINISTRATOR)))
    enrolments.apply(ADA.signs(ADA.enrolment(Role.ADMINISTRATOR, enrolled_at=later(1), revoked=True)), later(1))
    with pytest.raises(Denied, match="nobody trusted"):
        enrolments.apply(ADA.signs(ADA.enrolment(Role.ADMINISTRATOR, enrolled_at=later(2))), later(2))


def test_an_operator_enrols_nobody(enrolments: Enrolments) -> None:
    with pytest.raises(Denied, match="no administrator's key"):
        enrolments.apply(OLGA.signs(MALLORY.enrolment(Role.ADMINISTRATOR)))
    with pytest.raises(Denied, match="no administrator's key"):
        enrolments.apply(OLGA.signs(OLGA.enrolment(Role.ADMINISTRATOR, enrolled_at=later(1))), later(1))


def test_an_enrolment_ends_with_its_time_or_its_revocation(clock: TestClock, enrolments: Enrolments) -> None:
    clock.set(later(10))
    enrolments.apply(ADA.signs(OLGA.enrolment(Role.OPERATOR, enrolled_at=later(10), revoked=True)))
    assert enrolments.of_key(OLGA.signer.key_id) is None
    assert enrolments.ring().public_key(OLGA.signer.key_id) is None
    clock.set(later(30))
    assert enrolments.of_key(TIM.signer.key_id) is None


def test_what_was_signed_before_a_revocation_can_still_be_judged(enrolments: Enrolments) -> None:
    """After a restart, a freeze by somebody who has since left must stand as it stood."""
    enrolments.apply(ADA.signs(OLGA.enrolment(Role.OPERATOR, enrolled_at=later(10), revoked=True)), later(10))
    assert enrolments.of_key(OLGA.signer.key_id, later(9)) is not None
    assert enrolments.ring(later(9)).public_key(OLGA.signer.key_id) == OLGA.signer.public_key
    assert enrolments.of_key(OLGA.signer.key_id, later(11)) is None


def test_a_replayed_older_enrolment_does_not_undo_a_revocation(enrolments: Enrolments) -> None:
    first = ADA.signs(OLGA.enrolment(Role.OPERATOR))
    enrolments.apply(ADA.signs(OLGA.enrolment(Role.OPERATOR, enrolled_at=later(1), revoked=True)), later(1))
    enrolments.apply(first, later(2))
    enrolments.apply(ADA.signs(OLGA.enrolment(Role.ADMINISTRATOR, enrolled_at=later(0.5))), later(2))
    assert enrolments.of_key(OLGA.signer.key_id, later(2)) is None


def test_an_enrolment_that_does_not_fit_is_refused(enrolments: Enrolments) -> None:
    good = MALLORY.enrolment(Role.REQUESTER)
    for over, reason in (
        ({"installation": InstallationId("other")}, "for `other`"),
        ({"key_id": OLGA.signer.key_id}, "does not name"),
        ({"public_key": "AAAA"}, "has 3 bytes"),
        ({"public_key": "?"}, "not base64"),
        ({"enrolled_at": later(1)}, "in the future"),
    ):
        with pytest.raises(Denied, match=reason):
            enrolments.apply(ADA.signs(good.model_copy(update=over)))
    with pytest.raises(Denied, match="canonical"):
        enrolments.apply(seal(good.canonical() + b" ", PAYLOAD_TYPE, ADA.signer))
    with pytest.raises(Denied, match="no enrolment"):
        enrolments.apply(seal(b"{}", PAYLOAD_TYPE, ADA.signer))


def test_a_key_speaks_for_one_person_only(enrolments: Enrolments) -> None:
    """Quorums count subjects: one key under two names would be two approvals of one person."""
    twin = person("twin", key="olga")
    with pytest.raises(Denied, match="already; make another key"):
        enrolments.apply(ADA.signs(twin.enrolment(Role.OPERATOR, enrolled_at=later(1))), later(1))


async def test_enrolments_come_back_from_the_ledger(clock: TestClock, enrolments: Enrolments) -> None:
    ledger = MemoryLedger(INSTALLATION)
    made = Enrolments(INSTALLATION, ADA.signer.key_id, clock)
    for one in (ADA.enrolment(Role.ADMINISTRATOR), OLGA.enrolment(Role.OPERATOR)):
        admitted = made.admit(ADA.signs(one))
        await ledger.append(admitted.draft(clock()))
        assert made.apply(admitted.envelope) == one
    revoked = OLGA.enrolment(Role.OPERATOR, enrolled_at=later(5), revoked=True)
    await ledger.append(made.admit(ADA.signs(revoked), later(5)).draft(later(5)))
    loaded = Enrolments(INSTALLATION, ADA.signer.key_id, clock)
    await loaded.load(ledger)
    assert loaded.in_force(START) == made.in_force(START)
    assert [e.subject for e in loaded.in_force(later(6))] == [ADA.subject]


async def test_an_entry_that_does_not_hold_stops_nobody_from_starting(clock: TestClock) -> None:
    ledger = MemoryLedger(INSTALLATION)
    made = Enrolments(INSTALLATION, ADA.signer.key_id, clock)
    good = made.admit(ADA.signs(ADA.enrolment(Role.ADMINISTRATOR))).draft(clock())
    await ledger.append(good)
    await ledger.erase(good.key)
    await made.load(ledger)
    assert made.in_force() == ()
