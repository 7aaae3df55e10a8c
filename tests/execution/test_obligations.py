"""What a warrant owes beside its steps: carried out, written down, resumed, and never left out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest

from estate import canonical
from estate.changes import Change, UncordonNode
from estate.conditions import Condition
from estate.errors import Denied, NeverRetry
from estate.hardware import Health
from estate.ids import Digest, NodeId, TenantId
from estate.kept import Kept
from estate.notices import Occasion
from estate.obligations import Canary, Check, Notify, PostCheck, SnapshotFirst, lacking, merged
from estate.outcomes import Ending
from estate.results import Refusal
from estate.things import Thing
from estate.warrants import PAYLOAD_TYPE
from estate.words import Role
from policies.ledger.ordering import Order
from policies.ledger.port import Entry, EntryKind
from policies.signing.sealing import seal
from tests import builders
from tests.execution.rig import BROKEN, CAP, FENCE, MOVE, SIGNER, Rig, Wrapped, content, key, sealed, warrant
from tools.execution.port import StepKey

TELL = Notify(roles=(Role.OPERATOR, Role.TENANT_OWNER))
SOAK = Canary(steps=1, soak_seconds=60)
LATER = PostCheck(after_seconds=300)


_PROPOSAL = Digest(key(1).proposal)


@dataclass(frozen=True)
class _Leaf:
    """What a ledger's order is read off."""

    entry: EntryKind
    key: str
    proposal: Digest = _PROPOSAL


_ISSUED = tuple(_Leaf(kind, kind.value) for kind in (EntryKind.PROPOSED, EntryKind.DECIDED, EntryKind.ISSUED))


def _order_faults(entries: Iterable[_Leaf | Entry]) -> list[str]:
    """What `placet ledger verify` says of these, in this order, with their bodies erased."""
    order = Order()
    leaves = (e if isinstance(e, _Leaf) else _Leaf(e.kind, e.key) for e in entries)
    return [fault for leaf in leaves if (fault := order.fault(leaf, permitted=True)) is not None]


async def test_people_are_told_and_the_state_is_kept_before_the_first_step() -> None:
    rig = Rig()
    owed = warrant(MOVE, FENCE, obligations=(TELL, SnapshotFirst()))
    assert (await rig.executor().execute(sealed(owed))).ending is Ending.VERIFIED
    assert (await rig.story())[:4] == ["consumed", "notified", "preserved", "step-started 1"]
    (notice,) = rig.told
    assert (notice.occasion, notice.tenants) == (Occasion.BEGINS, (TenantId("tenant-a"), TenantId("tenant-b")))
    assert len(notice.lines_for({TenantId("tenant-b")})) == 1, "the move is none of tenant-b's business"
    (kept,) = [e for e in await rig.entries() if e.kind is EntryKind.PRESERVED]
    states = {str(Thing.model_validate(k["about"])): json.loads(k["state"]) for k in kept.body["things"]}
    assert states["node/eu-a1"]["cordoned"] is False, "as it stood before"
    assert {b["node"] for b in states["workload/a-serve"]["bindings"]} >= {"eu-a1"}
    assert kept.body["things_digest"] == canonical.digest_of(kept.body["things"])


async def test_an_executor_that_cannot_tell_anybody_refuses_the_warrant() -> None:
    rig = Rig(mute=True)
    outcome = await rig.executor().execute(sealed(warrant(obligations=(TELL,))))
    assert outcome.ending is Ending.REFUSED
    assert "cannot `notify`" in outcome.reason
    assert (rig.world.writes, await rig.story()) == ([], ["consumed", "outcome"])


async def test_nothing_begins_where_the_state_before_cannot_be_kept() -> None:
    rig = Rig()

    class Blind(Wrapped):
        async def preserve(self, things: Sequence[Thing]) -> Sequence[Kept]:
            raise NeverRetry("this world shows nothing")

    outcome = await rig.executor(target=Blind(rig.world)).execute(sealed(warrant(obligations=(SnapshotFirst(),))))
    assert outcome.ending is Ending.REFUSED
    assert "could not be kept: this world shows nothing" in outcome.reason
    assert rig.world.writes == []


