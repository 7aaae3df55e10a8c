"""What the gate says of itself: that it is there, and which rules are in force."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import pytest

from estate import canonical
from estate.errors import Denied, RetryLater
from estate.identities import SubjectKind
from estate.ids import Digest
from policies import activations
from policies.heartbeats import Pulse, Silence
from policies.ledger.archives import Archive
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Appended, Draft, EntryKind
from tests.builders import INSTALLATION, START, TestClock, subject

GATE = subject("gate", SubjectKind.GATE)
MINUTE = timedelta(minutes=1)


async def beating(pulse: Pulse, clock: TestClock, *minutes: int) -> None:
    """Beats at these minutes after the start."""
    for minute in minutes:
        clock.set(START + minute * MINUTE)
        await pulse.beat(GATE)


async def test_a_period_without_a_heartbeat_is_a_silence(ledger: Archive) -> None:
    clock = TestClock()
    pulse = Pulse(ledger, clock, MINUTE)
    assert await pulse.silences() == ()
    await beating(pulse, clock, 0, 1, 1, 2, 6, 7)
    assert len([e async for e in ledger.entries(kind=EntryKind.HEARTBEAT)]) == 5
    clock.advance(minutes=2)
    assert await pulse.silences() == (Silence(START + 3 * MINUTE, START + 6 * MINUTE),)
    clock.advance(minutes=3)
    assert [s.since for s in await pulse.silences()] == [START + 3 * MINUTE, START + 8 * MINUTE]
    assert [s.since for s in await pulse.silences(4 * MINUTE)] == [START + 8 * MINUTE]


async def test_a_silence_is_told_once() -> None:
    clock, told = TestClock(), list[Silence]()
    pulse = Pulse(MemoryLedger(INSTALLATION), clock, timedelta(seconds=1))
    await pulse.beat(GATE)
    clock.advance(5)

    async def tell(silence: Silence) -> None:
        told.append(silence)

    watching = asyncio.create_task(pulse.keep_watching(tell))
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    watching.cancel()
    assert [s.since for s in told] == [START + timedelta(seconds=1)]


class Down(MemoryLedger):
    """A ledger whose storage is away."""

    async def append(self, draft: Draft) -> Appended:
        raise RetryLater("away")


async def test_a_gate_whose_ledger_is_down_goes_on_trying() -> None:
    beating = asyncio.create_task(Pulse(Down(INSTALLATION), TestClock(), MINUTE).keep_beating(GATE))
    await asyncio.sleep(0.01)
    assert not beating.done()
    beating.cancel()


@dataclass(frozen=True)
class Rules:
    """A bundle by name and number."""

    digest: Digest
    version: int


def rules(name: str, version: int) -> Rules:
    return Rules(canonical.digest(name.encode()), version)


async def test_rules_that_were_replaced_or_are_older_never_come_back(ledger: Archive) -> None:
    """Old rules are the cheapest way to make something lawful again."""
    for one in (rules("a", 1), rules("a", 1), rules("b", 1), rules("c", 3)):
        await activations.activate(ledger, one, GATE, START)
    assert [e.body["version"] async for e in ledger.entries(kind=EntryKind.BUNDLE_LOADED)] == [1, 1, 3]
    for old, reason in ((rules("a", 1), "older than version 3"), (rules("d", 2), "older"), (rules("b", 3), "replaced")):
        with pytest.raises(Denied, match=reason):
            await activations.activate(ledger, old, GATE, START)
        with pytest.raises(Denied, match=reason):
            await activations.check(ledger, old)
    await activations.activate(ledger, rules("a, raised", 4), GATE, START)
    assert (await activations.active(ledger)).version == 4
