"""Freezes and modes on the running system: they hold at the gate and at the executor, agents or no agents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from console.adapters import Adapters
from console.door.sealing import seal_freeze, seal_mode
from estate.changes import Change, CopyWorkload, SetPowerCap
from estate.conditions import Condition
from estate.effects import Step
from estate.ids import ClusterId, NodeId, SiteId, WorkloadId
from estate.kept import Kept
from estate.modes import Mode
from estate.outcomes import Ending
from estate.results import Refusal
from estate.things import Thing
from estate.units import Watts
from estate.verdicts import Decision, Dimension
from estate.workloads import Binding
from policies.ledger.port import EntryKind
from tests.system.composed import Composed, founded, started
from tests.system.petitions import Petitioner
from tools.execution.patience import Patience
from tools.execution.port import StepKey, Target

pytestmark = [pytest.mark.nats, pytest.mark.processes, pytest.mark.xdist_group("system-1")]


def cap(node: str, watts: int = 6_000) -> Change:
    """A change that disturbs nobody."""
    return SetPowerCap(node=NodeId(node), watts=Watts(watts))


ABROAD = CopyWorkload(
    workload=WorkloadId("a-scoring"),
    to_cluster=ClusterId("us-1"),
    bindings=(Binding(replica=0, node=NodeId("us-c1"), accelerators=(0, 1, 2, 3)),),
)
"""Loan files to the United States: forbidden whatever anybody sets."""


@dataclass
class Gated:
    """The twin's target, which does each step only when the test lets it."""

    inner: Target
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    allowed: asyncio.Event = field(default_factory=asyncio.Event)

    async def check(self, conditions: Sequence[Condition]) -> object:
        return await self.inner.check(conditions)

    async def verify(self, conditions: Sequence[Condition], patience: Patience) -> object:
        return await self.inner.verify(conditions, patience)

    async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
        return await self.inner.rehearse(steps)

    async def preserve(self, things: Sequence[Thing]) -> Sequence[Kept]:
        return await self.inner.preserve(things)

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        self.entered.set()
        await self.allowed.wait()
        return await self.inner.apply(key, change, preconditions)


@pytest.fixture
async def thawed(shared: Composed) -> AsyncIterator[Petitioner]:
    """The module's system with nothing frozen and every mode automatic, before and after."""
    yield Petitioner(shared)
    for where in ((None, None), ("eu-de", None), ("us-east", None), (None, "tenant-c")):
        await shared.tell(seal_freeze(shared.state, "admin", where, False, ""))
        await shared.tell(seal_mode(shared.state, "admin", where, Mode.AUTOMATIC))


async def test_a_freeze_holds_at_the_gate_within_a_second_with_the_agents_down(tmp_path: Path) -> None:
    """`placet freeze` as a person types it, while no agent process runs at all."""
    async with started(founded(tmp_path / "state")) as composed:
        composed.system.tasks["agent"].cancel()
        await asyncio.gather(composed.system.tasks["agent"], return_exceptions=True)
        petitioner = Petitioner(composed)
        assert (await petitioner.judged(cap("eu-b1"))).decision is Decision.PERMIT
        code, _, err = await composed.cli("freeze", "--reason", "audit")
        said = time.monotonic()
        assert code == 0, err
        verdict = await petitioner.judged(cap("eu-b2"))
        assert time.monotonic() - said < 1
        assert {f.dimension for f in verdict.failures} == {Dimension.FREEZE}
        code, _, err = await composed.cli("unfreeze")
        assert code == 0, err
        assert (await petitioner.judged(cap("eu-b2"))).decision is Decision.PERMIT


