"""When what happened to each incident: events sent, the agents' own words, and afterwards the ledger's entries."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

from estate.ids import Digest, IncidentId, NodeId
from estate.incidents import CaseState, Incident
from estate.progress import Progress, Stage
from estate.proposals import Lane, Proposal
from policies.ledger.port import EntryKind, Ledger

SENT, ENDED = "sent", "ended"
PATIENCE_SECONDS = 120


def entry(lane: Lane, kind: EntryKind) -> str:
    """The name of the moment at which the ledger took an entry of that kind, in that lane."""
    return f"{lane.value} {kind.value}"


_LEDGER = (
    EntryKind.PROPOSED,
    EntryKind.DECIDED,
    EntryKind.ISSUED,
    EntryKind.CONSUMED,
    EntryKind.STEP_STARTED,
    EntryKind.STEP_APPLIED,
    EntryKind.OUTCOME,
)
_THOUGHT = (Stage.INVESTIGATE, Stage.DIAGNOSE, Stage.PLAN, Stage.PLACE, Stage.REHEARSE, Stage.SUBMIT)
OUTLINES = (
    (SENT, Stage.OPENED.value, *(entry(Lane.CONTAINMENT, k) for k in _LEDGER)),
    (
        Stage.OPENED.value,
        *(s.value for s in _THOUGHT),
        *(entry(Lane.CASE, k) for k in _LEDGER),
        Stage.VERIFY.value,
        ENDED,
    ),
)
"""The moments of an incident in the order in which they come: of its fence, and of its case."""
FENCED = entry(Lane.CONTAINMENT, EntryKind.STEP_APPLIED)
CONCLUDED = entry(Lane.CASE, EntryKind.OUTCOME)
_ENDINGS = frozenset(s.value for s in CaseState if s.ended)


class Stories:
    """Collects moments; an observer of the agents."""

    def __init__(self) -> None:
        self._moments: defaultdict[IncidentId, dict[str, datetime]] = defaultdict(dict)
        self._sent: dict[NodeId, datetime] = {}
        self.opened = 0
        self.ended = 0
        self._counted = asyncio.Condition()  # announces each case that opened or ended

    async def observe(self, progress: Progress) -> None:
        """Take one line of a case's story; the first of each stage counts."""
        name = progress.stage.value
        if progress.stage is Stage.OUTCOME and progress.text.partition(":")[0] in _ENDINGS:
            name = ENDED
        if name in {ENDED, Stage.OPENED.value}:
            await self._count(name)
        self._moments[progress.incident].setdefault(name, datetime.now(UTC))

    async def _count(self, name: str) -> None:
        async with self._counted:
            self.ended += name == ENDED
            self.opened += name != ENDED
            self._counted.notify_all()

    def sent(self, node: NodeId) -> None:
        """The event of this node is being sent."""
        self._sent[node] = datetime.now(UTC)

    async def until_ended(self, count: int) -> None:
        """Wait until that many cases have ended. Raises TimeoutError when one is not coming."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._counted:
            await self._counted.wait_for(lambda: self.ended >= count)

    async def until_opened(self, count: int) -> None:
        """Wait until that many incidents are open, ended ones included. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._counted:
            await self._counted.wait_for(lambda: self.opened >= count)

    async def read(self, ledger: Ledger, incidents: Iterable[Incident]) -> dict[NodeId, dict[str, datetime]]:
        """The moments of every incident by the node that failed."""
        await self._take_ledger(ledger)
        nodes = {i.id: NodeId(i.domain.removeprefix("node/")) for i in incidents if i.domain.startswith("node/")}
        return {n: {SENT: self._sent[n]} | self._moments[i] for i, n in nodes.items() if n in self._sent}

    async def _take_ledger(self, ledger: Ledger) -> None:
        lanes: dict[Digest, Lane] = {}
        async for found in ledger.entries():
            if found.incident is None or found.proposal is None:
                continue
            if found.kind is EntryKind.PROPOSED and isinstance(form := found.body["proposal"], dict):
                lanes[found.proposal] = Proposal.read(form).lane
            self._moments[found.incident][entry(lanes[found.proposal], found.kind)] = found.at


def seconds(stories: Iterable[dict[str, datetime]], start: str, end: str) -> list[float]:
    """The seconds from one moment to another in each story that has both."""
    return [(s[end] - s[start]).total_seconds() for s in stories if start in s and end in s]


def steps(stories: Sequence[dict[str, datetime]]) -> list[tuple[str, float]]:
    """The median seconds that each step of the way took, by the moment at which it ended."""
    pairs = [pair for outline in OUTLINES for pair in pairwise(outline)]
    taken = [(end, seconds(stories, start, end)) for start, end in pairs]
    return [(end, median(values)) for end, values in taken if values]
