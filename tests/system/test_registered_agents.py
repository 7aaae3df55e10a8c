"""Whoever acts in a running system is held to the signed registrations, and one command registers an upgrade."""

from __future__ import annotations

from pathlib import Path

from agents.roster import CONTAINMENT, WORKER
from console.door.commands import Diagnose, LawReported
from console.initialising import register_installed, sign_facts
from console.installations import utc_now
from console.lawgivers import facts_ring
from console.registering import Registering
from estate.changes import CordonNode
from estate.incidents import Incident
from estate.observations import EventType
from estate.verdicts import Dimension
from policies.signed_facts import open_facts
from tests import builders
from tests.system.composed import SPARE, Composed, found, founded, started, until
from tests.system.petitions import Petitioner

OLD = builders.registration("the-release-before").content
MADE = (WORKER.maker(), CONTAINMENT.maker())
FENCE = CordonNode(node=SPARE, reason="a device is lost")


async def test_after_an_upgrade_nothing_is_permitted_until_the_owner_of_the_facts_registers_it(tmp_path: Path) -> None:
    """Seen before it proposes anything; refused with the command that registers it; permitted once that was said."""
    state = founded(tmp_path / "state")
    facts = open_facts(state.facts_path.read_bytes(), facts_ring(state.record()), utc_now())
    before = tuple(r.model_copy(update={"content": OLD}) if r.id == CONTAINMENT.id else r for r in facts.registrations)
    sign_facts(state, facts.model_copy(update={"registrations": before}))
    async with started(state) as composed:
        seen = await found(lambda: _told(composed, EventType.SOVEREIGNTY_VIOLATED), "the sensor's event")
        assert f"registered is `{OLD}`" in seen.events[0].message
        (line,) = (await composed.tell(Diagnose()))["unregistered"]
        assert line.startswith("component/containment-")
        assert line in (await composed.tell(LawReported(days=1)))["unregistered"]
        petitioner = Petitioner(composed)
        refused = await petitioner.judged(FENCE, made_by=MADE)
        (failure,) = (f for f in refused.failures if f.dimension is Dimension.MODEL_REACH)
        assert (failure.policy, str(MADE[1].content) in failure.found) == ("component-content", True)
        told = await found(lambda: _told(composed, EventType.ISOLATION_VIOLATED), "the console's event")
        assert "`placet facts register`" in "".join(e.message for e in told.events)
        register_installed(state, Registering(), utc_now(), sign=True)
        await until(lambda: _registered(composed))
        allowed = await petitioner.judged(FENCE, made_by=MADE)
        assert Dimension.MODEL_REACH not in {f.dimension for f in allowed.failures}


async def _told(composed: Composed, kind: EventType) -> Incident | None:
    records = await composed.incidents()
    return next((r for r in records if any(e.type is kind for e in r.events)), None)


async def _registered(composed: Composed) -> bool:
    return not (await composed.tell(Diagnose()))["unregistered"]