async def test_a_warrant_that_was_stripped_of_its_obligations_does_not_open() -> None:
    """Its signature covers them; signed anew with a stolen key, the executor's own decision misses them."""
    rig = Rig(owed=(SOAK,))
    whole, bare = warrant(obligations=(SOAK,)), warrant()
    envelope = canonical.loads(sealed(whole))
    stripped = canonical.dumps({**envelope, "payload": canonical.loads(sealed(bare))["payload"]})  # type: ignore[dict-item, call-overload, index]
    with pytest.raises(Denied, match="does not fit the payload"):
        await rig.executor().execute(stripped)
    outcome = await rig.executor().execute(sealed(bare))
    assert outcome.ending is Ending.REFUSED
    assert "does not bind what is owed" in outcome.reason
    assert "canary of 1 steps" in outcome.reason


async def test_an_obligation_that_nobody_here_knows_is_no_warrant() -> None:
    """A newer gate may know more kinds: an older executor must not do the steps without them."""
    form = warrant().json_form() | {"obligations": [{"kind": "four-eyes-on-camera"}]}
    with pytest.raises(Denied, match="no warrant"):
        await Rig().executor().execute(seal(canonical.dumps(form), PAYLOAD_TYPE, SIGNER))


async def test_the_rest_waits_until_the_canary_has_held_for_its_time() -> None:
    rig, marks = Rig(), list[tuple[int, float]]()
    rig.sleep = rig.pass_time

    class Dated(Wrapped):
        async def apply(
            self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
        ) -> Refusal | None:
            marks.append((key.number, (rig.clock() - builders.START).total_seconds()))
            return await super().apply(key, change, preconditions)

    outcome = await rig.executor(target=Dated(rig.world)).execute(sealed(warrant(obligations=(SOAK,))))
    assert outcome.ending is Ending.VERIFIED
    assert marks == [(1, 0.0), (2, 60.0), (3, 60.0)]
    assert (await rig.story())[3:5] == ["canary-started", "canary-passed"]


async def test_a_canary_that_does_not_hold_stops_the_rest_and_is_undone() -> None:
    """Somebody lifts the cap in the middle of the soak: what looked well did not last."""
    rig = Rig()
    before = content(rig.world.estate)

    async def meddled(seconds: float) -> None:
        rig.clock.advance(seconds)
        if (rig.clock() - builders.START).total_seconds() >= 30:
            rig.world.estate = rig.world.estate.with_node(builders.node("eu-a3"))

    rig.sleep = meddled
    outcome = await rig.executor().execute(sealed(warrant(obligations=(SOAK,))))
    assert "the canary did not hold" in outcome.reason
    assert rig.world.writes[:1] == rig.step_keys(1)
    assert set(rig.step_keys(2, 3)).isdisjoint(rig.world.writes)
    assert content(rig.world.estate) == before
    assert await rig.count(EntryKind.CANARY_PASSED) == 0


async def test_a_canary_whose_workload_is_not_well_stops_the_rest() -> None:
    """Every postcondition holds, and the device under the replica that was moved has failed."""
    rig = Rig()

    async def failing(seconds: float) -> None:
        rig.clock.advance(seconds)
        serve = rig.world.estate.workload(MOVE.workload)
        assert serve is not None
        for binding in serve.bindings:
            rig.world.estate = rig.world.estate.with_node(builders.node(binding.node, health=Health.FAILED))

    rig.sleep = failing
    outcome = await rig.executor().execute(sealed(warrant(MOVE, CAP, obligations=(SOAK,))))
    assert "the canary is not well: `a-serve` runs 0 replicas" in outcome.reason
    assert str(key(2)) not in rig.world.writes


