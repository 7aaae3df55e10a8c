"""What another size of a machine group does to an estate: nothing but the number, until nodes report or are gone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate.changes import NoInverse, ScaleMachineGroup
from estate.conditions import Field, misses
from estate.effects import effect, lay_out
from estate.errors import BadInput
from estate.frozen import FrozenEstate
from estate.ids import EntityId, NodeId, RackId
from estate.law import Facts
from estate.results import Ok, Refusal
from estate.uses.clusters import GroupSort
from tests import pooled


@settings(max_examples=60)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 8))
def test_machines_to_come_are_no_capacity_and_only_what_never_worked_leaves_unnamed(
    wanted: int, ready: int, machines: int
) -> None:
    """However a group stands: no node comes of it, and no machine that works is given up unnamed."""
    before = pooled.estate(pooled.group(wanted, min(ready, wanted)))
    change = pooled.scale(machines)
    done = effect(change, before)
    if isinstance(done, Refusal):
        broken = machines < wanted and min(ready, wanted) != machines
        assert broken or machines > wanted > ready, done.message
        return
    after = done.value
    assert list(after.nodes()) == list(before.nodes())
    (group,) = (g for g in after.stock.all("machine-group"))
    assert group.wanted == machines  # type: ignore[union-attr]
    assert effect(change, after) == Ok(after), "what is in flight is played again"
    undone = change.inverse(before)
    if machines < wanted:
        assert isinstance(undone, NoInverse)
    else:
        assert isinstance(undone, ScaleMachineGroup)
        assert undone.machines == wanted
        back = effect(undone, after)
        assert isinstance(back, Ok)
        assert back.value.stock == before.stock


def test_a_larger_group_promises_that_all_of_it_works() -> None:
    before = pooled.estate()
    laid = lay_out((pooled.scale(5),), before)
    assert isinstance(laid, Ok)
    (step,) = laid.value.steps
    assert {(c.field, c.equals) for c in step.postconditions} == {(Field.MACHINES, 5), (Field.MACHINES_READY, 5)}
    assert [m.condition.field for m in misses(laid.value.after, step.postconditions)] == [Field.MACHINES_READY]
    assert not misses(pooled.estate(pooled.group(5)), step.postconditions)
    (missed,) = misses(pooled.estate(pooled.group(4)), step.preconditions)
    assert missed.found == 4


def test_a_node_leaves_with_its_machine_and_is_known_to_have_been_shut_and_empty() -> None:
    before = pooled.estate()
    laid = lay_out((pooled.scale(2, pooled.SPARE),), before)
    assert isinstance(laid, Ok)
    (step,) = laid.value.steps
    assert laid.value.after.node(pooled.SPARE) is None
    assert laid.value.footprint.nodes == (pooled.SPARE,)
    assert {c.field for c in step.preconditions} == {Field.MACHINES, Field.CORDONED, Field.BINDINGS}
    assert not misses(laid.value.after, step.postconditions)
    assert misses(before, step.postconditions)
    assert isinstance(step.inverse, NoInverse)


@pytest.mark.parametrize(
    ("estate", "change", "told"),
    [
        (pooled.estate(), pooled.scale(2), "name those that leave"),
        (pooled.estate(pooled.group(5, 3)), pooled.scale(4), "unnamed go all that never worked, and no other"),
        (pooled.estate(pooled.group(3).model_copy(update={"ready": None})), pooled.scale(2), "an unknown number of"),
        (pooled.estate(), pooled.scale(2, "eu-a1"), "runs 2 workloads"),
        (pooled.estate(emptied=False), pooled.scale(2, pooled.SPARE), "cordon it first"),
        (pooled.estate(), pooled.scale(2, "us-a4"), "is one of us-1"),
        (pooled.estate(), pooled.scale(2, "eu-z9"), "is not in the estate"),
        (pooled.estate(), pooled.scale(1, pooled.SPARE, pooled.SPARE), "twice"),
        (pooled.estate(), pooled.scale(3, pooled.SPARE), "name fewer"),
        (pooled.estate(pooled.group(5, 3)), pooled.scale(6), "2 machines that do not work yet"),
        (pooled.estate(pooled.group(sort=GroupSort.CONTROL_PLANE)), pooled.scale(5), "control plane"),
        (pooled.estate(pooled.group(aliases=())), pooled.scale(5), "shown by no cluster"),
        (pooled.estate(pooled.group(None)), pooled.scale(5), "does not say how many"),
    ],
)
def test_what_cannot_be_said_to_be_safe_has_no_effect(
    estate: FrozenEstate, change: ScaleMachineGroup, told: str
) -> None:
    found = effect(change, estate)
    assert isinstance(found, Refusal)
    assert told in found.message


def test_facts_that_contradict_themselves_are_refused_by_their_path() -> None:
    for over, told in (
        ({"provider": EntityId("nobody")}, "pools.eu-1.fleet.workers.gpu.provider: `nobody`"),
        ({"racks": (RackId("us-a"),)}, "pools.eu-1.fleet.workers.gpu.racks: `us-a`"),
    ):
        with pytest.raises(BadInput, match=told.replace(".", r"\.")):
            Facts.read(pooled.facts(pooled.pool()).json_form() | {"pools": [pooled.pool(**over).json_form()]})
    with pytest.raises(ValueError, match="least: `9` is above"):
        pooled.pool(least=9)
    assert pooled.facts().digest != pooled.facts(version=2).digest
    assert NodeId("eu-a4") == pooled.SPARE
