"""A gate with everything around it, for tests of what it does over and over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from estate.frozen import FrozenEstate
from estate.identities import Role
from estate.ids import ExecutionId, ExecutorId
from estate.outcomes import Ending, Outcome
from estate.units import Watts
from estate.warrants import Warrant
from policies import warrants
from policies.gate import Answer, Gate
from policies.keyrings import StaticRing
from policies.ledger.port import Appended, Draft, EntryKind, Ledger
from policies.signing.memory import MemorySigner
from tests.builders import INSTALLATION, START, TestClock, TestEntropy, estate, facts, rack
from tests.policies.asking import (
    Person,
    enrolments,
    law,
    orders,
    owner,
)

EXECUTOR = ExecutorId("twin-1")
KEY = MemorySigner.generate(TestEntropy("gate"))
BEA = owner()
OLGA = Person("olga")
PEOPLE = (BEA, OLGA, owner("ann"), Person("zoe", (Role.REQUESTER,)))


class Killed(Exception):
    """The process was killed here."""


@dataclass
class Mortal:
    """A ledger whose process is killed around the n-th append, before or after it is durable."""

    inner: Ledger
    at: int
    durable: bool
    seen: int = 0

    async def append(self, draft: Draft) -> Appended:
        self.seen += 1
        if self.seen == self.at and not self.durable:
            raise Killed
        made = await self.inner.append(draft)
        if self.seen == self.at:
            raise Killed
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass
class House:
    """A gate with everything around it; `gate` may be replaced by one that starts anew on the same ledger."""

    ledger: Ledger
    snapshot: FrozenEstate = field(default_factory=estate)
    clock: TestClock = field(default_factory=TestClock)
    entropy: TestEntropy = field(default_factory=TestEntropy)
    over: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.enrolments = enrolments(*PEOPLE, clock=self.clock)

    def gate(self, **over: Any) -> Gate:
        fields: dict[str, Any] = {
            "installation": INSTALLATION,
            "ledger": self.ledger,
            "signer": KEY,
            "bundle": law(),
            "newest": lambda: self.snapshot,
            "controls": orders(),
            "enrolments": self.enrolments,
            "clock": self.clock,
            "entropy": self.entropy,
            "audience": lambda clusters: EXECUTOR,
        }
        return Gate(**(fields | self.over | over))

    async def kinds(self) -> list[EntryKind]:
        return [e.kind async for e in self.ledger.entries()]


def opened(answer: Answer) -> Warrant:
    """The warrant of a permit, read back as the executor reads it."""
    assert answer.warrant_envelope is not None
    return warrants.read_warrant(answer.warrant_envelope, StaticRing.of(KEY.public_key), EXECUTOR, INSTALLATION)


def outcome(warrant: Warrant, ending: Ending = Ending.VERIFIED) -> Outcome:
    """How its execution ended."""
    return Outcome(
        installation=INSTALLATION,
        incident=warrant.incident,
        proposal=warrant.proposal,
        warrant=warrant.digest,
        execution=ExecutionId("exec-1"),
        site=warrant.site,
        lane=warrant.lane,
        ending=ending,
        steps=(),
        at=START,
    )


def tight(watts: int = 9_000) -> FrozenEstate:
    """The small estate with so many watts a rack."""
    racks = tuple(rack(r, power_budget_watts=Watts(watts)) for r in ("eu-a", "eu-b", "us-a", "us-b"))
    return estate(law_base=facts(racks=racks))
