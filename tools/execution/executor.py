"""The executor: obeys nothing but a signed, single-use warrant, and does what it says exactly once.

The executor process calls `execute` with each envelope it is delivered and `resume_all` when it starts. A warrant
is consumed by one ledger entry before anything else is looked at; every later refusal is the outcome of that execution,
so that racing executors can never write two outcomes. Undone work is undone whatever the clock says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from weakref import WeakValueDictionary

import structlog

from estate.errors import Denied, RetryLater
from estate.ids import ExecutionId
from estate.outcomes import Outcome
from estate.warrants import Warrant
from policies import skews, warrants
from policies.ledger.port import EntryKind, Fenced, Ledger
from policies.skews import Skewed
from tools.execution.aftercare import Aftercare
from tools.execution.authority import Law
from tools.execution.guarding import Guarded
from tools.execution.hands import Hands, Tell, silent
from tools.execution.journal import execution_id
from tools.execution.notes import Claim
from tools.execution.recording import Held, Holder, Recorder
from tools.execution.running import Run
from tools.execution.traffic import Traffic

_log = structlog.get_logger(__name__)


class Executor:
    """One process's executor for one audience."""

    def __init__(
        self,
        holder: Holder,
        law: Law,
        hands: Hands,
        ledger: Ledger,
        fence: Callable[[], int],
        tell: Callable[[Warrant], Tell] | None = None,
    ) -> None:
        """`fence` gives the token of the lease this process holds; `tell` gives the watchers' channel of a warrant."""
        self._holder = holder
        self._law = law
        self._hands = replace(hands, target=Guarded(hands.target))
        self._ledger = ledger
        self._fence = fence
        self._tell = tell or (lambda warrant: silent)
        self._traffic = Traffic(ledger, law.enrolled)
        self.aftercare = Aftercare(holder, self._hands, ledger, fence, self._tell)
        """What is owed after outcomes; whoever runs this executor runs it too."""
        self._locks: WeakValueDictionary[ExecutionId, asyncio.Lock] = WeakValueDictionary()

    async def execute(self, envelope: bytes) -> Outcome:
        """Carry out the warrant, or resume it; its outcome is in the ledger before this returns it.

        Raises:
            Denied, BadInput: the envelope is no warrant for this executor, or none was issued; nothing was written.
            Held: another holder executes it; its outcome will be there when asked again.
            Fenced: a newer holder took over while we were at it; nothing more was written.
            RetryLater: ledger, target or inventory is out of reach; the same call resumes.
        """
        warrant = await self._law.read_warrant(envelope)
        # The lock keeps a redelivered message off an execution that this very process is still busy with.
        async with self._locks.setdefault(execution_id(warrant.nonce), asyncio.Lock()):
            return await self._execute(warrant, envelope)

    async def resume_all(self, tell: Callable[[Outcome], Awaitable[None]] | None = None) -> tuple[Outcome, ...]:
        """Finish every execution of this audience that the ledger has without an outcome; none waits for another, and
        each is told of as it ends: a canary may soak for hours.

        One that cannot be finished now, for whatever reason, is logged and left for its next delivery: what one object
        of somebody's holds up must not keep these hands from all the rest.
        """
        envelopes = [envelope async for envelope in self._unfinished()]
        finished = await asyncio.gather(*(self._resumed(envelope, tell) for envelope in envelopes))
        return tuple(o for o in finished if o is not None)

    async def _execute(self, warrant: Warrant, envelope: bytes) -> Outcome:
        clock, patience = self._hands.clock, self._hands.patience
        recorder = Recorder(self._ledger, warrant, self._holder, self._fence(), clock=clock, patience=patience)
        if (known := await recorder.outcome()) is not None:
            return known
        await recorder.claim(envelope)
        if recorder.state.outcome is not None:
            return recorder.state.outcome
        await self._watch_clocks(warrant)
        again = await self._traffic.enter(warrant, self._hands.reader.newest(), clock())
        outcome = await Run(warrant, recorder, self._law, self._hands, self._tell(warrant), again).finish()
        self._traffic.leave(outcome, clock())
        self.aftercare.expect(warrant, outcome)
        _log.info(
            "execution ended", execution=outcome.execution, proposal=outcome.proposal, ending=outcome.ending.value
        )
        return outcome

    async def _watch_clocks(self, warrant: Warrant) -> None:
        """The run refuses what is dated ahead of this clock; here it is only written down."""
        now = self._hands.clock()
        try:
            warrants.check_in_force(warrant, now)
        except Skewed as error:
            with suppress(RetryLater):
                await skews.record(self._ledger, error, self._holder.subject, now)
        except Denied:
            pass

    async def _resumed(self, envelope: bytes, tell: Callable[[Outcome], Awaitable[None]] | None) -> Outcome | None:
        try:
            outcome = await self.execute(envelope)
            if tell is not None:
                await tell(outcome)
            return outcome
        except (Held, Fenced):
            return None
        except Exception as error:
            _log.warning("execution not resumed", reason=f"{type(error).__name__}: {error}")
            return None

    async def _unfinished(self) -> AsyncIterator[bytes]:
        async for entry in self._ledger.entries(kind=EntryKind.CONSUMED):
            claim = Claim.read(entry.body)
            ours = claim.audience == self._holder.audience
            if ours and await self._ledger.find(f"outcome:{claim.execution}") is None:
                yield claim.envelope.encode()
