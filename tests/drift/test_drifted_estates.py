"""Drift of an estate against its file and facts: found, and put right by the executor's target on a twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.drifts import Basis, Drift, Matter
from estate.frozen import FrozenEstate
from estate.hardware import Health, Node, Taint, TaintEffect
from estate.ids import NodeId, TenantId, Uid, WorkloadId
from estate.units import Watts
from estate.workloads import Workload
from tests import builders
from tests.execution.rig import key
from tools.drift import estates
from tools.execution.memory import MemoryTarget

BURN_IN: Final = Taint(key="placet.dev/burn-in", effect=TaintEffect.NO_SCHEDULE)
THEIRS: Final = Taint(key="team", value="b", effect=TaintEffect.NO_SCHEDULE)

type Fleet = tuple[dict[str, Node], dict[str, Workload]]


def fleet() -> Fleet:
    """The small estate by name."""
    nodes = {str(n.id): n for n in builders.default_nodes()}
    return nodes, {str(w.id): w for w in builders.default_workloads()}


@dataclass(frozen=True)
class Row:
    """What became of the estate of the file, and what is found."""

    done: Callable[[Fleet], None]
    found: tuple[tuple[str, str, Matter], ...] = ()
    """Thing, path, what it bears on."""
    change: str = ""
    wanted: Callable[[Fleet], None] | None = None
    """What the file says beyond the small estate."""


def node(name: str, **update: object) -> Callable[[Fleet], None]:
    """A node is otherwise."""

    def done(made: Fleet) -> None:
        made[0][name] = made[0][name].model_copy(update=update)

    return done


def work(name: str, **update: object) -> Callable[[Fleet], None]:
    """A workload is otherwise."""

    def done(made: Fleet) -> None:
        made[1][name] = made[1][name].model_copy(update=update)

    return done


def without(name: str) -> Callable[[Fleet], None]:
    """A node is not there."""

    def done(made: Fleet) -> None:
        del made[0][name]

    return done


def without_work(made: Fleet) -> None:
    """`c-batch` is not there."""
    del made[1]["c-batch"]


def fewer_devices(made: Fleet) -> None:
    """A device is gone from `eu-b2`."""
    found = made[0]["eu-b2"]
    made[0]["eu-b2"] = found.model_copy(update={"accelerators": found.accelerators[:-1]})


def another_model(made: Fleet) -> None:
    """A device of `eu-b2` was exchanged."""
    found = made[0]["eu-b2"]
    first = found.accelerators[0].model_copy(update={"model": "A100-SXM4-40GB"})
    made[0]["eu-b2"] = found.model_copy(update={"accelerators": (first, *found.accelerators[1:])})


MOVED: Final = (builders.binding(0, "eu-a3", 0, 1), builders.binding(1, "eu-a2", 0, 1))
RENUMBERED: Final = (builders.binding(1, "eu-a1", 4, 5), builders.binding(0, "eu-a2", 2, 3))
TABLE: Final[dict[str, Row]] = {
    "nothing happened": Row(node("eu-a1")),
    "a node has another uid, boot and health: how it is, not how it should be": Row(
        node("eu-a1", uid=Uid("anew"), boot_id="again", health=Health.DEGRADED, idle_watts=Watts(7))
    ),
    "a node is missing from its rack": Row(
        without("eu-b3"), (("node/eu-b3", "", Matter.CAPACITY), ("node/eu-b3", "", Matter.CAPACITY))
    ),
    "a node stands in no rack that a fact knows": Row(
        lambda m: m[0].update({"eu-x9": builders.node("eu-x9")}), (("node/eu-x9", "rack", Matter.CAPACITY),)
    ),
    "a node was cordoned": Row(
        node("eu-b2", cordoned=True), (("node/eu-b2", "cordoned", Matter.PLACEMENT),), "UncordonNode"
    ),
    "a fence was lifted": Row(
        node("eu-b2", cordoned=False),
        (("node/eu-b2", "cordoned", Matter.PLACEMENT),),
        "CordonNode",
        node("eu-b2", cordoned=True),
    ),
    "a power cap was taken away": Row(
        node("eu-b2", power_cap_watts=None),
        (("node/eu-b2", "power_cap_watts", Matter.CAPACITY),),
        "SetPowerCap",
        node("eu-b2", power_cap_watts=Watts(6000)),
    ),
    "a taint of ours was put": Row(
        node("eu-b2", taints=(BURN_IN,)),
        (("node/eu-b2", "taints[effect=NoSchedule,key=placet.dev/burn-in]", Matter.PLACEMENT),),
        "UntaintNode",
    ),
    "a taint of others was put": Row(
        node("eu-b2", taints=(THEIRS,)), (("node/eu-b2", "taints[effect=NoSchedule,key=team]", Matter.PLACEMENT),)
    ),
    "a device is gone": Row(fewer_devices, (("node/eu-b2", "accelerators[index=7]", Matter.CAPACITY),)),
    "a device was exchanged": Row(another_model, (("node/eu-b2", "accelerators[index=0].model", Matter.CAPACITY),)),
    "a node came under another control plane": Row(
        node("eu-b2", cluster="us-1"), (("node/eu-b2", "cluster", Matter.ISOLATION),)
    ),
    "a replica runs elsewhere than planned": Row(
        work("a-serve", bindings=MOVED), (("workload/a-serve", "bindings", Matter.PLACEMENT),), "MoveWorkload"
    ),
    "replicas were added": Row(
        work("a-serve", replicas=3),
        (("workload/a-serve", "replicas", Matter.CAPACITY),),
        "ScaleWorkload",
    ),
    "its contract was lowered": Row(
        work("b-train", contract=builders.contract(2)),
        (("workload/b-train", "contract.accelerators_per_replica", Matter.CAPACITY),),
    ),
    "it is another tenant's": Row(
        work("c-batch", tenant=TenantId("tenant-b")), (("workload/c-batch", "tenant", Matter.ISOLATION),)
    ),
    "it uses other data": Row(work("a-serve", datasets=()), (("workload/a-serve", "datasets", Matter.SECURITY),)),
    "it is not there": Row(
        without_work, (("workload/c-batch", "", Matter.CAPACITY),)
    ),
    "of a counted workload only numbers changed: book-keeping": Row(
        work("a-serve", counted=True, bindings=RENUMBERED),
        wanted=work("a-serve", counted=True),
    ),
}  # fmt: skip


def observed(made: Fleet) -> FrozenEstate:
    """As an estate."""
    return builders.estate(nodes=made[0].values(), workloads=made[1].values())


def told(found: tuple[Drift, ...]) -> list[tuple[str, str, Matter]]:
    """What the table says of drifts, in their order."""
    return [(str(d.about), d.path, d.matter) for d in found]


@pytest.mark.parametrize("case", TABLE)
async def test_an_estate_drifts_from_its_file_and_is_put_right(case: str) -> None:
    row, wanted, seen = TABLE[case], fleet(), fleet()
    for made in (wanted, seen):
        if row.wanted is not None:
            row.wanted(made)
    row.done(seen)
    file = builders.world(nodes=tuple(wanted[0].values()), workloads=tuple(wanted[1].values()))
    found = tuple(estates.drifts(file, observed(seen)))
    assert told(found) == list(row.found)
    assert {d.restoring.kind if d.restoring else "" for d in found} == ({row.change} if found else set())
    assert all(bool(d.no_change) != (d.restoring is not None) for d in found)
    if row.change:
        target = MemoryTarget(observed(seen))
        (drift,) = found
        assert drift.restoring is not None
        (step,) = builders.steps(drift.restoring, on=target.estate)
        assert await target.apply(key(1), step.change, step.preconditions, step.postconditions) is None
        after = tuple(estates.drifts(file, target.estate))
        assert not any(d.key == drift.key for d in after)


def test_a_drift_says_who_says_so() -> None:
    seen = fleet()
    del seen[0]["eu-b3"]
    bases = {d.basis for d in estates.drifts(builders.world(), observed(seen))}
    assert bases == {Basis.FACTS, Basis.ESTATE_FILE}


@given(st.sampled_from(sorted(fleet()[0])), st.booleans(), st.sampled_from([None, 4000, 9000]))
def test_the_estate_of_a_file_has_not_drifted_from_it(name: str, cordoned: bool, cap: int | None) -> None:
    made = fleet()
    node(name, cordoned=cordoned, power_cap_watts=cap)(made)
    file = builders.world(nodes=tuple(made[0].values()), workloads=tuple(made[1].values()))
    assert list(estates.drifts(file, observed(made))) == []
    assert file.nodes[0].id == NodeId("eu-a1")
    assert WorkloadId("a-serve") in made[1]
