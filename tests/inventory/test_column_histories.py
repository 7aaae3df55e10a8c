"""What was known at a version is known again exactly, or said to be forgotten."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from estate.deltas import Delta
from estate.frozen import FrozenEstate
from tests import builders
from tests.inventory.columns_histories import FACTS, answers, nodes, workloads
from tools.inventory.columns.engine import Inventory
from tools.inventory.columns.histories import History, Reach

REACH = Reach(snapshots=3, deltas_between=2)


@st.composite
def streams(draw: st.DrawFn) -> list[Delta]:
    """Deltas of one line, with a whole now and then, a second apart."""
    return [
        Delta(
            version=builders.version(number),
            at=builders.START + timedelta(seconds=number),
            whole=number == 1 or not draw(st.integers(0, 7)),
            nodes=tuple(draw(st.lists(nodes(), max_size=2))),
            workloads=tuple(draw(st.lists(workloads(), max_size=2))),
        )
        for number in range(1, draw(st.integers(2, 14)))
    ]


@given(streams())
def test_every_version_within_reach_is_as_it_was(deltas: list[Delta]) -> None:
    history, known = _told(deltas)
    for number, (delta, then) in enumerate(zip(deltas, known, strict=True)):
        again, at_the_time = history.as_of(delta.version), history.at(delta.at)
        if number >= len(deltas) - REACH.snapshots:  # a chapter holds one version at least
            assert again is not None
        for found in (again, at_the_time):
            assert found is None or (found.version, answers(found)) == (delta.version, then)
    assert history.at(builders.START) is None


def test_what_was_never_here_is_not_made_up() -> None:
    history, _ = _told([Delta(version=builders.version(1), at=builders.START, whole=True)])
    assert history.as_of(builders.version(2)) is None
    assert history.as_of(builders.version(1, epoch=2)) is None
    assert History().as_of(builders.version(1)) is None


def test_other_facts_begin_a_chapter() -> None:
    """A version decided under former facts is answered under those."""
    history, inventory = History(), Inventory(FACTS[0])
    versions = [builders.version(n) for n in (1, 2)]
    for version, facts in zip(versions, FACTS, strict=True):
        delta = Delta(version=version, at=builders.START, nodes=builders.default_nodes())
        inventory.follow(delta, facts, "deltas")
        history.note(inventory.snapshot(version), delta)
    assert [found.facts for v in versions if (found := history.as_of(v))] == list(FACTS)


def _told(deltas: list[Delta]) -> tuple[History, list[object]]:
    """The history of a stream, and the answers at each version."""
    history, inventory, known = History(REACH), Inventory(FACTS[0]), list[object]()
    for delta in deltas:
        if delta.whole:
            inventory = Inventory(FACTS[0])
        inventory.follow(delta, FACTS[0], "deltas")
        estate: FrozenEstate = inventory.snapshot(delta.version)
        history.note(estate, delta)
        known.append(answers(estate))
    return history, known
