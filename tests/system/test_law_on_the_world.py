"""From a state that somebody made, without asking, to the proposal that restores lawfulness: the whole system.

Asserted from the world and the ledger. One system is asked everything: work bound by hand, facts that change owner.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from console import initialising
from console.initialising import Founding
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, EntityId, NodeId, TenantId, Uid, WorkloadId
from estate.incidents import CaseState, Incident
from estate.observations import EventType
from estate.units import Seconds
from estate.verdicts import Dimension
from estate.workloads import Binding, Workload, WorkloadContract, WorkloadKind
from policies import reviewing
from policies.bundle import Bundle
from policies.ledger.port import EntryKind
from tests.system.composed import Composed, found, founded, settings, started
from tools.sensors.lawfulness import Lawfulness
from tools.sensors.registry import Settings

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("system-2")]

STRAY = WorkloadId("a-stray")
QUICK = Settings(lawfulness=Lawfulness(raise_after_seconds=Seconds(1), clear_after_seconds=Seconds(1)))


def stray() -> Workload:
    """A replica of tenant-a, who may be in Europe only, that somebody bound in the United States."""
    return Workload(
        id=STRAY,
        uid=Uid("made-by-hand"),
        tenant=TenantId("tenant-a"),
        cluster=ClusterId("us-1"),
        namespace="tenant-a",
        name="stray",
        kind=WorkloadKind.INFERENCE,
        contract=WorkloadContract(accelerators_per_replica=1),
        replicas=1,
        bindings=(Binding(replica=0, node=NodeId("us-d4"), accelerators=(7,)),),
    )


def lawful(estate: FrozenEstate, now: datetime) -> bool:
    return all(r.lawful for r in reviewing.review(estate, Bundle.load(), now))


async def told_of(composed: Composed, word: str) -> Incident:
    async def look() -> Incident | None:
        return next((i for i in await composed.incidents() if word in i.domain), None)

    return await found(look, f"an incident of {word}", 60)


async def test_the_law_is_held_against_whatever_happens(tmp_path: Path) -> None:
    state = founded(tmp_path / "state")
    async with started(state, settings(sensors=QUICK)) as composed:
        world = composed.system.world
        await world.start_workload(stray())
        incident = await told_of(composed, STRAY)
        (event, *_) = incident.events
        assert event.type is EventType.SOVEREIGNTY_VIOLATED
        assert event.evidence is not None
        assert {f.dimension for f in event.evidence.failures} >= {Dimension.GEOGRAPHIC, Dimension.LEGAL}
        ended = await composed.ended(incident.id, 60)
        assert ended.state is CaseState.VERIFIED, ended.summary
        now = datetime.now(UTC)
        assert lawful(await world.snapshot(), now), "it is lawful again, by a warrant"
        assert len(await composed.entries(EntryKind.CONSUMED, incident.id)) == 1

        async def cleared() -> Incident | None:
            seen = await composed.incident(incident.id)
            return seen if seen is not None and any(e.resolved for e in seen.events) else None

        await found(cleared, "the event's end", 60)
        await _owner_changes(composed)


async def _owner_changes(composed: Composed) -> None:
    """New signed facts say that the European site's owner was bought: what runs there is unlawful, and is told."""
    installation = composed.system.inventories["gate"].newest().facts
    sold = tuple(
        e.model_copy(update={"parents": (EntityId("hudson-cloud"),)}) if e.id == "nordrhein-compute" else e
        for e in installation.entities
    )
    facts = installation.model_copy(update={"version": installation.version + 1, "entities": sold})
    initialising.found(composed.state, Founding(facts=facts), datetime.now(UTC))
    incident = await told_of(composed, "a-chat")
    (event, *_) = incident.events
    assert event.evidence is not None
    assert {f.dimension for f in event.evidence.failures} == {Dimension.LEGAL}
    assert "US" in event.evidence.failures[0].found

    async def recorded() -> bool | None:
        loaded = await composed.entries(EntryKind.FACTS_LOADED)
        return True if any(e.body.get("version") == facts.version for e in loaded) else None

    await found(recorded, "the ledger to say that the facts are in force")
    broken = composed.state.facts_path.read_bytes()[:-40]
    composed.state.facts_path.write_bytes(broken)
    assert composed.system.inventories["gate"].newest().facts.version == facts.version, "a broken file changes nothing"
