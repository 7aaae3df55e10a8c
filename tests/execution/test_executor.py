"""What an executor does with a warrant, from start to outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from estate.changes import Change, CordonNode, DrainNode, EvictPod, SetPowerCap
from estate.conditions import Condition, Miss, misses
from estate.effects import Step
from estate.errors import BadInput, Denied, NeverRetry, RetryLater
from estate.ids import ExecutorId, InstallationId, NodeId, TenantId, WorkloadId
from estate.modes import Mode
from estate.outcomes import Ending, Outcome
from estate.results import Refusal
from estate.snapshots import Snapshot
from estate.verdicts import Decision
from policies.ledger.port import EntryKind, Fenced
from policies.signing.memory import MemorySigner
from tests import builders
from tests.builders import TestEntropy
from tests.execution.rig import BROKEN, CAP, FENCE, MOVE, LiveReader, Rig, Wrapped, after, content, key, sealed, warrant
from tools.execution.memory import MemoryTarget
from tools.execution.port import StepKey
from tools.execution.recording import Held


class Deaf(Wrapped):
    """The write of one step arrives, and its answer never does."""

    def __init__(self, world: MemoryTarget, lost: StepKey) -> None:
        super().__init__(world)
        self.lost = lost

    async def apply(
        self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
    ) -> Refusal | None:
        answer = await super().apply(key, change, preconditions)
        if key == self.lost:
            raise RetryLater("connection reset")
        return answer


async def test_a_lawful_warrant_is_carried_out_in_order_and_verified() -> None:
    rig, given = Rig(), warrant()
    before = rig.world.estate
    outcome = await rig.executor().execute(sealed(given))
    assert outcome.ending is Ending.VERIFIED
    assert [s.applied for s in outcome.steps] == [True, True, True]
    assert content(rig.world.estate) == content(after(given.steps, before))
    assert rig.world.writes == rig.step_keys(1, 2, 3)
    assert await rig.story() == [
        "consumed",
        "step-started 1",
        "step-applied 1",
        "step-started 2",
        "step-applied 2",
        "step-started 3",
        "step-applied 3",
        "outcome",
    ]


async def test_the_same_warrant_again_gives_the_same_outcome_and_writes_nothing() -> None:
    rig, envelope = Rig(), sealed(warrant())
    first = await rig.executor().execute(envelope)
    entries = len(await rig.entries())
    assert await rig.executor("two", 9).execute(envelope) == first
    assert (rig.world.writes, len(await rig.entries())) == (rig.step_keys(1, 2, 3), entries)


@pytest.mark.parametrize("failing", [1, 2, 3])
async def test_a_refused_step_turns_everything_back_in_reverse_order(failing: int) -> None:
    rig, given = Rig(), warrant()
    before = content(rig.world.estate)
    rig.world.script(key(failing), BROKEN)
    outcome = await rig.executor().execute(sealed(given))
    done = list(range(1, failing))
    assert outcome.ending is (Ending.ROLLED_BACK if done else Ending.REFUSED)
    assert outcome.reason == BROKEN.message
    assert [s.undone for s in outcome.steps] == [s.number in done for s in given.steps]
    assert content(rig.world.estate) == before
    assert rig.world.writes == [*rig.step_keys(*done), *rig.step_keys(*reversed(done), undo=True)]


async def test_passing_faults_are_tried_again_with_the_same_key() -> None:
    rig = Rig()
    rig.world.script(key(2), RetryLater("busy"), RetryLater("busy"))
    assert (await rig.executor().execute(sealed(warrant()))).ending is Ending.VERIFIED


@pytest.mark.parametrize("error", [RetryLater("busy"), NeverRetry("no such verb")])
async def test_a_write_that_never_arrived_is_not_undone(error: RetryLater | NeverRetry) -> None:
    rig = Rig()
    before = content(rig.world.estate)
    rig.world.script(key(2), error, error, error)
    outcome = await rig.executor().execute(sealed(warrant()))
    assert outcome.ending is Ending.ROLLED_BACK
    assert content(rig.world.estate) == before
    assert rig.world.writes == [*rig.step_keys(1), *rig.step_keys(1, undo=True)]


async def test_a_write_whose_answer_is_lost_for_good_is_undone_too() -> None:
    """The executor cannot know that it arrived; only a live read of the world tells."""
    rig = Rig()
    before = content(rig.world.estate)
    outcome = await rig.executor(target=Deaf(rig.world, key(2))).execute(sealed(warrant()))
    assert outcome.ending is Ending.ROLLED_BACK
    assert content(rig.world.estate) == before
    assert rig.world.writes == [*rig.step_keys(1, 2), *rig.step_keys(2, 1, undo=True)]


async def test_an_undo_that_tier_zero_forbids_stops_and_hands_over() -> None:
    rig = Rig(undo_objection="residency: not back there")
    rig.world.script(key(3), BROKEN)
    outcome = await rig.executor().execute(sealed(warrant()))
    assert (outcome.ending, outcome.reason) == (Ending.HANDED_OVER, "residency: not back there")
    assert [(s.applied, s.undone) for s in outcome.steps] == [(True, False), (True, False), (False, False)]
    assert rig.world.writes == rig.step_keys(1, 2)


async def test_an_undo_that_cannot_take_effect_hands_over_and_goes_no_further_back() -> None:
    """The fence stands on the node that the workload would return to: no undo returns work to a fenced domain."""
    rig = Rig()

    class Fencing(Wrapped):
        async def apply(
            self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
        ) -> Refusal | None:
            if key.number == 3:
                await rig.world.apply(StepKey("somebody else", 1, False), CordonNode(node=NodeId("eu-a1")), ())
                return BROKEN
            return await super().apply(key, change, preconditions)

    outcome = await rig.executor(target=Fencing(rig.world)).execute(sealed(warrant(CAP, MOVE, FENCE)))
    assert outcome.ending is Ending.HANDED_OVER
    assert "cordoned" in outcome.reason
    assert rig.step_keys(1, undo=True)[0] not in rig.world.writes


@pytest.mark.parametrize(("evicted", "ending"), [(0, Ending.ROLLED_BACK), (1, Ending.HANDED_OVER)])
async def test_a_drain_that_stopped_half_way_is_uncordoned(evicted: int, ending: Ending) -> None:
    """A disruption budget may never give way: the node is opened again, and what did leave it is told to people."""
    rig, before = Rig(), builders.estate()

    class Blocked(Wrapped):
        async def apply(
            self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
        ) -> Refusal | None:
            if not isinstance(change, DrainNode):
                return await super().apply(key, change, preconditions)
            done: list[Change] = [CordonNode(node=change.node)]
            done += [EvictPod(workload=WorkloadId("a-serve"), replica=0, node=change.node)] * evicted
            for number, part in enumerate(done):
                await rig.world.apply(StepKey("a part of the drain", number, False), part, ())
            raise NeverRetry("`b-train` may lose no replica, its budget says")

    outcome = await rig.executor(target=Blocked(rig.world)).execute(sealed(warrant(DrainNode(node=NodeId("eu-a1")))))
    assert outcome.ending is ending
    assert "budget" in outcome.reason
    node, work = rig.world.estate.node(NodeId("eu-a1")), rig.world.estate.workload(WorkloadId("a-serve"))
    assert node == before.node(NodeId("eu-a1")), "it is open again"
    assert work is not None
    assert len(work.bindings) == 2 - evicted


async def test_an_undo_that_keeps_failing_is_a_failure() -> None:
    rig = Rig()
    rig.world.script(key(3), BROKEN)
    rig.world.script(key(2, undo=True), *[RetryLater("busy")] * 3)
    outcome = await rig.executor().execute(sealed(warrant()))
    assert outcome.ending is Ending.FAILED


async def test_a_step_that_changed_nothing_has_nothing_to_undo() -> None:
    """A node that was cordoned before stays cordoned: the undo must not lift somebody else's fence."""
    rig = Rig()
    fenced = builders.node("eu-a1", cordoned=True)
    rig.world.estate = rig.world.estate.with_node(fenced)
    before = content(rig.world.estate)
    rig.world.script(key(2), BROKEN)
    outcome = await rig.executor().execute(sealed(warrant(FENCE, CAP, on=rig.world.estate)))
    assert outcome.ending is Ending.ROLLED_BACK
    assert content(rig.world.estate) == before


