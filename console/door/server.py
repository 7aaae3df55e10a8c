"""The front door inside: opens signed calls, checks what may be asked, answers with one shape whatever happens.

One console answers each call; a big answer is spooled where it was made and handed out in parts by that console.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from console.door import authorising
from console.door.calls import Calls, Opened, Unauthenticated
from console.door.client import part_verb
from console.door.commanding import Commanding
from console.door.commands import (
    LARGEST_REPLY_BYTES,
    VERBS,
    Approve,
    Ask,
    Command,
    Drop,
    ExitCode,
    LedgerErase,
    Part,
    Propose,
    Replay,
    Reply,
    Set,
)
from console.door.desk import Desk, NotFound
from console.door.querying import Querying
from console.door.texts import cleaned
from estate.errors import BadInput, Denied, NewerRecord, PlacetError, RetryLater
from estate.identities import Enrolment
from tools.bus.dead_letters import NoSuchLetter

log = structlog.get_logger(__name__)
QUEUE = "door"


class DoorServer:
    """Answers on the bus until the bus is closed."""

    def __init__(self, desk: Desk, calls: Calls) -> None:
        self._desk = desk
        self._calls = calls
        self._commanding = Commanding(desk)
        self._querying = Querying(desk)

    async def open(self) -> None:
        """Begin to answer."""
        bus, subjects = self._desk.bus, self._desk.subjects
        for verb in VERBS:
            await bus.respond(subjects.command(verb), self.answer, queue=QUEUE)
        await bus.respond(subjects.command(part_verb(self._desk.spool.console)), self.hand_out)

    async def answer(self, data: bytes, headers: Mapping[str, str]) -> bytes:
        """The reply to one call; an error is a reply too."""
        try:
            opened = self._calls.open(data)
            authorising.check(opened.caller, opened.call.command)
            reply = await self._do(opened, opened.call.command)
        except PlacetError as error:
            return failure(error).canonical()
        except Exception:
            log.exception("call failed")
            return Reply(code=ExitCode.ERROR, message="internal error; see the console's log").canonical()
        return await self._fitted(reply, opened.caller)

    async def hand_out(self, data: bytes, headers: Mapping[str, str]) -> bytes:
        """The next bytes of a spooled answer; nothing for whom it was not made."""
        try:
            opened = self._calls.open(data)
            command = opened.call.command
            return await self._desk.spool.part(command, opened.caller.subject) if isinstance(command, Part) else b""
        except PlacetError as error:
            log.warning("part refused", reason=str(error))
            return b""

    async def _do(self, opened: Opened, command: Command) -> Reply:
        match command:
            case Ask() | Propose() | Approve() | Set() | Replay() | Drop() | LedgerErase():
                return await self._commanding.handle(opened, command)
            case Part():
                raise BadInput("parts are handed out by the console that spooled them; follow `spooled`")
            case _:
                return await self._querying.handle(opened.caller, command)

    async def _fitted(self, reply: Reply, caller: Enrolment) -> bytes:
        try:
            data = reply.canonical()
        except BadInput:
            data = reply.model_copy(update={"result": cleaned(reply.result)}).canonical()
        if len(data) <= LARGEST_REPLY_BYTES:
            return data
        spooled = await self._desk.spool.put(data, caller.subject)
        return Reply(spooled=spooled).canonical()


def failure(error: PlacetError) -> Reply:
    """An error as a reply, with the exit code that fits it."""
    match error:
        case Unauthenticated():
            code = ExitCode.UNAUTHENTICATED
        case Denied():
            code = ExitCode.FORBIDDEN
        case NotFound() | NoSuchLetter():
            code = ExitCode.NOT_FOUND
        case NewerRecord() | RetryLater():
            code = ExitCode.ERROR
        case BadInput():
            code = ExitCode.USAGE
        case _:
            code = ExitCode.ERROR
    return Reply(code=code, message=str(error))
