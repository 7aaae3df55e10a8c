"""What the gate says of itself: that it is there, and which rules are in force."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from estate import canonical
from estate.errors import Denied, RetryLater
from estate.identities import SubjectKind
from estate.ids import Digest
from policies import activations
from policies.heartbeats import UNREACHED, Pulse, Silence, Watch
from policies.ledger.archives import Archive
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Appended, Draft, Entry, EntryKind
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


class Away(MemoryLedger):
    """A ledger that cannot be read while it is away."""

    away = False

    async def find(self, key: str) -> Entry | None:
        if self.away:
            raise RetryLater("away")
        return await super().find(key)


class Ear:
    """Hears of silences, unless it is deaf."""

    def __init__(self) -> None:
        self.told, self.deaf = list[Silence](), False

    async def __call__(self, silence: Silence) -> None:
        if self.deaf:
            raise RetryLater("no bus")
        self.told.append(silence)


async def test_a_silence_is_told_once_as_it_is_noticed_and_once_as_it_ends() -> None:
    """Of a gate that fell silent, of what was silent while nobody looked, and of a ledger that is out of reach."""
    clock, ledger, ear = TestClock(), Away(INSTALLATION), Ear()
    pulse = Pulse(ledger, clock, MINUTE)
    watch = Watch(pulse, ear)
    await beating(pulse, clock, 0, 3, 4)
    await watch.look()
    missed = Silence(START + MINUTE, START + 3 * MINUTE)
    assert ear.told == [replace(missed, lasting=True), missed]
    for minute in (7, 8, 9):
        clock.set(START + minute * MINUTE)
        await watch.look()
    (begun,) = ear.told[2:]
    assert (begun.since, begun.lasting) == (START + 5 * MINUTE, True)
    await beating(pulse, clock, 9, 10, 11)
    ear.deaf = True
    with pytest.raises(RetryLater):
        await watch.look()
    ear.deaf = False
    for _ in range(2):
        await watch.look()
    assert ear.told[3:] == [Silence(START + 5 * MINUTE, START + 9 * MINUTE)]
    ledger.away = True
    for _ in range(2):
        await watch.look()
        clock.advance(seconds=30)
    ledger.away = False
    await pulse.beat(GATE)
    await watch.look()
    lost, found = ear.told[4:]
    assert (lost.why, lost.lasting, found.lasting) == (UNREACHED, True, False)
    assert found.until - found.since == timedelta(seconds=30)


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