async def test_an_undo_that_somebody_did_already_counts_as_done() -> None:
    rig = Rig()

    class Helping(Wrapped):
        async def apply(
            self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
        ) -> Refusal | None:
            if key.number == 2:
                await rig.world.apply(StepKey("somebody", 1, False), SetPowerCap(node=NodeId("eu-a3"), watts=None), ())
                return BROKEN
            return await super().apply(key, change, preconditions)

    outcome = await rig.executor(target=Helping(rig.world)).execute(sealed(warrant()))
    assert outcome.ending is Ending.ROLLED_BACK


async def test_preconditions_are_read_live_right_before_each_step() -> None:
    """The dry run passed; between step 1 and step 2 somebody scaled the workload."""
    rig = Rig()

    class Meddling(Wrapped):
        async def apply(
            self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
        ) -> Refusal | None:
            answer = await super().apply(key, change, preconditions)
            serve = rig.world.estate.workload(MOVE.workload)
            assert serve is not None
            rig.world.estate = rig.world.estate.with_workload(serve.model_copy(update={"replicas": 3}))
            return answer

    outcome = await rig.executor(target=Meddling(rig.world)).execute(sealed(warrant()))
    assert outcome.ending is Ending.ROLLED_BACK
    assert "replicas has another value" in outcome.reason
    assert str(key(2)) not in rig.world.writes


