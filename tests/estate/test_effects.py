"""What a change does, what undoes it, and what every snapshot adds up to, for any estate and any changes."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from estate.changes import (
    CopyWorkload,
    CordonNode,
    DrainNode,
    MoveWorkload,
    NoInverse,
    RemoveWorkload,
    ReplicaMove,
    ScaleWorkload,
    SetPowerCap,
    UncordonNode,
)
from estate.conditions import misses
from estate.effects import Layout, Step, effect, lasting, lay_out, written
from estate.frozen import FrozenEstate
from estate.hardware import Health
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.results import Ok, Refusal, RefusalCode
from estate.snapshots import Snapshot
from estate.trails import LONGEST
from estate.units import Watts
from estate.workloads import Binding
from tests import builders, partitioned
from tests.drawing import among
from tests.estate.estates_changing import REVERSIBLE, changes

EU_A1, A_SERVE = NodeId("eu-a1"), WorkloadId("a-serve")


def ganged() -> FrozenEstate:
    """The small estate with gangs in it."""
    return builders.estate(workloads=builders.ganged_workloads())


def counting() -> FrozenEstate:
    """The small estate in the words of a system that counts: no replica has a number, no device a name."""
    return builders.estate(workloads=[w.model_copy(update={"counted": True}) for w in builders.default_workloads()])


def content(snapshot: Snapshot) -> object:
    """Everything but the version."""
    return tuple(snapshot.nodes()), tuple(snapshot.workloads()), tuple(snapshot.stock)


def laid_out(data: st.DataObject, estate: FrozenEstate, most: int = 5, **kinds: tuple[str, ...]) -> Layout:
    """Up to `most` changes that take effect one after another."""
    chosen = []
    running: Snapshot = estate
    for _ in range(data.draw(st.integers(1, most))):
        change = data.draw(changes(running, **kinds))
        result = effect(change, running)
        if isinstance(result, Ok):
            chosen.append(change)
            running = result.value
    assume(chosen)
    laid = lay_out(chosen, estate)
    assert isinstance(laid, Ok)
    return laid.value


def _copies_what_stopped(step: Step) -> bool:
    return isinstance(step.change, CopyWorkload) and isinstance(step.inverse, NoInverse)


def test_a_copy_of_what_runs_nowhere_is_not_taken_away_again() -> None:
    """It would be all that there is of the workload."""
    estate = builders.estate()
    workload = estate.workload(A_SERVE)
    assert workload is not None
    pending = estate.with_workload(workload.model_copy(update={"bindings": ()}))
    places = tuple(Binding(replica=n, node=NodeId("us-a1"), accelerators=(n,)) for n in range(workload.replicas))
    copy = CopyWorkload(workload=A_SERVE, to_cluster=ClusterId("us-1"), bindings=places)
    assert isinstance(copy.inverse(estate), RemoveWorkload)
    assert isinstance(copy.inverse(pending), NoInverse)


@given(st.data())
def test_the_inverses_in_reverse_order_restore_the_estate(data: st.DataObject) -> None:
    """Undo is what makes a half-done plan safe. One thing it never does: return work to a fenced node."""
    before = data.draw(among([builders.estate(), counting(), ganged(), partitioned.estate()]))
    layout = laid_out(data, before, kinds=REVERSIBLE)
    assume(not any(_copies_what_stopped(s) for s in layout.steps))
    running = layout.after
    for step in reversed(layout.steps):
        if isinstance(step.inverse, NoInverse):
            continue
        result = effect(step.inverse, running)
        if isinstance(result, Refusal):
            fence = "is cordoned" in result.message or "is tainted" in result.message
            assert fence, (step.change, step.inverse, result)
            return
        running = result.value
    assert content(running) == content(before)


@given(st.data())
def test_the_undo_of_a_drain_opens_the_node_and_brings_nothing_back(data: st.DataObject) -> None:
    """Owners have put their replicas elsewhere by then: bringing them back would disturb them a second time."""
    before = laid_out(data, builders.estate()).after
    node = data.draw(among([n.id for n in before.nodes()]))
    laid = lay_out((DrainNode(node=node),), before)
    assert isinstance(laid, Ok)
    (step,) = laid.value.steps
    emptied = [w.without(w.on(node)) for w in before.workloads()]
    assert list(laid.value.after.workloads()) == emptied
    found = before.node(node)
    assert found is not None
    if found.cordoned:
        assert isinstance(step.inverse, NoInverse)
        return
    assert not isinstance(step.inverse, NoInverse)
    undone = effect(step.inverse, laid.value.after)
    assert isinstance(undone, Ok)
    assert content(undone.value) == (tuple(before.nodes()), tuple(emptied), tuple(before.stock))


@given(st.data())
def test_what_lasts_of_the_conditions_of_a_plan_is_true_after_it(data: st.DataObject) -> None:
    """Verification checks this at the end: no later step may make a liar of an earlier one."""
    start = data.draw(among([builders.estate(), counting(), ganged(), partitioned.estate()]))
    layout = laid_out(data, start, most=8)
    lasting_ones = lasting(layout.steps)
    assert misses(layout.after, lasting_ones) == ()
    assert layout.steps[-1].postconditions == lasting_ones[-len(layout.steps[-1].postconditions) :]


def test_of_what_a_later_step_removes_nothing_earlier_is_checked() -> None:
    """A property found it: emptied, copied elsewhere, removed."""
    estate, batch = builders.estate(), WorkloadId("c-batch")
    empty = MoveWorkload(workload=batch, moves=(ReplicaMove(replica=0, source=NodeId("us-a1"), target=None),))
    place = Binding(replica=0, node=NodeId("eu-a3"), accelerators=tuple(range(8)))
    copy = CopyWorkload(workload=batch, to_cluster=ClusterId("eu-1"), bindings=(place,))
    workload = estate.workload(batch)
    assert workload is not None
    laid = lay_out((empty, copy, RemoveWorkload(workload=batch, replaced_by=copy.named(workload))), estate)
    assert isinstance(laid, Ok)
    assert misses(laid.value.after, lasting(laid.value.steps)) == ()


@given(st.data())
def test_each_step_holds_before_and_after_where_it_says_so(data: st.DataObject) -> None:
    start = data.draw(among([builders.estate(), counting(), ganged(), partitioned.estate()]))
    running: Snapshot = start
    for step in laid_out(data, start).steps:
        assert misses(running, step.preconditions) == ()
        result = effect(step.change, running)
        assert isinstance(result, Ok)
        assert misses(result.value, step.postconditions) == ()
        assert step.preconditions
        running = result.value


@given(st.data())
def test_a_change_writes_what_it_names_and_nothing_else(data: st.DataObject) -> None:
    """The twin stores, and the executor writes, these things only."""
    before = laid_out(data, data.draw(among([builders.estate(), ganged()]))).after
    change = data.draw(changes(before))
    result = effect(change, before)
    assume(isinstance(result, Ok))
    assert isinstance(result, Ok)
    wrote = {f"node/{n.id}" for n in result.value.nodes() if before.node(n.id) is not n}
    wrote |= {f"workload/{w.id}" for w in result.value.workloads() if before.workload(w.id) is not w}
    named = [str(t) for t in written(change, before)]
    assert named[0] == str(change.target())
    assert wrote <= set(named)
    assert set(change.disrupts(before)) == set(change.footprint(before).workloads)
    assert sum(change.disrupts(before).values()) == change.footprint(before).disrupted_replicas


@given(st.data())
def test_the_footprint_names_everything_that_differs(data: st.DataObject) -> None:
    before = data.draw(among([builders.estate(), ganged()]))
    layout = laid_out(data, before)
    differing = {w.id for w in layout.after.workloads() if before.workload(w.id) != w}
    touched = {
        n.id for n in layout.after.nodes() if before.node(n.id) != n or before.taken(n.id) != layout.after.taken(n.id)
    }
    assert differing <= set(layout.footprint.workloads)
    assert touched <= set(layout.footprint.nodes)


@given(st.data())
def test_sums_kept_current_equal_those_of_a_scan(data: st.DataObject) -> None:
    estate: Snapshot = builders.estate()
    for _ in range(data.draw(st.integers(1, 8))):
        act = data.draw(among(["change", "drop node", "drop workload", "put node", "facts"]))
        match act:
            case "change":
                result = effect(data.draw(changes(builders.estate())), estate)
                estate = result.value if isinstance(result, Ok) else estate
            case "drop node":
                estate = estate.without_node(data.draw(among([n.id for n in builders.default_nodes()])))
            case "drop workload":
                estate = estate.without_workload(data.draw(among([w.id for w in builders.default_workloads()])))
            case "put node":
                estate = estate.with_node(builders.node("eu-a1", idle_watts=Watts(data.draw(st.integers(0, 3000)))))
            case "facts":
                moved = builders.rack("eu-a", nodes=(EU_A1,))
                estate = estate.with_facts(builders.facts(racks=(moved, builders.rack("us-a"))))
        for rack in estate.facts.rack:
            assert estate.rack_watts(rack) == sum(estate.node_watts(n.id) for n in estate.nodes_in(rack))
            assert estate.fenced_in(rack) == sum(n.fenced for n in estate.nodes_in(rack))
        for site in estate.facts.site:
            fenced = [n for n in estate.nodes() if n.fenced and estate.site_of(n.id) == site]
            assert estate.fenced_at(site) == len(fenced)
            drawn = sum(estate.node_watts(n.id) for n in estate.nodes() if estate.site_of(n.id) == site)
            assert estate.site_watts(site) == drawn
        for tenant in estate.facts.tenant:
            held = [(w, len(b.accelerators)) for w in estate.workloads() if w.tenant == tenant for b in w.bindings]
            assert estate.tenant_devices(tenant) == sum(n for _, n in held)
            assert estate.tenant_watts(tenant) == sum(w.watts_per_accelerator * n for w, n in held)
        assert estate.stranded_accelerators() == stranded_by_scan(estate)


def stranded_by_scan(estate: Snapshot) -> int:
    asks = [w.contract.accelerators_per_replica for w in estate.workloads() if w.replicas]
    smallest = min((a for a in asks if a), default=0)
    total = 0
    for node in estate.nodes():
        taken = estate.taken(node.id)
        free = sum(1 for a in node.accelerators if a.health is Health.HEALTHY and a.index not in taken)
        closed = node.fenced or node.health is not Health.HEALTHY
        total += free if closed or free < smallest else 0
    return total


@given(st.data())
def test_estates_of_one_line_differ_only_where_they_were_touched(data: st.DataObject) -> None:
    """What an engine copies instead of reading again must really be the same, on a branch too."""
    start = builders.estate()
    one, other = laid_out(data, start).after, laid_out(data, start).after
    if data.draw(st.booleans()):
        other = other.without_node(data.draw(among([n.id for n in start.nodes()])))
    touched = one.touched_since(other)
    assert touched is not None
    for node in {n.id for n in (*one.nodes(), *other.nodes())} - touched:
        assert one.node(node) is other.node(node)
        assert [id(w) for w in one.workloads_on(node)] == [id(w) for w in other.workloads_on(node)]


def test_estates_without_a_common_start_or_law_are_not_comparable() -> None:
    estate = builders.estate()
    assert estate.touched_since(builders.estate()) is None
    assert estate.with_facts(builders.facts()).touched_since(estate) is None
    grown = estate
    for number in range(2 * LONGEST + 2):
        if number <= LONGEST:
            assert {f"x-{n}" for n in range(number)} <= (grown.touched_since(estate) or set())
        grown = grown.with_node(builders.node(f"x-{number}"))
    assert grown.touched_since(estate) is None


@given(st.data())
def test_the_indexes_answer_as_a_scan_would(data: st.DataObject) -> None:
    estate = laid_out(data, builders.estate()).after
    for node in estate.nodes():
        held = [w for w in estate.workloads() if w.on(node.id)]
        assert list(estate.workloads_on(node.id)) == held
        assert estate.taken(node.id) == {i for w in held for b in w.on(node.id) for i in b.accelerators}
        assert estate.named(node.cluster, node.name) == node.id
        for device in node.accelerators:
            ref = estate.accelerator(device.uuid)
            assert ref is not None
            assert (ref.node, ref.index) == (node.id, device.index)
    for workload in estate.workloads():
        assert estate.workload_named(workload.cluster, workload.namespace, workload.name) == workload.id


def test_no_two_replicas_ever_hold_one_device() -> None:
    both = (
        ReplicaMove(replica=0, source=EU_A1, target=NodeId("eu-a3"), accelerators=(0, 1)),
        ReplicaMove(replica=1, source=NodeId("eu-a2"), target=NodeId("eu-a3"), accelerators=(1, 2)),
    )
    refused = effect(MoveWorkload(workload=A_SERVE, moves=both), builders.estate())
    assert isinstance(refused, Refusal)
    assert "accelerator 1 is taken" in refused.message


def test_a_move_may_swap_what_its_own_replicas_hold() -> None:
    swap = (
        ReplicaMove(replica=0, source=EU_A1, target=NodeId("eu-a2"), accelerators=(0, 1)),
        ReplicaMove(replica=1, source=NodeId("eu-a2"), target=EU_A1, accelerators=(0, 1)),
    )
    assert isinstance(effect(MoveWorkload(workload=A_SERVE, moves=swap), builders.estate()), Ok)


def test_an_undo_of_a_cordon_that_was_there_before_is_refused_with_the_reason() -> None:
    fenced = builders.estate().with_node(builders.node("eu-a1", cordoned=True))
    inverse = CordonNode(node=EU_A1).inverse(fenced)
    assert isinstance(inverse, NoInverse)
    assert "cordoned before" in inverse.reason
    assert isinstance(UncordonNode(node=NodeId("eu-a2")).inverse(fenced), NoInverse)


def test_nothing_is_seated_on_what_is_fenced_failed_or_full() -> None:
    estate = builders.estate().with_node(builders.node("eu-a3", health=Health.UNKNOWN))
    estate = estate.with_node(builders.node("eu-a4", cordoned=True))
    failed = builders.accelerator("eu-b4", 0, health=Health.FAILED)
    eu_b4 = builders.node("eu-b4")
    estate = estate.with_node(eu_b4.model_copy(update={"accelerators": (failed, *eu_b4.accelerators[1:])}))
    for target, devices in (
        ("eu-a3", (0, 1)),
        ("eu-a4", (0, 1)),
        ("eu-b4", (0, 1)),
        ("eu-b1", (0, 1)),
        ("us-b1", (0, 1)),
    ):
        move = ReplicaMove(replica=0, source=EU_A1, target=NodeId(target), accelerators=devices)
        refused = effect(MoveWorkload(workload=A_SERVE, moves=(move,)), estate)
        assert isinstance(refused, Refusal), target
        assert refused.code is RefusalCode.NO_CAPACITY


def test_a_change_of_something_unknown_is_refused_by_name() -> None:
    for change in (
        CordonNode(node=NodeId("gone")),
        SetPowerCap(node=NodeId("gone"), watts=None),
        ScaleWorkload(workload=WorkloadId("gone"), replicas=1),
    ):
        refused = effect(change, builders.estate())
        assert isinstance(refused, Refusal)
        assert refused.code is RefusalCode.UNKNOWN_TARGET
        assert "gone" in refused.message


def test_a_power_cap_below_idle_is_refused_with_the_least_that_goes() -> None:
    refused = effect(SetPowerCap(node=EU_A1, watts=Watts(999)), builders.estate())
    assert isinstance(refused, Refusal)
    assert "at least 1000 W" in refused.message


def test_no_undo_returns_work_to_a_node_that_the_same_plan_fenced() -> None:
    drain = (
        CordonNode(node=EU_A1),
        MoveWorkload(
            workload=A_SERVE,
            moves=(ReplicaMove(replica=0, source=EU_A1, target=NodeId("eu-a3"), accelerators=(0, 1)),),
        ),
    )
    laid = lay_out(drain, builders.estate())
    assert isinstance(laid, Ok)
    back = laid.value.steps[1].inverse
    assert not isinstance(back, NoInverse)
    assert isinstance(effect(back, laid.value.after), Refusal)


def test_a_layout_stops_at_the_first_refusal() -> None:
    fenced_first = (
        CordonNode(node=NodeId("eu-a3")),
        MoveWorkload(
            workload=A_SERVE,
            moves=(ReplicaMove(replica=0, source=EU_A1, target=NodeId("eu-a3"), accelerators=(0, 1)),),
        ),
    )
    refused = lay_out(fenced_first, builders.estate())
    assert isinstance(refused, Refusal)
    assert "is cordoned" in refused.message


def test_a_device_named_twice_is_not_two_devices() -> None:
    """Power is counted by the names in a binding: a proposer could make a rack look full."""
    twice = ReplicaMove(replica=0, source=EU_A1, target=NodeId("eu-a3"), accelerators=(0, 1, 1))
    result = MoveWorkload(workload=WorkloadId("a-serve"), moves=(twice,)).effect(builders.estate())
    assert isinstance(result, Refusal)
    assert "each named once" in result.message
