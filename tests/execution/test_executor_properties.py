"""Any lawful proposal, any fault, any crash: the world ends as the outcome says, and nothing is written twice."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from estate.changes import (
    Change,
    CordonNode,
    DrainNode,
    EvictPod,
    MoveWorkload,
    ReplicaMove,
    ScaleWorkload,
    SetPowerCap,
    TaintNode,
    UncordonNode,
    UntaintNode,
)
from estate.effects import lay_out
from estate.errors import PlacetError, RetryLater
from estate.hardware import Taint, TaintEffect
from estate.ids import NodeId, WorkloadId
from estate.outcomes import Ending
from estate.results import Ok, Refusal
from estate.units import Watts
from policies.ledger.port import EntryKind
from tests import builders
from tests.execution.rig import BROKEN, Rig, after, content, key, sealed, warrant
from tests.execution.test_executor_crashes import Bomb, Killed, MinedLedger, MinedTarget

NODES = tuple(NodeId(n) for n in ("eu-a1", "eu-a2", "eu-a3"))
FENCE = Taint(key="placet.dev/fault", effect=TaintEffect.NO_SCHEDULE)
nodes = st.sampled_from(NODES)
moves = st.builds(
    lambda source, target, first: MoveWorkload(
        workload=WorkloadId("a-serve"),
        moves=(ReplicaMove(replica=0, source=source, target=target, accelerators=(first, first + 1)),),
    ),
    st.none() | nodes,
    nodes,
    st.sampled_from([0, 2]),
)
scalings = st.builds(lambda n: ScaleWorkload(workload=WorkloadId("a-serve"), replicas=n), st.integers(0, 4))
caps = st.builds(lambda n, w: SetPowerCap(node=n, watts=w), nodes, st.sampled_from([None, Watts(4_000), Watts(9_000)]))
changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(CordonNode, node=nodes),
    st.builds(UncordonNode, node=nodes),
    st.builds(TaintNode, node=nodes, taint=st.just(FENCE)),
    st.builds(UntaintNode, node=nodes, taint=st.just(FENCE)),
    st.builds(DrainNode, node=nodes),
    st.builds(EvictPod, workload=st.just(WorkloadId("a-serve")), replica=st.integers(0, 1), node=nodes),
    caps,
    scalings,
    moves,
    moves,
)
faults = st.sampled_from([None, None, BROKEN, RetryLater("busy")])


@st.composite
def proposals(draw: st.DrawFn) -> tuple[Change, ...]:
    """Up to five changes that can be laid out on the small estate, each on what the one before leaves."""
    chosen: tuple[Change, ...] = (draw(caps),)
    for _ in range(draw(st.integers(0, 4))):
        longer = (*chosen, draw(changes))
        if isinstance(lay_out(longer, builders.estate()), Ok):
            chosen = longer
    return chosen


@given(proposals(), st.lists(faults, min_size=5, max_size=5), faults, st.integers(0, 60))
def test_the_world_ends_as_the_outcome_says(
    chosen: tuple[Change, ...],
    doing: list[PlacetError | Refusal | None],
    undoing: PlacetError | Refusal | None,
    crash: int,
) -> None:
    _run(_check(chosen, doing, undoing, crash))


async def _check(
    chosen: tuple[Change, ...],
    doing: list[PlacetError | Refusal | None],
    undoing: PlacetError | Refusal | None,
    crash: int,
) -> None:
    rig, given_warrant, bomb = Rig(), warrant(*chosen), Bomb(crash)
    before = rig.world.estate
    for number, fault in enumerate(doing, start=1):
        rig.world.script(key(number), *[fault] * 99 if fault else ())
    rig.world.script(key(1, undo=True), *[undoing] * 99 if undoing else ())
    mined = rig.executor(target=MinedTarget(rig.world, bomb), ledger=MinedLedger(rig.ledger, bomb))
    try:
        outcome = await mined.execute(sealed(given_warrant))
    except Killed:
        outcome = await rig.executor("two", 2).execute(sealed(given_warrant))
    event(outcome.ending.value)
    assert len(rig.world.writes) == len(set(rig.world.writes))
    assert await rig.count(EntryKind.OUTCOME) == 1
    match outcome.ending:
        case Ending.VERIFIED:
            assert content(rig.world.estate) == content(after(given_warrant.steps, before))
        case Ending.ROLLED_BACK | Ending.REFUSED:
            assert content(rig.world.estate) == content(before)
        case Ending.HANDED_OVER | Ending.FAILED:
            assert any(s.message for s in outcome.steps)


def _run(check: Coroutine[Any, Any, None]) -> None:
    """On a loop of its own: hypothesis calls synchronous functions."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(check)
    finally:
        loop.close()