async def test_an_effect_that_does_not_show_is_turned_back() -> None:
    """The target said that it had applied; the world shows something else."""
    rig = Rig()

    class Lying(Wrapped):
        async def apply(
            self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
        ) -> Refusal | None:
            return None if key.number == 3 else await super().apply(key, change, preconditions)

    before = content(rig.world.estate)
    outcome = await rig.executor(target=Lying(rig.world)).execute(sealed(warrant()))
    assert outcome.reason.startswith("not verified: `node/eu-a1` cordoned")
    assert outcome.ending in {Ending.ROLLED_BACK, Ending.HANDED_OVER}
    assert content(rig.world.estate) == before


async def test_a_postcondition_that_shows_late_is_waited_for() -> None:
    rig = Rig()
    looks = 0

    class Slow(Wrapped):
        async def check(self, conditions: Sequence[Condition]) -> tuple[Miss, ...]:
            nonlocal looks
            if str(key(3)) in rig.world.writes and (looks := looks + 1) < 3:
                return (Miss(condition=conditions[0], found=None, fault="is gone"),)
            return await super().check(conditions)

    outcome = await rig.executor(target=Slow(rig.world)).execute(sealed(warrant()))
    assert (outcome.ending, looks) == (Ending.VERIFIED, 3)


@pytest.mark.parametrize(
    ("rig", "minutes", "reason"),
    [
        (Rig(frozen="frozen by ada: maintenance"), 0, "maintenance"),
        (Rig(decision=Decision.FORBID), 0, "the rack has no power left"),
        (Rig(decision=Decision.NEEDS_APPROVAL), 0, "decided again"),
        (Rig(mode=Mode.OBSERVE), 0, "in mode observe"),
        (Rig(), 10, "expired"),
        (Rig(), -2, "check the clocks"),
    ],
)
async def test_a_refusal_before_the_first_step_writes_nothing_and_is_an_outcome(
    rig: Rig, minutes: int, reason: str
) -> None:
    rig.clock.advance(minutes=minutes)
    outcome = await rig.executor().execute(sealed(warrant()))
    assert outcome.ending is Ending.REFUSED
    assert reason in outcome.reason
    assert rig.world.writes == []
    skewed = ["clock-skewed"] if minutes < 0 else []
    assert await rig.story() == ["consumed", *skewed, "outcome"]


