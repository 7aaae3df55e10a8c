"""Calls to the front door: whose flood it is has it refused, and nobody else."""

from __future__ import annotations

import secrets

import pytest

from console.config import Pace
from console.door.calls import Caller, Calls, Unauthenticated
from console.door.commands import WhoAmI
from console.rates import Rates
from estate.errors import RetryLater
from policies.enrolments import Enrolments
from tests.builders import INSTALLATION, TestClock
from tests.signing.conftest import MALLORY, OLGA, TIM, Person


def calling(person: Person, clock: TestClock) -> bytes:
    return Caller(INSTALLATION, person.subject, person.signer, clock, secrets.token_bytes).sign(WhoAmI())


def test_whoever_asks_too_fast_is_told_when_to_ask_again_and_others_are_heard(
    clock: TestClock, enrolments: Enrolments
) -> None:
    passed = [0.0]
    calls = Calls(INSTALLATION, enrolments, clock, Rates(lambda: passed[0]), Pace(per_second=2, burst=3))
    for _ in range(3):
        calls.open(calling(OLGA, clock))
    again = calling(OLGA, clock)
    with pytest.raises(RetryLater, match=r"`.*olga` asks more than 2 times a second; ask again in 1 s"):
        calls.open(again)
    assert calls.open(calling(TIM, clock)).caller.subject == TIM.subject
    passed[0] = 1.0
    assert calls.open(again).caller.subject == OLGA.subject, "what was refused is not remembered as made"


def test_a_stranger_empties_nobodys_bucket(clock: TestClock, enrolments: Enrolments) -> None:
    calls = Calls(INSTALLATION, enrolments, clock, Rates(lambda: 0.0), Pace(per_second=1, burst=1))
    forged = Caller(INSTALLATION, OLGA.subject, MALLORY.signer, clock, secrets.token_bytes)
    for _ in range(3):
        with pytest.raises(Unauthenticated, match="nobody trusted"):
            calls.open(forged.sign(WhoAmI()))
    assert calls.open(calling(OLGA, clock)).caller.subject == OLGA.subject
