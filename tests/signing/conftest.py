"""People with keys, and the enrolments that an administrator signed for them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from estate.identities import Enrolment, Role, Subject
from estate.ids import TenantId
from estate.modes import Freeze
from policies.controls import FREEZE_TYPE, MODE_TYPE
from policies.controls import Control as Setting
from policies.enrolments import PAYLOAD_TYPE, Enrolments
from policies.signing.memory import MemorySigner
from policies.signing.sealing import seal
from tests.builders import INSTALLATION, START, TestClock, TestEntropy, subject


@dataclass(frozen=True)
class Person:
    """Somebody with a key of their own."""

    subject: Subject
    signer: MemorySigner

    def enrolment(self, *roles: Role, tenants: tuple[str, ...] = (), **over: Any) -> Enrolment:
        """What an administrator may say of this person."""
        fields: dict[str, Any] = {
            "installation": INSTALLATION,
            "subject": self.subject,
            "key_id": self.signer.key_id,
            "public_key": base64.b64encode(self.signer.public_key).decode(),
            "roles": roles,
            "tenants": tuple(TenantId(t) for t in tenants),
            "enrolled_at": START,
            "valid_until": START + timedelta(days=30),
        }
        return Enrolment(**(fields | over))

    def signs(self, enrolment: Enrolment) -> bytes:
        """The enrolment under this person's key."""
        return seal(enrolment.canonical(), PAYLOAD_TYPE, self.signer)

    def sets(self, control: Setting) -> bytes:
        """The freeze or mode under this person's key."""
        return seal(control.canonical(), FREEZE_TYPE if isinstance(control, Freeze) else MODE_TYPE, self.signer)


def person(name: str, key: str = "") -> Person:
    """A person whose key follows from the name."""
    return Person(subject(name), MemorySigner.generate(TestEntropy(key or name)))


ADA, OLGA, TIM, MALLORY = (person(n) for n in ("ada", "olga", "tim", "mallory"))


@pytest.fixture
def clock() -> TestClock:
    """Stands at the start."""
    return TestClock()


@pytest.fixture
def enrolments(clock: TestClock) -> Enrolments:
    """Ada administers, Olga operates, Tim owns tenant-a."""
    made = Enrolments(INSTALLATION, ADA.signer.key_id, clock)
    made.apply(ADA.signs(ADA.enrolment(Role.ADMINISTRATOR)))
    made.apply(ADA.signs(OLGA.enrolment(Role.OPERATOR)))
    made.apply(ADA.signs(TIM.enrolment(Role.TENANT_OWNER, tenants=("tenant-a",))))
    return made


def later(days: float = 0, **units: float) -> datetime:
    """A while after the start."""
    return START + timedelta(days=days, **units)
