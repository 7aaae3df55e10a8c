"""Freezes and modes: who may set them, which of them stands, and over what."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.errors import Denied
from estate.identities import Role
from estate.ids import InstallationId, SiteId, TenantId
from estate.modes import Freeze, Mode, ModeSetting, Scope
from policies.controls import FREEZE_TYPE, MODE_TYPE, Controls
from policies.enrolments import Enrolments
from policies.ledger.memory import MemoryLedger
from policies.signing.sealing import seal
from tests.builders import INSTALLATION, START, TestClock
from tests.signing.conftest import ADA, MALLORY, OLGA, TIM, Person, later

EU, US = SiteId("eu-de"), SiteId("us-east")
A, B = TenantId("tenant-a"), TenantId("tenant-b")


@pytest.fixture
def controls(enrolments: Enrolments, clock: TestClock) -> Controls:
    """Nothing is set."""
    return Controls(INSTALLATION, enrolments, clock)


def freeze(signer: Person = OLGA, *, frozen: bool = True, at: datetime = START, **over: Any) -> bytes:
    scope = Scope(site=over.pop("site", None), tenant=over.pop("tenant", None))
    fields = {"installation": INSTALLATION, "scope": scope, "frozen": frozen, "by": signer.subject, "at": at} | over
    return signer.sets(Freeze(**fields))


def mode(to: Mode, by: Person = OLGA, *, at: datetime = START, **scope: Any) -> bytes:
    return by.sets(ModeSetting(installation=INSTALLATION, scope=Scope(**scope), mode=to, by=by.subject, at=at))


def test_a_freeze_stands_over_its_scope_until_it_is_lifted(controls: Controls, clock: TestClock) -> None:
    controls.apply(freeze(site=EU))
    assert [f.scope.site for f in controls.freezes(EU, (A,))] == [EU]
    assert controls.freezes(None, ())
    assert not controls.freezes(US, (A,))
    clock.set(later(1))
    controls.apply(freeze(site=EU, frozen=False, at=clock()))
    assert not controls.freezes(EU, (A,))


def test_a_tenants_freeze_holds_up_that_tenant_only(controls: Controls) -> None:
    controls.apply(freeze(TIM, tenant=A))
    assert controls.freezes(EU, (B, A))
    assert not controls.freezes(EU, (B,))
    assert not controls.freezes(EU, ())


def test_an_owner_lifts_their_own_freeze_and_not_the_houses(controls: Controls, clock: TestClock) -> None:
    clock.set(later(3))
    controls.apply(freeze(OLGA, tenant=A))
    controls.apply(freeze(TIM, tenant=A))
    controls.apply(freeze(TIM, tenant=A, frozen=False, at=later(1)))
    assert [f.by for f in controls.freezes(EU, (A,))] == [OLGA.subject]
    controls.apply(freeze(TIM, tenant=A, at=later(2)))
    controls.apply(freeze(OLGA, tenant=A, frozen=False, at=later(3)))
    assert not controls.freezes(EU, (A,))


def test_people_set_only_what_they_may(controls: Controls) -> None:
    for envelope in (
        freeze(TIM),
        freeze(TIM, tenant=B),
        freeze(TIM, site=EU),
        mode(Mode.AUTOMATIC, TIM, tenant=A),
    ):
        with pytest.raises(Denied, match="may not set this"):
            controls.apply(envelope)
    with pytest.raises(Denied, match="nobody trusted"):
        controls.apply(freeze(MALLORY))
    assert not controls.freezes(EU, (A,))
    controls.apply(freeze(ADA))
    assert controls.freezes(US, (B,))


def test_a_control_says_truly_who_and_where_and_when(controls: Controls) -> None:
    for envelope, reason in (
        (freeze(by=ADA.subject), "signed by"),
        (freeze(installation=InstallationId("other")), "for `other`"),
        (freeze(at=later(seconds=31)), "in the future"),
        (seal(b"{}", FREEZE_TYPE, OLGA.signer), "no control"),
        (seal(b"{}", "another", OLGA.signer), "expected"),
        (b"{}", "not a dsse envelope"),
    ):
        with pytest.raises(Denied, match=reason):
            controls.apply(envelope)
    controls.apply(freeze(at=later(seconds=29)))


def test_a_freeze_never_passes_for_a_mode(controls: Controls) -> None:
    record = Freeze(installation=INSTALLATION, scope=Scope(), frozen=False, by=OLGA.subject, at=START)
    with pytest.raises(Denied, match="no control"):
        controls.apply(seal(record.canonical(), MODE_TYPE, OLGA.signer))


def test_the_most_cautious_mode_that_covers_counts(controls: Controls) -> None:
    assert controls.mode(EU, (A,)) is Mode.OBSERVE
    controls.apply(mode(Mode.AUTOMATIC))
    assert controls.mode(EU, (A,)) is Mode.AUTOMATIC
    controls.apply(mode(Mode.APPROVE, site=EU))
    assert (controls.mode(EU, ()), controls.mode(US, ()), controls.mode(None, ())) == (
        Mode.APPROVE,
        Mode.AUTOMATIC,
        Mode.APPROVE,
    )
    controls.apply(mode(Mode.OBSERVE, tenant=A))
    assert (controls.mode(EU, (B, A)), controls.mode(EU, (B,))) == (Mode.OBSERVE, Mode.APPROVE)


def test_one_tenants_mode_says_nothing_for_another(controls: Controls) -> None:
    """A change over two tenants is as cautious as the one for whom nothing was set."""
    controls.apply(mode(Mode.AUTOMATIC, tenant=A))
    assert controls.mode(EU, (A,)) is Mode.AUTOMATIC
    assert controls.mode(EU, (A, B)) is Mode.OBSERVE
    assert controls.mode(EU, ()) is Mode.OBSERVE


@given(st.permutations(range(4)))
def test_the_newest_stands_whatever_the_order_of_arrival(order: list[int]) -> None:
    clock = TestClock(later(9))
    enrolments = Enrolments(INSTALLATION, ADA.signer.key_id, clock)
    enrolments.apply(ADA.signs(ADA.enrolment(Role.ADMINISTRATOR)))
    controls = Controls(INSTALLATION, enrolments, clock)
    told = [freeze(ADA, frozen=bool(n % 2), at=later(n)) for n in range(4)]
    for number in order:
        controls.apply(told[number])
    assert [f.at for f in controls.freezes(EU, ())] == [later(3)]


def test_of_two_at_one_time_the_more_cautious_stands(controls: Controls) -> None:
    for pair in itertools.permutations((freeze(frozen=True), freeze(frozen=False))):
        for envelope in pair:
            controls.apply(envelope)
        assert controls.freezes(EU, ())


async def test_controls_come_back_from_the_ledger(enrolments: Enrolments, controls: Controls, clock: TestClock) -> None:
    """With the signer revoked since: what was rightly set stays set until somebody sets it otherwise."""
    ledger = MemoryLedger(INSTALLATION)
    for envelope in (freeze(site=EU), mode(Mode.APPROVE, site=US), freeze(TIM, tenant=A)):
        admitted = controls.admit(envelope)
        await ledger.append(admitted.draft(clock()))
        controls.apply(admitted.envelope)
    clock.set(later(2))
    enrolments.apply(ADA.signs(OLGA.enrolment(Role.OPERATOR, enrolled_at=later(1), revoked=True)))
    loaded = Controls(INSTALLATION, enrolments, clock)
    await loaded.load(ledger)
    assert loaded.freezes(EU, (A,)) == controls.freezes(EU, (A,))
    assert len(loaded.freezes(EU, (A,))) == 2
    assert loaded.settings == controls.settings
    with pytest.raises(Denied, match="nobody trusted"):
        loaded.apply(freeze(site=US, at=clock()))