async def test_a_dry_run_of_the_whole_comes_before_the_first_write() -> None:
    rig = Rig()
    given = warrant()
    rig.world.estate = rig.world.estate.without_node(NodeId("eu-a1")).with_node(builders.node("eu-a1", cordoned=True))
    target = builders.node("eu-a3", cordoned=True)
    rig.world.estate = rig.world.estate.with_node(target)
    outcome = await rig.executor().execute(sealed(given))
    assert outcome.ending is Ending.REFUSED
    assert "the dry run was refused: `eu-a3` is cordoned" in outcome.reason
    assert rig.world.writes == []


@pytest.mark.parametrize("stop", ["freeze", "expiry"])
async def test_what_comes_between_two_steps_starts_no_further_step_and_binds_no_undo(stop: str) -> None:
    rig = Rig()
    before = content(rig.world.estate)

    class Stopping(Wrapped):
        async def apply(
            self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
        ) -> Refusal | None:
            if stop == "freeze":
                rig.frozen = "frozen by ada: stop"
            else:
                rig.clock.advance(minutes=11)
            return await super().apply(key, change, preconditions)

    outcome = await rig.executor(target=Stopping(rig.world)).execute(sealed(warrant()))
    assert outcome.ending is Ending.ROLLED_BACK
    assert content(rig.world.estate) == before
    assert rig.world.writes == [*rig.step_keys(1), *rig.step_keys(1, undo=True)]


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"{}",
        sealed(warrant(), MemorySigner.generate(TestEntropy("thief"))),
        sealed(warrant(audience=ExecutorId("other"))),
        sealed(warrant(installation=InstallationId("other"))),
        sealed(warrant())[:-20],
    ],
)
async def test_what_is_no_warrant_for_this_executor_leaves_no_trace(envelope: bytes) -> None:
    rig = Rig()
    with pytest.raises((Denied, BadInput)):
        await rig.executor().execute(envelope)
    assert (await rig.entries(), rig.world.writes) == ([], [])


async def test_eight_executors_race_one_warrant_and_one_execution_happens() -> None:
    """Each holds its own token; whoever is overtaken stops, and everybody who asks again gets the one outcome."""
    rig, envelope = Rig(sleep=asyncio.sleep), sealed(warrant())

    class Yielding(Wrapped):
        async def apply(
            self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
        ) -> Refusal | None:
            await asyncio.sleep(0)
            answer = await super().apply(key, change, preconditions)
            await asyncio.sleep(0)
            return answer

    executors = [rig.executor(f"e{n}", n, target=Yielding(rig.world)) for n in (4, 1, 7, 2, 8, 3, 6, 5)]
    found = await asyncio.gather(*(e.execute(envelope) for e in executors), return_exceptions=True)
    outcomes = [f for f in found if isinstance(f, Outcome)]
    assert len(set(outcomes)) == 1
    assert all(isinstance(f, Outcome | Held | Fenced) for f in found)
    assert outcomes[0].ending is Ending.VERIFIED
    assert rig.world.writes == rig.step_keys(1, 2, 3)
    assert await rig.count(EntryKind.CONSUMED) == await rig.count(EntryKind.OUTCOME) == 1
    assert [await e.execute(envelope) for e in executors] == outcomes[:1] * 8


async def test_two_deliveries_of_one_warrant_in_one_process_are_one_run() -> None:
    """They hold the same token, so no fence keeps them apart."""
    rig, envelope, tried = Rig(sleep=asyncio.sleep), sealed(warrant()), 0

    class Counting(Wrapped):
        async def rehearse(self, steps: Sequence[Step]) -> Refusal | None:
            nonlocal tried
            tried += 1
            await asyncio.sleep(0.01)
            return await super().rehearse(steps)

    executor = rig.executor(target=Counting(rig.world))
    first, second = await asyncio.gather(executor.execute(envelope), executor.execute(envelope))
    assert first == second
    assert tried == 1


