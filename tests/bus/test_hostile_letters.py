"""Dead letters as a weapon: a sender or a worker that writes a letter's story, against whoever reads and replays it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from estate.errors import BadInput
from estate.subjects import Subjects
from tools.bus import dead_letters
from tools.bus.dead_letters import ATTEMPTS, BODY, FROM_STREAM, REPLAYS, SUBJECT
from tools.bus.port import Bus, Delivery
from tools.bus.streams import streams

WORKER = "correlator"


@pytest.fixture
async def declared(bus: Bus, subjects: Subjects) -> Subjects:
    """Every stream of the installation."""
    await bus.declare(*streams(subjects))
    return subjects


def delivered(subjects: Subjects, headers: Mapping[str, str]) -> Delivery:
    """A body on a channel, with a sender's own headers."""
    return Delivery(subjects.intake("local", "kernel"), b"x", headers, "m1", "INTAKE_DEVICE", 7, 1)


async def bury(bus: Bus, subjects: Subjects, delivery: Delivery, reason: str = "no", **over: str) -> None:
    """What a worker with the rights of its user puts among the dead letters."""
    copy = dead_letters.copy_of(delivery, WORKER, reason)
    headers = {**copy.headers, **over}
    await bus.publish(
        subjects.dead_letter("INTAKE_DEVICE", WORKER), copy.data, message_id=copy.message_id, headers=headers
    )


async def test_a_senders_headers_do_not_blind_the_list(bus: Bus, declared: Subjects):
    """One number that is none would otherwise hide every dead letter for ever."""
    hostile = {REPLAYS: "many", ATTEMPTS: "-1", BODY: "omitted", BODY.upper(): "omitted", "Kept": "yes"}
    await bury(bus, declared, delivered(declared, hostile), **{ATTEMPTS: "\u0663"})
    (letter,) = await dead_letters.listed(bus)
    assert (letter.replays, letter.attempts, letter.body_omitted) == (0, 0, False)
    assert dict(letter.headers) == {REPLAYS: "many", "Kept": "yes"}
    await dead_letters.replay(bus, letter.sequence)


async def test_a_reason_carries_nothing_that_a_terminal_obeys(bus: Bus, declared: Subjects):
    await bury(bus, declared, delivered(declared, {}), reason="bad name `\x1b]0;owned\x07`\u202e")
    (letter,) = await dead_letters.listed(bus)
    assert letter.reason.isprintable()


@pytest.mark.parametrize("stream", ["INTAKE", "APPROVALS", "NONE"])
async def test_a_letter_goes_back_to_its_own_stream_only(bus: Bus, declared: Subjects, stream: str):
    """Who replays it may publish approvals and settings; who buried it may not."""
    forged = {SUBJECT: declared.approval("eu-de"), FROM_STREAM: stream}
    await bury(bus, declared, delivered(declared, {}), **forged)
    (letter,) = await dead_letters.listed(bus)
    with pytest.raises(BadInput, match="not of its stream"):
        await dead_letters.replay(bus, letter.sequence)
    assert await bus.replay("APPROVALS") == ()
