"""The front door from outside: one signed call, one reply. CLI, chat, web and MCP use this and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

from console.door.calls import Caller
from console.door.commands import Ask, Command, Part, Planned, Propose, Reply, Spooled
from console.door.texts import told
from estate.errors import BadInput, NeverRetry, NewerRecord, RetryLater
from estate.ids import IncidentId
from estate.progress import Progress
from estate.subjects import Subjects
from tools.bus.port import Bus

WITHIN = timedelta(seconds=15)
_PLANNED_WITHIN = timedelta(minutes=2)
"""A plan takes seconds of work, and longer where others work beside it."""
_MAYBE_TAKEN = "it may have been taken all the same: see `placet get incidents` before you give it again"
"""A lost reply leaves a case open, and the same words again open a second one."""


class DoorClient:
    """Calls the door for one person over one connection."""

    def __init__(self, bus: Bus, caller: Caller, within: timedelta = WITHIN) -> None:
        self.caller = caller
        self._bus = bus
        self._subjects = Subjects(caller.installation)
        self._within = within

    async def call(self, command: Command) -> Reply:
        """The reply, with a spooled result fetched and put together.

        Raises:
            RetryLater: no console answered in time.
        """
        reply = await self.ask(command)
        if reply.spooled is None:
            return reply
        whole = b"".join([part async for part in self.parts(reply.spooled)])
        return Reply.read(whole)

    async def ask(self, command: Command) -> Reply:
        """The reply as it came: a spooled result is only named. For answers that are better streamed."""
        subject = self._subjects.command(command.verb)
        try:
            within = max(self._within, _PLANNED_WITHIN) if isinstance(command, Planned) else self._within
            return Reply.read(await self._bus.request(subject, self.caller.sign(command), within=within))
        except RetryLater as error:
            if isinstance(command, Ask | Propose):
                raise RetryLater(f"{error}; {_MAYBE_TAKEN}") from error
            raise

    async def parts(self, spooled: Spooled) -> AsyncIterator[bytes]:
        """The bytes of a spooled answer in order; refuses bytes that are not the ones announced."""
        subject = self._subjects.command(part_verb(spooled.console))
        offset, hashed = 0, hashlib.sha256()
        while offset < spooled.size:
            signed = self.caller.sign(Part(handle=spooled.handle, offset=offset))
            data = await self._bus.request(subject, signed, within=self._within)
            if not data:
                raise NeverRetry("the answer was dropped before it was fetched; ask again")
            hashed.update(data)
            offset += len(data)
            yield data
        if f"sha256:{hashed.hexdigest()}" != spooled.content:
            raise NeverRetry("the answer changed on its way; ask again")

    async def progress(self, incident: IncidentId | None = None) -> AsyncIterator[Progress]:
        """What one case (or every case) is doing from now on, until closed. What cannot be read is no loss."""
        async for _, data in self._bus.listen(self._subjects.progress(incident or "*")):
            with suppress(BadInput, NewerRecord):
                yield told(Progress.read(data))


def part_verb(console: str) -> str:
    """The verb on which one console hands out what it spooled."""
    return f"part-{console}"
