"""Looking again, after the outcome: what a warrant's post-check owes. One timetable for each executor, off the ledger.

What was verified must still be as promised, and the workloads concerned well. What a later execution has changed since
is that one's promise and is not asked of this one. A failure is an outcome of its own, `lapsed`: the first stays what
it was. Called by the executor process; it writes nothing in the world.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from estate import kept, wellbeing
from estate.conditions import Condition, unspoken
from estate.errors import NeverRetry, RetryLater
from estate.notices import Notice, NoticeLine, Occasion
from estate.obligations import Check, Notify, PostCheck
from estate.outcomes import Ending, Outcome
from estate.progress import Stage
from estate.warrants import Warrant
from estate.words import Role
from policies import dsse
from policies.ledger.port import Draft, Entry, EntryKind, Fence, Fenced, Ledger
from tools.execution import journal
from tools.execution.hands import Hands, Tell
from tools.execution.notes import Claim, PostChecked
from tools.execution.obliging import as_missed
from tools.execution.recording import Holder

_log = structlog.get_logger(__name__)
_AGAIN = timedelta(seconds=10)
"""When what could not be asked is asked once more."""
_IDLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Due:
    """One check to come."""

    at: datetime
    check: PostCheck
    warrant: Warrant
    outcome: Outcome


class Aftercare:
    """The checks of one audience, under the lease that its executor holds."""

    def __init__(
        self,
        holder: Holder,
        hands: Hands,
        ledger: Ledger,
        fence: Callable[[], int],
        tell: Callable[[Warrant], Tell],
    ) -> None:
        self._holder = holder
        self._hands = hands
        self._ledger = ledger
        self._fence = fence
        self._tell = tell
        self._due: dict[str, Due] = {}
        self._news = asyncio.Event()

    def expect(self, warrant: Warrant, outcome: Outcome) -> None:
        """A check is due some time after this outcome, where the warrant asks for one and there is something to ask."""
        check = next((o for o in warrant.obligations if isinstance(o, PostCheck)), None)
        if check is not None and outcome.ending is Ending.VERIFIED:
            at = outcome.at + timedelta(seconds=check.after_seconds)
            self._due[outcome.execution] = Due(at, check, warrant, outcome)
            self._news.set()

    async def restore(self) -> None:
        """Expect what the ledger says was verified by this audience and not checked yet."""
        async for entry in self._ledger.entries(kind=EntryKind.CONSUMED):
            claim = Claim.read(entry.body)
            if claim.audience != self._holder.audience or not _owes(claim):
                continue
            warrant = _warrant(claim)
            outcome = await self._ledger.find(f"outcome:{claim.execution}")
            if outcome is not None and await self._ledger.find(_key(claim.execution)) is None:
                self.expect(warrant, Outcome.read(outcome.body))

    async def run(self, publish: Callable[[Outcome], Awaitable[None]]) -> None:
        """Make each check when it falls due, and publish what did not last; until cancelled."""
        await self.restore()
        while True:
            for outcome in await self.settle():
                await self._published(outcome, publish)
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._seconds())

    async def _published(self, outcome: Outcome, publish: Callable[[Outcome], Awaitable[None]]) -> None:
        """The bus carries the news; that it stands in the ledger already is what counts."""
        try:
            await self._hands.patience.insist(lambda: publish(outcome))
        except RetryLater as error:
            _log.error("lapse not published", execution=outcome.execution, reason=str(error))

    async def settle(self) -> tuple[Outcome, ...]:
        """Make every check that is due now; the outcomes of those that failed."""
        now = self._hands.clock()
        made = [await self._settled(due) for due in sorted(self._due.values(), key=lambda d: d.at) if due.at <= now]
        return tuple(outcome for outcome in made if outcome is not None)

    async def _settled(self, due: Due) -> Outcome | None:
        execution = due.outcome.execution
        try:
            faults = await self._faults(due)
            lapsed = await self._recorded(due, faults)
        except RetryLater as error:
            _log.warning("post-check put off", execution=execution, reason=str(error))
            self._due[execution] = Due(self._hands.clock() + _AGAIN, due.check, due.warrant, due.outcome)
            return None
        except Fenced:
            del self._due[execution]  # whoever took over reads it off the ledger
            return None
        del self._due[execution]
        return lapsed

    async def _faults(self, due: Due) -> tuple[str, ...]:
        found: list[str] = []
        if Check.PROMISED in due.check.checks:
            conditions = await self._still_promised(due)
            try:
                missed = await self._hands.target.verify(conditions, self._hands.patience)
                found += [as_missed(m) for m in missed]
            except NeverRetry as error:
                found.append(f"it could not be looked at: {error}")
        if Check.HEALTHY in due.check.checks:
            workloads = dict.fromkeys(w for s in due.warrant.steps for w in kept.workloads_of(s))
            found += [why for _, why in wellbeing.unwell(self._hands.reader.newest(), workloads)]
        return tuple(found)

    async def _still_promised(self, due: Due) -> tuple[Condition, ...]:
        """What it left true and nobody has written since with a warrant of their own."""
        left = journal.expected(due.warrant.steps)
        own = await self._ledger.find(f"consumed:{due.warrant.nonce}")
        after = own.index if own is not None else -1
        async for entry in self._ledger.entries(kind=EntryKind.CONSUMED, after=after):
            for step in _warrant(Claim.read(entry.body)).steps:
                for later in step.postconditions:
                    left = unspoken(left, later)
        return left

    async def _recorded(self, due: Due, faults: tuple[str, ...]) -> Outcome | None:
        """The entry first, then who must be told; the outcome of its own that a failure is."""
        note = PostChecked(
            execution=due.outcome.execution, checks=due.check.checks, held=not faults, faults=faults[:16]
        )
        made = await self._ledger.append(self._draft(due, note))
        stands = PostChecked.read(made.entry.body)
        tell = self._tell(due.warrant)
        if stands.held:
            await tell(Stage.POST_CHECK, f"still as promised {due.check.after_seconds} s after the outcome")
            return None
        await self._lapsed(due, stands, made.entry)
        await tell(Stage.POST_CHECK, f"did not last: {'; '.join(stands.faults)}")
        reason = f"verified, and {due.check.after_seconds} s later not any more: {'; '.join(stands.faults)}"
        return due.outcome.model_copy(update={"ending": Ending.LAPSED, "reason": reason, "at": made.entry.at})

    async def _lapsed(self, due: Due, note: PostChecked, entry: Entry) -> None:
        if self._hands.announce is None:
            return
        asked = next((o.roles for o in due.warrant.obligations if isinstance(o, Notify)), (Role.OPERATOR,))
        await self._hands.announce(
            Notice(
                installation=due.warrant.installation,
                incident=due.warrant.incident,
                proposal=due.warrant.proposal,
                execution=due.outcome.execution,
                site=due.warrant.site,
                occasion=Occasion.LAPSED,
                roles=tuple(dict.fromkeys((Role.OPERATOR, *asked))),
                lines=tuple(NoticeLine(text=fault) for fault in note.faults),
                at=entry.at,
            )
        )

    def _draft(self, due: Due, note: PostChecked) -> Draft:
        return Draft(
            kind=EntryKind.POST_CHECKED,
            at=self._hands.clock(),
            by=self._holder.subject,
            body=note.json_form(),
            key=_key(due.outcome.execution),
            incident=due.warrant.incident,
            proposal=due.warrant.proposal,
            fence=Fence(scope=due.outcome.execution, token=self._fence()),
        )

    def _seconds(self) -> float:
        now = self._hands.clock()
        return min((max(0.0, (d.at - now).total_seconds()) for d in self._due.values()), default=_IDLE_SECONDS)


def _key(execution: str) -> str:
    return f"post-checked:{execution}"


def _owes(claim: Claim) -> bool:
    """Whether it may owe a post-check, without reading all of what may be many steps: there are as many as changes."""
    return b'"kind":"post-check"' in dsse.stated_payload(claim.envelope.encode())


def _warrant(claim: Claim) -> Warrant:
    """The warrant in a claim: its signature was verified before the claim could be made."""
    return Warrant.read(dsse.stated_payload(claim.envelope.encode()))
