"""What changed is told in single facts where they say it all, and every follower has the same estate after it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate.alterations import Bound, Cordoned, DeviceJudged, NodeJudged, Unbound
from estate.deltas import Delta, apply
from estate.errors import BadInput, NeverRetry
from estate.frozen import FrozenEstate
from estate.hardware import Health, Node
from estate.ids import NodeId
from estate.references import Ref
from estate.workloads import Binding, Workload
from tests import builders
from tests.inventory.columns_histories import FACTS, NODES, WORKLOADS, answers, nodes, played, typed, workloads
from tools.inventory import telling
from tools.inventory.columns.changes import Change
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.histories import History


def delta(number: int, before: FrozenEstate, after: FrozenEstate) -> Delta:
    """What a writer would tell, as it comes off the bus."""
    put = [n for n in after.nodes() if before.node(n.id) != n]
    running = [w for w in after.workloads() if before.workload(w.id) != w]
    told = telling.told(before, put, running)
    written = Delta(
        version=builders.version(number),
        at=builders.START,
        nodes=told.nodes,
        workloads=told.workloads,
        alterations=told.alterations,
        removed_nodes=tuple(n.id for n in before.nodes() if after.node(n.id) is None),
        removed_workloads=tuple(w.id for w in before.workloads() if after.workload(w.id) is None),
    )
    return Delta.read(written.canonical())


def folded(estate: FrozenEstate, meant: FrozenEstate) -> FrozenEstate:
    """`estate` after a writer took in what is otherwise in `meant`."""
    for node in (n for n in estate.nodes() if meant.node(n.id) is None):
        estate = estate.without_node(node.id)
    for workload in (w for w in estate.workloads() if meant.workload(w.id) is None):
        estate = estate.without_workload(workload.id)
    for put in (n for n in meant.nodes() if estate.node(n.id) != n):
        estate = estate.with_node(put)
    for running in (w for w in meant.workloads() if estate.workload(w.id) != w):
        estate = estate.with_workload(running)
    return estate


@given(st.lists(nodes(), max_size=4), st.lists(workloads(), max_size=2), st.lists(typed(), max_size=12))
@settings(max_examples=40)
def test_whoever_follows_has_the_estate_of_whoever_tells(
    there: list[Node], running: list[Workload], happened: list[Change]
) -> None:
    start = FrozenEstate.of(builders.version(1), FACTS[0], there, running)
    whole = Delta(version=start.version, at=builders.START, whole=True, nodes=tuple(there), workloads=tuple(running))
    inventory, history = Inventory(FACTS[0]), History()
    inventory.follow(whole, FACTS[0], "deltas")
    history.note(inventory.snapshot(start.version), whole)
    estate, replayed = start, start
    for number, change in enumerate(happened, start=2):
        after = folded(estate, played(estate, change))
        told = delta(number, estate, after)
        inventory.follow(told, FACTS[0], "deltas")
        history.note(inventory.snapshot(told.version), told)
        estate, replayed = after, apply(replayed, told, FACTS[0])
    final = answers(estate)
    assert answers(inventory.snapshot(estate.version)) == final == answers(replayed)
    for ref in (*(Ref("node", n) for n in NODES), *(Ref("workload", w) for w in WORKLOADS)):
        *_, last = history.told(ref)
        assert last.thing == (estate.node(NodeId(ref.id)) or estate.workload(ref.id))


class TestFacts:
    def told(self, node: Node | None = None, workload: Workload | None = None) -> telling.Told:
        return telling.told(builders.estate(), [node] if node else [], [workload] if workload else [])

    def test_what_a_fence_and_a_lost_device_do_is_told_in_facts(self) -> None:
        node = builders.default_nodes()[0]
        first, *rest = node.accelerators
        lost = first.model_copy(update={"health": Health.FAILED})
        changed = node.model_copy(update={"cordoned": True, "health": Health.DEGRADED, "accelerators": (lost, *rest)})
        found = self.told(changed)
        assert found.nodes == ()
        assert set(found.alterations) == {
            Cordoned(node.id, True),
            NodeJudged(node.id, Health.DEGRADED),
            DeviceJudged(node.id, first.index, Health.FAILED),
        }

    def test_a_replica_that_moved_is_one_fact_and_one_that_ended_another(self) -> None:
        work = next(w for w in builders.default_workloads() if len(w.bindings) > 1)
        first, *rest = work.bindings
        moved = Binding(replica=first.replica, node=NodeId("eu-b1"), accelerators=(7,))
        assert self.told(workload=work.model_copy(update={"bindings": (moved, *rest)})).alterations == (
            Bound(work.id, moved),
        )
        assert self.told(workload=work.model_copy(update={"bindings": tuple(rest)})).alterations == (
            Unbound(work.id, first.replica),
        )

    def test_of_two_that_bear_one_name_each_is_told_whole(self) -> None:
        """A follower gives the name to the one that was told whole last; a fact would leave it with the other."""
        work = builders.default_workloads()[0]
        twin = work.model_copy(update={"id": WORKLOADS[0]})
        ended = work.model_copy(update={"bindings": work.bindings[1:]})
        assert telling.told(builders.estate().with_workload(twin), [], [ended]).workloads == (ended,)

    def test_what_else_changed_is_told_whole(self) -> None:
        node = builders.default_nodes()[0].model_copy(update={"cordoned": True, "boot_id": "another"})
        assert self.told(node) == telling.Told((node,), (), ())


def test_a_fact_about_what_is_not_there_is_a_fault_of_the_stream() -> None:
    told = Delta(version=builders.version(2), at=builders.START, alterations=(Cordoned(NodeId("eu-a1"), True),))
    with pytest.raises(NeverRetry, match="alters what is not there"):
        Inventory(builders.facts()).follow(told, builders.facts(), "deltas")


@pytest.mark.parametrize("form", [{"fact": "promoted", "node": "eu-a1"}, {"fact": "cordoned", "node": "eu-a1", "x": 1}])
def test_a_fact_that_nobody_knows_is_refused(form: dict[str, object]) -> None:
    known = Delta(version=builders.version(2), at=builders.START).json_form()
    with pytest.raises(BadInput):
        Delta.read({**known, "alterations": [form]})
