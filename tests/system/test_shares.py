"""One channel floods the stream that it shares with others, and the dead letters: their fences do not notice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from policies.ledger.port import EntryKind
from tests.system.composed import ALERTS, KERNEL, SPARE, Composed, founded, started, until
from tools.bus import accounts, streams
from tools.bus.port import NotAllowed, SubjectFull

pytestmark = [pytest.mark.nats, pytest.mark.processes, pytest.mark.xdist_group("system-2")]

SHARE = 4
"""Messages of a channel that may wait here, so that a flood is soon one."""


@asynccontextmanager
async def narrow(tmp_path: Path) -> AsyncIterator[Composed]:
    async with started(founded(tmp_path / "state")) as composed:
        admin = await composed.as_user(accounts.ADMINISTRATOR)
        shared = (streams.INTAKE_DEVICE, streams.DEAD)
        found = [s for s in streams.streams(composed.system.subjects) if s.name in shared]
        await admin.declare(*(replace(s, max_per_subject=SHARE) for s in found))
        yield composed


async def flooded(composed: Composed) -> int:
    """Bodies that nobody can read on one channel, until the door refuses them for good; how many went in."""
    taken = 0

    async def refused() -> bool:
        nonlocal taken
        answer = await composed.post(b'{"no": "event %d"}' % taken, "nvsentinel", ALERTS)
        if answer.status_code == 202:
            taken += 1
            return False
        assert answer.status_code == 429
        assert f"channel `{ALERTS}` has as many `nvsentinel` bodies waiting as it may" in answer.json()["error"]
        return len(await composed.letters()) == SHARE and taken == 2 * SHARE

    await until(refused, 30)
    return taken


async def test_a_flood_of_unreadable_bodies_leaves_anothers_fence_alone_and_loses_nothing(tmp_path: Path) -> None:
    async with narrow(tmp_path) as composed:
        assert await flooded(composed) == 2 * SHARE, "as many letters, and as many that wait for room among them"
        with pytest.raises(SubjectFull):
            await composed.publish(b"{}", "nvsentinel", ALERTS)
        assert (await composed.post(await composed.good())).status_code == 202
        await until(lambda: composed.cordoned(SPARE), 20)
        await composed.publish(b"{}", "nvsentinel", KERNEL)

        async def another() -> bool:
            return len(await composed.letters()) == SHARE + 1

        await until(another)


async def test_a_hopeless_letter_is_dropped_by_a_person_and_the_ledger_says_which(tmp_path: Path) -> None:
    async with narrow(tmp_path) as composed:
        assert (await composed.post(b'{"no": "event"}', "nvsentinel", ALERTS)).status_code == 202
        letter = await composed.letter_about("")
        number = str(letter["sequence"])
        code, out, err = await composed.cli("dlq", "drop", number)
        assert (code, number in out) == (0, True), err
        assert await composed.letters() == []
        says = [str(e.body["says"]) for e in await composed.entries(EntryKind.COMMANDED)]
        assert [s for s in says if s.startswith(f"drop dead letter {number} from ") and "body sha256:" in s]
        assert (await composed.cli("dlq", "drop", number))[0] == 5
        code, out, err = await composed.cli("doctor")
        assert "dead letters" in out
        assert code == 0, out + err


async def test_a_channel_publishes_the_formats_that_it_was_given_and_no_other(tmp_path: Path) -> None:
    """What nobody reads would end among the dead letters, under a name that nobody bounds."""
    async with narrow(tmp_path) as composed:
        for format in ("unheard-of", "request"):
            with pytest.raises(NotAllowed):
                await composed.publish(b"{}", format, ALERTS)
