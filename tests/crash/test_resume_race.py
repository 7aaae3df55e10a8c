"""Two agent processes resume one approval at the same moment: one of them goes on, the other one stops."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from console.installations import Installation
from console.visiting import credentials_of
from estate.incidents import CaseState
from estate.proposals import Lane
from estate.verdicts import Decision, Verdict
from tests.crash.accounting import estate_is_right, everything_was_heard, ledger_is_right, streams_come_to_rest
from tests.crash.supervision import Child, Outside, until
from tools.bus import accounts, streams
from tools.bus.nats import NatsBus

pytestmark = [pytest.mark.nats, pytest.mark.postgres, pytest.mark.processes, pytest.mark.timeout(300)]
RACERS = ("one", "two")
REST = ("console", "executor-twin", "gate", "inventory")


async def test_of_two_processes_that_resume_one_approval_one_wins(apart: Outside, tmp_path: Path) -> None:
    """Both have read the thread that waits before either may write it; the verdict came to each of them."""
    race, log = apart.directory("agent").root / "race", tmp_path / "log"
    rest = {role: await Child.apart(apart, log, role) for role in REST}
    racers = [await racer(apart, log, name) for name in RACERS]
    try:
        await asyncio.gather(rest["console"].reachable(apart), *(racer.ready() for racer in racers))
        await apart.enrol()
        await apart.lose_accelerator()
        waiting = await apart.incident(CaseState.AWAITING_APPROVAL)
        await streams_come_to_rest(apart)
        race.mkdir()
        await apart.approve(str(waiting["name"]))
        await both_are_told(apart, race)
        await apart.incident(CaseState.VERIFIED)
        await everything_was_heard(apart)
    finally:
        await asyncio.gather(*(child.end() for child in (*rest.values(), *racers)))
    saved, fenced = marks(race, "saved"), marks(race, "fenced")
    raced = min((version for version, _ in saved), key=int)
    assert len({version for version, _ in saved}) == len(saved), "no version of the thread was replaced twice"
    (winner,) = (name for version, name in saved if version == raced)
    (loser,) = (name for version, name in fenced if version == raced)
    assert {winner, loser} == set(RACERS)
    estate_is_right(apart)
    await ledger_is_right(apart)


async def racer(outside: Outside, log: Path, name: str) -> Child:
    root, flags = str(outside.directory("agent").root), ("--processes", "agent", "--race", name)
    return await Child.start(log, "tests.crash.worker_program", root, *flags)


async def both_are_told(outside: Outside, race: Path) -> None:
    """Deliver the permit again, as a stream may, until both processes hold it."""
    user, url = accounts.ADMINISTRATOR, outside.settings.nats_url
    assert url is not None
    installation = Installation.open(outside.state, outside.settings)
    bus = await NatsBus.connect(credentials_of(installation, url, user), installation.subjects, name="again")
    copies = iter(range(100))

    async def told() -> bool | None:
        for delivery in await bus.replay(streams.VERDICTS):
            verdict = Verdict.read(delivery.data)
            if (verdict.lane, verdict.decision) == (Lane.CASE, Decision.PERMIT):
                await bus.publish(delivery.subject, delivery.data, message_id=f"again-{next(copies)}")
                break
        await asyncio.sleep(0.2)
        return {name for _, name in marks(race, "read")} == set(RACERS) or None

    try:
        await until(told, "both processes to hold the verdict")
    finally:
        await bus.close()


def marks(race: Path, what: str) -> set[tuple[str, str]]:
    """(checkpoint version or read number, racer) of everything of that kind."""
    found = (path.name.split("-") for path in race.glob(f"{what}-*"))
    return {(number, name) for _, number, name in found}
