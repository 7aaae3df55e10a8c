"""The columnar engine answers every question as the persistent maps do, whatever happened to it before."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.estates import Estate
from estate.frozen import FrozenEstate
from estate.ids import NodeId
from estate.law import Facts
from estate.snapshots import Snapshot
from tests import builders
from tests.inventory.columns_histories import FACTS, NODES, answers, histories, played
from tools.inventory.columns import changes
from tools.inventory.columns.changes import Change
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.origins import Told

TOLD = Told("test", 1)
type Happening = Change | Facts


def take(inventory: Inventory, *history: Happening) -> None:
    """Changes up to the next facts in batches, of a size that differs from history to history."""
    batch: list[Change] = []
    for change in history:
        if isinstance(change, Facts):
            inventory.take(batch, TOLD)
            batch = []
            inventory.obey(change)
        else:
            batch.append(change)
            if not len(batch) % (1 + len(history) % 9):
                inventory.take(batch, TOLD)
                batch = []
    inventory.take(batch, TOLD)


def both(history: list[Happening]) -> tuple[Inventory, FrozenEstate]:
    """The engine and the maps after one history; facts are taken one by one, as batches, or as their number has it."""
    inventory, estate = Inventory(FACTS[0], few=len(history) % 3 * 3), FrozenEstate(builders.version(), FACTS[0])
    take(inventory, *history)
    for change in history:
        estate = played(estate, change)
    return inventory, estate


def differing(before: Snapshot, after: Snapshot) -> set[NodeId]:
    """The nodes that are otherwise, in themselves or in what runs on them."""
    return {n for n in NODES if _of(before, n) != _of(after, n)}


def _of(estate: Snapshot, node: NodeId) -> object:
    return estate.node(node), estate.workloads_on(node)


class TestAgainstTheMaps:
    @given(histories())
    def test_every_question_has_the_same_answer_after_any_history(self, history: list[Happening]) -> None:
        inventory, estate = both(history)
        assert answers(inventory.snapshot(builders.version())) == answers(estate)

    @given(histories(12), histories(12))
    def test_a_snapshot_stays_as_it_was_while_the_engine_goes_on(
        self, first: list[Happening], later: list[Happening]
    ) -> None:
        """Rows are given up and used again, chunks are written, indexes grow: none of it may show."""
        inventory, estate = both(first)
        snapshot = inventory.snapshot(builders.version())
        for change in later:
            take(inventory, change)
            inventory.snapshot(builders.version())
            inventory.reap()
        assert answers(snapshot) == answers(estate)

    @given(histories(12), histories(12))
    def test_what_if_on_a_snapshot_is_what_if_on_the_maps(self, first: list[Happening], then: list[Happening]) -> None:
        """A rehearsal adds to a snapshot and never writes into the engine."""
        inventory, estate = both(first)
        snapshot = inventory.snapshot(builders.version())
        over = snapshot
        for change in then:
            over, estate = played(over, change), played(estate, change)
        assert answers(over) == answers(estate)
        assert answers(snapshot) == answers(inventory.snapshot(builders.version()))

    @given(histories(12), histories(8), histories(3), histories(3))
    def test_whatever_differs_was_touched(
        self, first: list[Happening], then: list[Happening], mine: list[Happening], theirs: list[Happening]
    ) -> None:
        """Placement looks at touched nodes only: one that is left out is placed on as it was."""
        inventory, _ = both(first)
        before = inventory.snapshot(builders.version())
        for change in then:
            take(inventory, change)
        after = inventory.snapshot(builders.version())
        for change in mine:
            after = played(after, change)
        for change in theirs:
            before = played(before, change)
        for a, b in ((before, after), (after, before)):
            touched = b.touched_since(a)
            assert touched is None or differing(a, b) <= touched

    @given(histories(20), st.integers(0, 20))
    def test_an_equal_thing_is_the_same_object_in_the_next_snapshot(self, history: list[Happening], at: int) -> None:
        """Engines that keep what they made of a thing compare by identity."""
        inventory, _ = both(history)
        before = {n.id: n for n in inventory.snapshot(builders.version()).nodes()}
        for change in history[at : at + 1]:
            take(inventory, change)
        for node in inventory.snapshot(builders.version()).nodes():
            assert (before.get(node.id) is node) or before.get(node.id) != node or node.id not in before


class TestManyRows:
    def test_a_fleet_of_several_chunks_equals_the_maps(self) -> None:
        """Columns go on over chunks, indexes over segments, blocks over extents: a small world never gets there."""
        fleet = Estate(1_100, builders.START + timedelta(days=1))
        inventory, estate = Inventory(fleet.facts), FrozenEstate(builders.version(), fleet.facts)
        things = [*map(changes.NodeSeen, fleet.seen()), *map(changes.WorkloadSeen, fleet.running())]
        early: list[tuple[Snapshot, FrozenEstate]] = []
        for number, change in enumerate([*things, *fleet.happenings(1, 1_500), *fleet.turnover(2, 100)]):
            inventory.take((change,), TOLD)
            estate = played(estate, change)
            if not number % 1_000:
                early.append((inventory.snapshot(builders.version()), estate))
        for mine, theirs in (*early, (inventory.snapshot(builders.version()), estate)):
            assert tuple(mine.nodes()) == tuple(theirs.nodes())
            assert tuple(mine.workloads()) == tuple(theirs.workloads())
            assert mine.stranded_accelerators() == theirs.stranded_accelerators()
            for rack in fleet.facts.rack:
                assert mine.rack_watts(rack) == theirs.rack_watts(rack)
                assert mine.fenced_in(rack) == theirs.fenced_in(rack)
            for node in theirs.nodes():
                assert mine.taken(node.id) == theirs.taken(node.id)
                assert mine.named(node.cluster, node.name) == node.id
                assert all(mine.accelerator(a.uuid) == theirs.accelerator(a.uuid) for a in node.accelerators)