async def test_a_freeze_holds_an_execution_that_has_begun_before_its_next_step(tmp_path: Path) -> None:
    """The warrant was issued and the first step is under way: the second never starts, and the first is undone."""
    gates: list[Gated] = []

    def gated(inner: Target) -> Target:
        gates.append(Gated(inner))
        return gates[-1]  # type: ignore[return-value]  # `check` answers what the inner one does

    async with started(founded(tmp_path / "state"), adapters=Adapters(target=gated)) as composed:
        petitioner, (gate,) = Petitioner(composed), gates
        proposal = await petitioner.submit(cap("eu-b1"), cap("eu-b2"))
        await asyncio.wait_for(gate.entered.wait(), 10)
        await composed.tell(seal_freeze(composed.state, "admin", ("eu-de", None), True, "stop"))
        await asyncio.sleep(0.5)
        gate.allowed.set()
        outcome = await petitioner.entry(proposal, EntryKind.OUTCOME)
        assert outcome.body["ending"] == Ending.ROLLED_BACK.value
        assert "frozen by" in str(outcome.body["reason"])
        snapshot = await composed.system.world.snapshot()
        caps = [n.power_cap_watts for n in snapshot.nodes() if n.id in {"eu-b1", "eu-b2"}]
        assert caps == [None, None]


async def test_a_freeze_covers_its_site_or_tenant_and_no_other(thawed: Petitioner) -> None:
    composed = thawed.composed
    await composed.tell(seal_freeze(composed.state, "admin", ("us-east", None), True, "audit"))
    assert (await thawed.judged(cap("us-b3"))).decision is Decision.FORBID
    assert (await thawed.judged(cap("eu-b3"))).decision is Decision.PERMIT
    await composed.tell(seal_freeze(composed.state, "admin", ("us-east", None), False, ""))
    await composed.tell(seal_freeze(composed.state, "admin", (None, "tenant-c"), True, "audit"))
    held = await thawed.judged(cap("us-b1"))
    assert {f.dimension for f in held.failures} == {Dimension.FREEZE}, "tenant-c runs there"
    assert (await thawed.judged(cap("us-b4"))).decision is Decision.PERMIT, "nobody does"


async def test_observe_gives_verdicts_and_no_warrants(thawed: Petitioner) -> None:
    composed = thawed.composed
    await composed.tell(seal_mode(composed.state, "admin", ("eu-de", None), Mode.OBSERVE))
    proposal = await thawed.submit(cap("eu-c2"))
    decided = await thawed.entry(proposal, EntryKind.DECIDED)
    await asyncio.sleep(0.3)
    assert str(decided.body["verdict"]).count("observe")
    assert await thawed.warrants(proposal) == 0
    elsewhere = await thawed.submit(cap("us-c2"), site=SiteId("us-east"))
    await thawed.entry(elsewhere, EntryKind.OUTCOME)


async def test_approve_asks_a_human_for_each_change_and_automatic_does_not(thawed: Petitioner) -> None:
    composed = thawed.composed
    await composed.tell(seal_mode(composed.state, "admin", ("eu-de", None), Mode.APPROVE))
    asked = await thawed.judged(cap("eu-c3"))
    assert asked.decision is Decision.NEEDS_APPROVAL
    assert {r.role for r in asked.requirements} == {"operator"}
    assert await thawed.warrants(asked.proposal) == 0
    await composed.tell(seal_mode(composed.state, "admin", ("eu-de", None), Mode.AUTOMATIC))
    proposal = await thawed.submit(cap("eu-c4"))
    assert (await thawed.entry(proposal, EntryKind.OUTCOME)).body["ending"] == Ending.VERIFIED.value


@pytest.mark.parametrize("mode", list(Mode))
async def test_no_mode_turns_a_forbid_into_a_permit(thawed: Petitioner, mode: Mode) -> None:
    composed = thawed.composed
    for where in ((None, None), ("eu-de", None), ("us-east", None)):
        await composed.tell(seal_mode(composed.state, "admin", where, mode))
    verdict = await thawed.judged(ABROAD)
    assert verdict.decision is Decision.FORBID
    assert {Dimension.GEOGRAPHIC, Dimension.LEGAL, Dimension.OPERATIONAL} <= {f.dimension for f in verdict.failures}
    assert await thawed.warrants(verdict.proposal) == 0