async def test_an_executor_that_was_killed_in_the_soak_waits_for_what_is_left_of_it() -> None:
    rig = Rig()

    async def killed(seconds: float) -> None:
        rig.clock.advance(seconds)
        if (rig.clock() - builders.START).total_seconds() >= 40:
            raise asyncio.CancelledError

    rig.sleep = killed
    with pytest.raises(asyncio.CancelledError):
        await rig.executor().execute(sealed(warrant(obligations=(TELL, SOAK))))
    rig.sleep = rig.pass_time
    (outcome,) = await rig.executor("next", 2).resume_all()
    assert outcome.ending is Ending.VERIFIED
    passed = next(e for e in await rig.entries() if e.kind is EntryKind.CANARY_PASSED)
    assert (passed.at - builders.START).total_seconds() == 60
    assert len(rig.told) == 1, "nobody is told twice"
    assert _order_faults([*_ISSUED, *await rig.entries()]) == []


async def test_what_was_verified_is_looked_at_again_and_has_lasted() -> None:
    rig = Rig()
    executor = rig.executor()
    await executor.execute(sealed(warrant(FENCE, obligations=(LATER,))))
    assert await executor.aftercare.settle() == (), "it is not due"
    rig.clock.advance(300)
    assert await executor.aftercare.settle() == ()
    assert (await rig.story())[-1] == "post-checked"
    await executor.aftercare.restore()
    assert await executor.aftercare.settle() == (), "once is enough"
    assert await rig.count(EntryKind.POST_CHECKED) == 1
    whole = [*_ISSUED, *await rig.entries()]
    assert _order_faults(whole) == []
    early = [*whole[:4], whole[-1]]
    assert _order_faults(early) == ["`post-checked` without `outcome` before it"]


async def test_what_did_not_last_is_an_outcome_of_its_own_and_is_told() -> None:
    """The executor that did it is gone; its successor finds the check in the ledger."""
    rig = Rig()
    first = await rig.executor().execute(sealed(warrant(FENCE, obligations=(TELL, LATER))))
    rig.world.estate = rig.world.estate.with_node(builders.node("eu-a1"))
    rig.clock.advance(301)
    successor = rig.executor("next", 2)
    await successor.aftercare.restore()
    (lapsed,) = await successor.aftercare.settle()
    assert (lapsed.ending, lapsed.execution) == (Ending.LAPSED, first.execution)
    assert "`node/eu-a1` cordoned has another value" in lapsed.reason
    assert [n.occasion for n in rig.told] == [Occasion.BEGINS, Occasion.LAPSED]
    assert await rig.executor().execute(sealed(warrant(FENCE, obligations=(TELL, LATER)))) == first


async def test_what_a_later_warrant_changed_is_not_asked_of_an_earlier_one() -> None:
    rig = Rig()
    executor = rig.executor()
    await executor.execute(sealed(warrant(FENCE, obligations=(PostCheck(after_seconds=10, checks=(Check.PROMISED,)),))))
    lifting = warrant(
        UncordonNode(node=NodeId("eu-a1")),
        on=rig.world.estate,
        proposal=builders.proposal().digest,
        nonce="1" * 32,
    )
    assert (await executor.execute(sealed(lifting))).ending is Ending.VERIFIED
    rig.clock.advance(11)
    assert await executor.aftercare.settle() == ()


async def test_an_execution_that_did_not_succeed_owes_no_second_look() -> None:
    rig = Rig()
    rig.world.script(key(1), BROKEN)
    executor = rig.executor()
    await executor.execute(sealed(warrant(FENCE, obligations=(LATER,))))
    rig.clock.advance(301)
    assert await executor.aftercare.settle() == ()
    assert await rig.count(EntryKind.POST_CHECKED) == 0


def test_of_several_duties_the_strictest_of_each_kind_holds() -> None:
    several = (
        PostCheck(after_seconds=60, checks=(Check.HEALTHY,)),
        Canary(steps=4, soak_seconds=10),
        Notify(roles=(Role.TENANT_OWNER,)),
        Canary(steps=2, soak_seconds=5),
        Notify(roles=(Role.OPERATOR,)),
        PostCheck(after_seconds=30, checks=(Check.PROMISED,)),
    )
    together = merged(several)
    assert together == (TELL, Canary(steps=2, soak_seconds=10), PostCheck(after_seconds=60))
    assert lacking(several, together) == ()
    assert [o.kind for o in lacking(together, several)] == ["notify", "canary", "post-check"]
