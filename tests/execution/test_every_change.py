"""Every kind of change as whole executions, on the twin and on a real API server: done, repeated, failed at each step.

Each plan has a fence before it and one after it. Whichever write fails, what was done before it is undone and the world
equals what it was; where something cannot come back, the row says what, and the outcome has to say so too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import pytest

from estate.changes import (
    Change,
    CordonNode,
    DrainNode,
    EvictPod,
    MoveWorkload,
    RepartitionAccelerator,
    ReplicaMove,
    ScaleWorkload,
    SetPowerCap,
    TaintNode,
    UncordonNode,
    UntaintNode,
)
from estate.hardware import Taint, TaintEffect
from estate.ids import NodeId, WorkloadId
from estate.outcomes import Ending
from estate.units import Watts
from estate.workloads import Binding
from tests import pooled
from tests import reserved as reservations
from tests.execution.grounds import BROKEN, ClusterGround, Ground, done_ahead, on_a_twin, on_kubernetes, run, settles
from tests.execution.mig_managers import mig_manager
from tests.execution.pairs import across
from tests.objects import apply, delete, manifest

TAINT = Taint(key="placet.dev/fault", value="xid-79", effect=TaintEffect.NO_SCHEDULE)


@dataclass(frozen=True)
class Row:
    """One kind of change: how to make one for a ground, and what is special about it."""

    kind: str
    make: Callable[[Ground], Awaitable[tuple[Change, ...]]]
    """The change last; before it what it needs in the same plan."""
    ahead: Callable[[Ground], Awaitable[Change | None]] = field(default=lambda ground: _nothing())
    """What Placet did some other day, so that there is something to change."""
    lost: str = ""
    """What no undo brings back, in the words of the outcome; nodes, controllers and objects are as they were."""
    lost_on_kubernetes: str = ""
    """The same, where a twin brings it back."""
    stays: bool = False
    """Whether all that was done before it stands too, because it cannot be undone at all."""
    refused: str = ""
    """Why Kubernetes cannot do it."""
    beside: Callable[[Ground], AbstractAsyncContextManager[None]] = nullcontext
    """Who serves the ground while it is played."""
    elsewhere: str = ""
    """The module that plays its whole executions on Kubernetes, where that takes more than a control plane."""


async def _nothing() -> Change | None:
    return None


def empty(ground: Ground) -> NodeId:
    return NodeId(ground.names.empty)


async def resident(ground: Ground) -> Binding:
    """A replica of `serve` on a node that no earlier plan has emptied."""
    found = (await ground.look()).workload(WorkloadId(ground.names.serve))
    assert found is not None
    spare = (ground.names.empty, ground.names.first, ground.names.last)
    return next(b for b in found.bindings if b.node not in spare)


async def cordon(ground: Ground) -> tuple[Change, ...]:
    return (CordonNode(node=(await resident(ground)).node, reason="xid 79"),)


async def uncordon(ground: Ground) -> tuple[Change, ...]:
    return (UncordonNode(node=empty(ground)),)


async def taint(ground: Ground) -> tuple[Change, ...]:
    return (TaintNode(node=(await resident(ground)).node, taint=TAINT, reason="xid 79"),)


async def untaint(ground: Ground) -> tuple[Change, ...]:
    return (UntaintNode(node=empty(ground), taint=TAINT),)


async def evict(ground: Ground) -> tuple[Change, ...]:
    seat = await resident(ground)
    off = EvictPod(workload=WorkloadId(ground.names.serve), replica=seat.replica, node=seat.node)
    return CordonNode(node=seat.node), off


async def drain(ground: Ground) -> tuple[Change, ...]:
    return (DrainNode(node=(await resident(ground)).node, reason="repair"),)


async def move(ground: Ground) -> tuple[Change, ...]:
    seat = await resident(ground)
    away = ReplicaMove(replica=seat.replica, source=seat.node, target=empty(ground), accelerators=(0, 1))
    return (MoveWorkload(workload=WorkloadId(ground.names.serve), moves=(away,)),)


async def scale(ground: Ground) -> tuple[Change, ...]:
    added = Binding(replica=2, node=empty(ground), accelerators=(0, 1))
    return (ScaleWorkload(workload=WorkloadId(ground.names.serve), replicas=3, bindings=(added,)),)


async def cap(ground: Ground) -> tuple[Change, ...]:
    return (SetPowerCap(node=(await resident(ground)).node, watts=Watts(6_000)),)


async def make(ground: Ground) -> tuple[Change, ...]:
    return (apply(manifest(namespace=ground.names.namespace)),)


async def unmake(ground: Ground) -> tuple[Change, ...]:
    there = await ground.object(ground.names.settings)
    return (delete(manifest(namespace=ground.names.namespace), uid=there.uid),)


def _across(ground: Ground) -> tuple[Change, ...]:
    return across(WorkloadId(ground.names.serve), ground.names.namespace, NodeId("us-a2"), NodeId("us-a3"))


async def copy(ground: Ground) -> tuple[Change, ...]:
    return _across(ground)[:1]


async def remove(ground: Ground) -> tuple[Change, ...]:
    return _across(ground)


def _night(ground: Ground, tenant: str) -> Change:
    return reservations.reserve("b-night", tenant, reservations.seat(ground.names.empty, 0, 1))


async def reserve(ground: Ground) -> tuple[Change, ...]:
    return (_night(ground, "tenant-a"),)


async def reserved(ground: Ground) -> Change:
    return _night(ground, "tenant-a")


async def release(ground: Ground) -> tuple[Change, ...]:
    return (reservations.release("b-night", "tenant-a"),)


async def halved(ground: Ground) -> tuple[Change, ...]:
    return (RepartitionAccelerator(node=empty(ground), layout="all-3g.40gb"),)


async def cut(ground: Ground) -> Change:
    return RepartitionAccelerator(node=empty(ground), layout="all-1g.10gb")


def cutting(ground: Ground) -> AbstractAsyncContextManager[None]:
    return mig_manager(ground.world, empty(ground)) if isinstance(ground, ClusterGround) else nullcontext()


async def cordoned(ground: Ground) -> Change:
    return CordonNode(node=empty(ground))


async def tainted(ground: Ground) -> Change:
    return TaintNode(node=empty(ground), taint=TAINT)


async def made(ground: Ground) -> Change:
    return apply(manifest(namespace=ground.names.namespace))


async def grow(ground: Ground) -> tuple[Change, ...]:
    return (pooled.scale(4),)


ROWS = (
    Row("CordonNode", cordon),
    Row("UncordonNode", uncordon, cordoned),
    Row("TaintNode", taint),
    Row("UntaintNode", untaint, tainted),
    Row("EvictPod", evict, lost="an evicted replica is not put back", stays=True),
    Row("DrainNode", drain, lost="undone, and the estate is not as it was"),
    Row("MoveWorkload", move),
    Row("ScaleWorkload", scale),
    Row("CopyWorkload", copy, elsewhere="test_copy_contract.py"),
    Row("RemoveWorkload", remove, lost="what it ran is not kept", stays=True, elsewhere="test_copy_contract.py"),
    Row("SetPowerCap", cap, refused="Kubernetes knows no power cap"),
    Row("RepartitionAccelerator", halved, cut, beside=cutting),
    Row("ApplyManifest", make),
    Row("ReserveCapacity", reserve),
    Row("ReleaseCapacity", release, reserved),
    Row(
        "ScaleMachineGroup",
        grow,
        lost="4 machines that work",
        stays=True,
        elsewhere="test_kubernetes_machine_groups.py",
    ),
    Row("DeleteObject", unmake, made, lost_on_kubernetes="undone, and the estate is not as it was"),
)


def test_every_kind_of_change_has_a_row() -> None:
    """Whoever adds a kind shows here what becomes of it."""
    union = get_args(get_args(Change.__value__)[0])
    assert [r.kind for r in ROWS] == [r.kind for r in {r.kind: r for r in ROWS}.values()]
    assert {r.kind for r in ROWS} == {kind.__name__ for kind in union}


@pytest.mark.parametrize("row", [r for r in ROWS if r.elsewhere], ids=lambda r: r.kind)
def test_what_takes_more_than_a_cluster_is_played_where_the_row_says(row: Row) -> None:
    text = (Path(__file__).parent / row.elsewhere).read_text(encoding="utf-8")
    assert "pair_of(" in text or "provider_in(" in text, "on two control planes, or with others' kinds"
    assert ".execute(sealed(" in text, "as whole executions"


@pytest.fixture
def opening(request: pytest.FixtureRequest, adapter: str) -> AbstractAsyncContextManager[Ground]:
    """A ground behind each adapter."""
    if adapter == "twin":
        return on_a_twin(request.getfixturevalue("tmp_path"))
    return on_kubernetes(*(request.getfixturevalue(f) for f in ("control_plane", "cluster_names")))


@pytest.fixture
async def ground(opening: AbstractAsyncContextManager[Ground]) -> AsyncIterator[Ground]:
    """The ground, opened."""
    async with opening as made:
        yield made


@pytest.mark.parametrize(
    ("adapter", "row"),
    [
        *(pytest.param("twin", r, id=f"twin-{r.kind}") for r in ROWS),
        *(
            pytest.param("kubernetes", r, id=f"kubernetes-{r.kind}", marks=pytest.mark.kubernetes)
            for r in ROWS
            if not r.elsewhere
        ),
    ],
)
async def test_a_change_is_done_once_and_undone_whichever_write_fails(ground: Ground, row: Row) -> None:
    async with row.beside(ground):
        await _played(ground, row)


async def _played(ground: Ground, row: Row) -> None:
    if (earlier := await row.ahead(ground)) is not None:
        await done_ahead(ground, earlier)
    if row.refused and isinstance(ground, ClusterGround):
        await _is_refused(ground, row)
        return
    steps = len(await _plan(ground, row))
    for number in range(1, steps + 1):
        await _fails_at(ground, row, number, steps)
    if not row.stays:
        outcome = await run(ground, "done", *await _plan(ground, row))
        assert outcome.ending is Ending.VERIFIED, outcome


async def _plan(ground: Ground, row: Row) -> tuple[Change, ...]:
    """The change between two fences."""
    names = ground.names
    return (CordonNode(node=NodeId(names.first)), *await row.make(ground), CordonNode(node=NodeId(names.last)))


async def _fails_at(ground: Ground, row: Row, number: int, steps: int) -> None:
    before = await ground.content()
    outcome = await run(ground, row.kind, *await _plan(ground, row), breaking=number)
    lost = row.lost or (row.lost_on_kubernetes if isinstance(ground, ClusterGround) else "")
    assert BROKEN in outcome.steps[number - 1].message
    assert [s.applied for s in outcome.steps] == [n < number for n in range(1, steps + 1)]
    if lost and number == steps:
        assert outcome.ending is Ending.HANDED_OVER
        assert lost in outcome.reason
        assert [s.undone for s in outcome.steps[: number - 1]] == [not row.stays] * (number - 1)
        now = await ground.content()
        if not row.stays:
            await settles(ground, (before[0], now[1], before[2]))
        return
    assert outcome.ending is (Ending.REFUSED if number == 1 else Ending.ROLLED_BACK), outcome
    await settles(ground, before)


async def _is_refused(ground: Ground, row: Row) -> None:
    before = await ground.content()
    outcome = await run(ground, row.kind, *await _plan(ground, row))
    assert outcome.ending is Ending.REFUSED
    assert row.refused in outcome.reason
    await settles(ground, before)
