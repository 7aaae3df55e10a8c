"""Under pressure: a backlog of cases delays no fence, and a full stream pushes back and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents import folding, wakes
from agents.incidents import Incidents
from estate.changes import SetPowerCap
from estate.effects import lay_out
from estate.events import Event, Place, event_id
from estate.identities import Subject, SubjectKind
from estate.ids import ChannelId, IncidentId, NodeId, SiteId
from estate.observations import EventType, Severity
from estate.proposals import Lane, Proposal
from estate.results import Ok
from estate.snapshots import Snapshot
from estate.units import Watts
from policies.ledger.port import EntryKind
from tests.system.composed import ALERTS, SPARE, Composed, founded, started, until
from tests.system.test_bad_input import ALERT, WEBHOOK, form
from tools.bus import accounts, streams
from tools.bus.port import Bus

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("system-2")]
SITE = SiteId("eu-de")
MANY = 1_000
BURST = 250
"""Each opens incidents of its own; `benchmarks.path` sends a thousand."""


def degraded(number: int, at: datetime) -> Event:
    """A fault of its own domain that the runbook investigates and hands over."""
    channel = ChannelId("eu-alerts")
    return Event(
        id=event_id(channel, "probe", f"{number}"),
        type=EventType.NODE_DEGRADED,
        severity=Severity.CRITICAL,
        channel=channel,
        source="probe",
        sender_id=f"{number}",
        occurred_at=at,
        received_at=at,
        place=Place(site=SITE, node=NodeId("eu-b1")),
    )


async def fill_cases(bus: Bus, composed: Composed) -> None:
    """A thousand incidents whose wakes wait in CASES."""
    records, now = await Incidents.open(bus), datetime.now(UTC)
    for number in range(MANY):
        event = degraded(number, now)
        record = folding.opened(event, folding.incident_id(event.id), f"node/backlog-{number}")
        await records.write(record, None)
        await wakes.publish(bus, composed.system.subjects, record, event)


async def fill_proposals(bus: Bus, composed: Composed, snapshot: Snapshot) -> None:
    """A thousand proposals of cases that wait in PROPOSALS_CASE."""
    agent = Subject(kind=SubjectKind.AGENT, issuer=composed.system.installation, name="agent")
    laid = lay_out((SetPowerCap(node=NodeId("us-d4"), watts=Watts(6_000)),), snapshot)
    assert isinstance(laid, Ok)
    for number in range(MANY):
        proposal = Proposal(
            installation=composed.system.installation,
            incident=IncidentId(f"inc-backlog-{number}"),
            attempt=1,
            lane=Lane.CASE,
            site=SITE,
            snapshot=snapshot.version,
            created_at=datetime.now(UTC),
            proposer=agent,
            summary="a cap",
            steps=laid.value.steps,
        )
        await bus.publish(
            composed.system.subjects.proposal(Lane.CASE, SITE, agent.name),
            proposal.canonical(),
            message_id=proposal.digest,
        )


async def test_a_backlog_of_a_thousand_cases_and_proposals_does_not_delay_a_fence(tmp_path: Path) -> None:
    """By order, not by the clock: the fence is executed before half of either backlog is done."""
    state = founded(tmp_path / "state")
    async with started(state, processes=frozenset({"inventory", "console"})) as stopped:
        bus = await stopped.connect(accounts.AGENT)
        await fill_cases(bus, stopped)
        await fill_proposals(bus, stopped, stopped.system.inventories["console"].newest())
    async with started(state) as composed:
        fenced = asyncio.create_task(when_fenced(composed))
        assert (await composed.post(await composed.good())).is_success
        cases, proposals = await fenced
        assert cases < MANY / 2, f"{cases} cases were over"
        assert proposals < MANY / 2, f"{proposals} proposals were decided"
        assert await composed.cordoned(SPARE)


async def test_a_burst_of_alerts_does_not_delay_a_fence(tmp_path: Path) -> None:
    """What devices report comes on a plane of its own: the fence stands before half of the burst is correlated."""
    state = founded(tmp_path / "state")
    async with started(state, processes=frozenset({"inventory", "console"})) as stopped:
        console = await stopped.connect(accounts.CONSOLE)
        subject = stopped.system.subjects.intake(ALERTS, "alertmanager")
        for number in range(BURST):
            body = form(WEBHOOK, alerts=[ALERT | {"fingerprint": f"{number:016x}"}])
            await console.publish(subject, body, message_id=f"alert-{number}")
        assert (await stopped.post(await stopped.good())).is_success
    async with started(state) as composed:
        await until(lambda: composed.cordoned(SPARE), 60)
        seen = sum(i.events_seen for i in await composed.incidents())
        assert seen < BURST / 2, f"{seen} events were correlated"
        await until(lambda: all_correlated(composed), 100, every=0.5)


async def all_correlated(composed: Composed) -> bool:
    """Whether nothing of the burst was lost."""
    return sum(i.events_seen for i in await composed.incidents()) == BURST + 1


async def when_fenced(composed: Composed) -> tuple[int, int]:
    """How many cases had ended, and proposals been decided, when the fence's outcome stood in the ledger."""

    async def outcome() -> bool:
        outcomes = await composed.entries(EntryKind.OUTCOME)
        return any(e.body["lane"] == Lane.CONTAINMENT.value for e in outcomes)

    await until(outcome, 60)
    decided = [e for e in await composed.entries(EntryKind.DECIDED) if str(e.incident).startswith("inc-backlog-")]
    ended = [i for i in await composed.incidents() if i.state.ended and i.domain.startswith("node/backlog-")]
    return len(ended), len(decided)


async def test_a_full_stream_pushes_back_and_loses_nothing(tmp_path: Path) -> None:
    """Every 202 ends in an incident or a dead letter; every 429 says when to come back, and then is taken."""
    async with narrow(tmp_path) as composed:
        bodies = [await composed.good() for _ in range(24)]
        answers = await asyncio.gather(*(composed.post(b) for b in bodies))
        codes = [a.status_code for a in answers]
        assert set(codes) == {202, 429}, codes
        assert all(int(a.headers["Retry-After"]) > 0 for a in answers if a.status_code == 429)
        refused = [b for b, c in zip(bodies, codes, strict=True) if c == 429]
        while refused:
            again = [(b, await composed.post(b)) for b in refused]
            refused = [b for b, a in again if a.status_code == 429]
            await asyncio.sleep(0.1)

        async def all_there() -> bool:
            seen = sum(i.events_seen for i in await composed.incidents())
            return seen + len(await composed.letters()) == len(bodies)

        await until(all_there, 30)
        assert await composed.letters() == []


@asynccontextmanager
async def narrow(tmp_path: Path) -> AsyncIterator[Composed]:
    """A system whose intake holds four messages at a time."""
    async with started(founded(tmp_path / "state")) as composed:
        admin = await composed.as_user(accounts.ADMINISTRATOR)
        every = streams.streams(composed.system.subjects)
        intake = next(s for s in every if s.name == streams.INTAKE_DEVICE)
        await admin.declare(replace(intake, max_messages=4))
        yield composed