async def test_a_holder_that_was_overtaken_writes_nothing_more() -> None:
    rig, envelope = Rig(), sealed(warrant())

    class Overtaken(Wrapped):
        async def apply(
            self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
        ) -> Refusal | None:
            answer = await super().apply(key, change, preconditions)
            if key.number == 2:
                assert (await rig.executor("new", 2).execute(envelope)).ending is Ending.VERIFIED
            return answer

    with pytest.raises(Fenced):
        await rig.executor("old", 1, target=Overtaken(rig.world)).execute(envelope)
    assert rig.world.writes == rig.step_keys(1, 2, 3)
    assert await rig.count(EntryKind.RESUMED) == 1


async def test_an_inventory_that_is_behind_delays_and_decides_nothing() -> None:
    rig, envelope = Rig(), sealed(warrant())
    rig.reader = reader = LiveReader(rig.world, behind=True)
    with pytest.raises(RetryLater, match="has not reached"):
        await rig.executor().execute(envelope)
    reader.behind = False
    assert (await rig.executor().execute(envelope)).ending is Ending.VERIFIED


async def test_an_undo_is_judged_on_a_snapshot_that_shows_what_it_undoes() -> None:
    """On an older one the undo would seem to have no effect, and the law would have nothing to object to."""
    rig = Rig()

    class Lagging(LiveReader):
        def __init__(self) -> None:
            super().__init__(rig.world)
            self.old, self.looks = rig.world.estate, 0

        def newest(self) -> Snapshot:
            self.looks += 1
            return self.old if self.looks <= 3 else rig.world.estate

    rig.reader = Lagging()
    rig.world.script(key(2), BROKEN)
    assert (await rig.executor().execute(sealed(warrant()))).ending is Ending.ROLLED_BACK
    (judged,) = rig.undos_judged_on
    assert misses(judged, warrant().steps[0].postconditions) == ()


async def test_a_step_that_never_arrived_needs_no_leave_to_be_undone() -> None:
    rig = Rig(undo_objection="residency")
    rig.world.script(key(1), *[RetryLater("busy")] * 3)
    outcome = await rig.executor().execute(sealed(warrant()))
    assert (outcome.ending, rig.world.writes) == (Ending.ROLLED_BACK, [])


async def test_undone_and_yet_not_as_before_is_handed_over() -> None:
    """The target said that it had undone the step; a live read of the world says otherwise."""
    rig = Rig()
    rig.world.script(key(2), BROKEN)

    class Lying(Wrapped):
        async def apply(
            self, key: StepKey, change: Change, preconditions: Sequence[Condition], expected: Sequence[Condition] = ()
        ) -> Refusal | None:
            return None if key.undo else await super().apply(key, change, preconditions)

    outcome = await rig.executor(target=Lying(rig.world)).execute(sealed(warrant()))
    assert outcome.ending is Ending.HANDED_OVER
    assert "the estate is not as it was" in outcome.reason


async def test_each_tenant_s_log_gets_its_own_part_only() -> None:
    """The move is tenant-a's alone; the fence touches both tenants of the node; the cap touches nobody."""
    rig = Rig()
    await rig.executor().execute(sealed(warrant()))
    logs = rig.ledger._logs  # type: ignore[attr-defined]
    per_tenant = {
        tenant: [k for k in logs[origin].keys if k.startswith("step:")]
        for tenant in ("tenant-a", "tenant-b")
        for origin in logs
        if origin.endswith(tenant)
    }
    assert {k.split(":")[3] for k in per_tenant[TenantId("tenant-a")]} == {"2", "3"}
    assert {k.split(":")[3] for k in per_tenant[TenantId("tenant-b")]} == {"3"}


async def test_watchers_hear_the_dry_run_each_step_and_the_verification() -> None:
    rig, heard = Rig(), []
    executor = rig.executor()

    async def hear(stage: object, text: str) -> None:
        heard.append(text)

    executor._tell = lambda warrant: hear
    await executor.execute(sealed(warrant()))
    said = [text.partition(":")[0] for text in heard]
    assert said[0].endswith("consumed")
    assert "dry run of 3 steps passed" in heard[0]
    assert said[1:] == ["step 1", "step 2", "step 3", "5 postconditions hold"]
    assert heard[2].endswith("(it disturbed 1 replicas of 1 workloads)")
