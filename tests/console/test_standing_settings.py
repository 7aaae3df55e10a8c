"""What a process that has just started makes of settings that are signalled while it still reads the ledger."""

from __future__ import annotations

import asyncio

from console.processes.settings import Standing
from estate.identities import Role
from estate.modes import Mode
from estate.subjects import Subjects
from policies.ledger.memory import MemoryLedger
from policies.ledger.port import Draft, EntryKind
from tests.builders import INSTALLATION, START, TestClock
from tests.signing.conftest import ADA, OLGA
from tools.bus import streams
from tools.bus.memory import MemoryBroker
from tools.bus.streams import streams as declared


async def test_a_setting_that_is_signalled_before_the_ledger_is_read_counts_once_it_was(
    memory_broker: MemoryBroker,
) -> None:
    """Its signer is known from the ledger alone: refused too early, it would stay refused until the next start."""
    subjects, ledger = Subjects(INSTALLATION), MemoryLedger(INSTALLATION)
    bus = memory_broker.connect(subjects)
    await bus.declare(next(s for s in declared(subjects) if s.name == streams.CONTROLS))
    founder = ADA.signs(ADA.enrolment(Role.ADMINISTRATOR))
    body = {"envelope": founder.decode()}
    await ledger.append(Draft(EntryKind.ENROLLED, START, ADA.subject, body, key="enrolled:founder"))
    await bus.publish(subjects.control("enrolment"), ADA.signs(OLGA.enrolment(Role.OPERATOR)), message_id="olga")
    standing = Standing.of(INSTALLATION, ADA.signer.key_id, TestClock(), Mode.AUTOMATIC)
    following = asyncio.create_task(standing.follow(bus, subjects))
    for _ in range(20):
        await asyncio.sleep(0)
    await standing.load(ledger)
    async with asyncio.timeout(10):
        while standing.enrolments.of_key(OLGA.signer.key_id) is None:  # noqa: ASYNC110 - looked at from outside
            await asyncio.sleep(0.01)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
