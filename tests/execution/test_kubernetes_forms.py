"""The pure half of the Kubernetes target: marks, ownership, templates, goals, and steps in another book's numbers."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.changes import MoveWorkload, ReplicaMove, ScaleWorkload
from estate.conditions import misses
from estate.effects import Step
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.results import Ok
from estate.things import Thing, ThingKind
from estate.workloads import Binding
from tests import builders
from tests.drawing import among
from tests.execution.rig import key
from tests.kubernetes import raws
from tools.execution.kubernetes import keys, owners, placing, stopping, templates
from tools.execution.kubernetes.goals import Goal
from tools.execution.kubernetes.reaching import Household, Reach
from tools.execution.kubernetes.recounting import recounted
from tools.execution.kubernetes.writing import Address, Found
from tools.kubernetes import ownership, resources, workloads
from tools.kubernetes.connecting import Connection

SERVE = WorkloadId("a-serve")
NODES = [NodeId(f"eu-{r}{n}") for r in "ab" for n in range(1, 5)]


def carrying(value: str) -> dict[str, Any]:
    """An object with that mark."""
    return {"metadata": {"annotations": {keys.WARRANT: value}}}


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), max_size=30))
def test_no_write_carries_a_mark_that_stood_before_it(writes: list[tuple[int, bool, bool]]) -> None:
    """A cluster's own rule asks for that, however often a step is written, taken back, undone and written again."""
    raw = carrying("")
    for number, undo, withdrawn in writes:
        before = keys.standing(raw)
        raw = carrying(keys.stamped(raw, key(number, undo=undo), withdrawn=withdrawn))
        assert keys.standing(raw)[0] not in before
        assert keys.newest(raw, key(number, undo=undo))
        assert keys.holds(raw, key(number, undo=undo)) is not withdrawn
        assert len(keys.standing(raw)) <= keys.KEPT


def test_a_step_is_remembered_past_the_writes_of_others() -> None:
    raw = carrying("")
    for number in range(1, keys.KEPT + 1):
        raw = carrying(keys.stamped(raw, key(number)))
    assert all(keys.holds(raw, key(n)) for n in range(1, keys.KEPT + 1))
    assert not keys.newest(raw, key(1))


def test_what_we_hold_is_read_off_the_managed_fields_and_nothing_else() -> None:
    """An apply gives up what it leaves out, so what is missed here would be lost in the cluster."""
    spread = {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1}
    other = {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 2}
    ours = {
        "f:metadata": {"f:annotations": {"f:placet.dev/warrant": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:template": {
                "f:spec": {
                    "f:topologySpreadConstraints": {
                        'k:{"topologyKey":"kubernetes.io/hostname","whenUnsatisfiable":"DoNotSchedule"}': {
                            ".": {},
                            "f:maxSkew": {},
                            "f:topologyKey": {},
                            "f:whenUnsatisfiable": {},
                        }
                    }
                }
            },
        },
    }
    raw = {
        "metadata": {
            "annotations": {"placet.dev/warrant": "k", "example.org/theirs": "x"},
            "managedFields": [
                {"manager": "placet", "operation": "Apply", "fieldsV1": ours},
                {"manager": "argocd", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "placet", "operation": "Update", "fieldsV1": {"f:spec": {"f:taints": {}}}},
            ],
        },
        "spec": {"replicas": 2, "paused": True, "template": {"spec": {"topologySpreadConstraints": [other, spread]}}},
    }
    assert ownership.owned(raw) == {
        "metadata": {"annotations": {"placet.dev/warrant": "k"}},
        "spec": {"replicas": 2, "template": {"spec": {"topologySpreadConstraints": [spread]}}},
    }
    assert ownership.holders(raw, "spec", "replicas") == ("argocd",)
    assert ownership.holders(raw, "spec", "taints") == ()


def test_an_undo_finds_the_placement_that_its_step_displaced() -> None:
    first, second = placing.pinned(frozenset({"a"})), placing.pinned(frozenset({"b"}))
    held = templates.with_placement({}, first)
    once = templates.with_placement(templates.remembering(held, key(1)), second)
    twice = templates.with_placement(templates.remembering(once, key(1)), first)
    assert templates.remembered(twice, key(1)) == first, "kept once, whatever the step writes later"
    assert templates.remembered(templates.forgetting(twice, key(1)), key(1)) is None
    assert "template" not in templates.with_placement(held, {})["spec"], "an empty template cannot be applied"


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 5), min_size=1))
def test_only_an_even_plan_can_be_said_by_a_template(counts: dict[str, int]) -> None:
    seats = Counter(counts)
    even = max(seats.values()) - min(seats.values()) <= 1
    assert (placing.uneven(seats) is None) is even
    if even:
        spec = placing.spread(seats, {"matchLabels": {"app": "x"}}, "pod-template-hash")
        assert ("topologySpreadConstraints" in spec) is (len(seats) > 1)


def test_what_a_rollout_may_stop_is_read_as_kubernetes_rounds_it() -> None:
    def deployment(replicas: int, **strategy: object) -> dict[str, Any]:
        return {"kind": "Deployment", "spec": {"replicas": replicas, "strategy": strategy}}

    assert owners.most_unavailable(deployment(3)) == 0, "a quarter of three is rounded down"
    assert owners.most_unavailable(deployment(8, rollingUpdate={"maxUnavailable": "25%"})) == 2
    assert owners.most_unavailable(deployment(4, rollingUpdate={"maxUnavailable": 1})) == 1
    assert owners.most_unavailable(deployment(4, type="Recreate")) == 4
    assert owners.most_unavailable({"kind": "StatefulSet", "spec": {"replicas": 4}}) == 1


def counted(bindings: list[NodeId], numbers: list[int], first: int) -> FrozenEstate:
    """`a-serve` counted, its pods numbered and its devices allotted by some book."""
    bound = [
        Binding(replica=n, node=node, accelerators=(first + 2 * i, first + 2 * i + 1))
        for i, (n, node) in enumerate(zip(numbers, bindings, strict=True))
    ]
    serve = builders.workload("a-serve", counted=True, replicas=len(bindings), bindings=tuple(bound))
    return builders.estate(workloads=(serve,))


@given(st.data())
def test_a_step_means_the_same_in_the_numbers_of_another_book(data: st.DataObject) -> None:
    """What the inventory laid out leads a live read, numbered otherwise, to the same nodes and counts."""
    nodes = data.draw(st.lists(st.sampled_from(NODES), min_size=1, max_size=4, unique=True))
    shuffled = data.draw(st.permutations(range(len(nodes))))
    theirs, live = counted(nodes, list(range(len(nodes))), 0), counted(nodes, list(shuffled), 0)
    free = [n for n in NODES if n not in nodes]
    change: MoveWorkload | ScaleWorkload
    match data.draw(among(["move", "grow", "shrink"])):
        case "move":
            replica = data.draw(st.integers(0, len(nodes) - 1))
            to = data.draw(among(free))
            moves = (ReplicaMove(replica=replica, source=nodes[replica], target=to, accelerators=(4, 5)),)
            change = MoveWorkload(workload=SERVE, moves=moves)
        case "grow":
            bound = builders.binding(len(nodes), data.draw(among(free)), 6, 7)
            change = ScaleWorkload(workload=SERVE, replicas=len(nodes) + 1, bindings=(bound,))
        case _:
            change = ScaleWorkload(workload=SERVE, replicas=data.draw(st.integers(0, len(nodes))))
    (step,) = builders.steps(change, on=theirs)
    assert played(step, live) == ()


def played(step: Step, live: FrozenEstate) -> tuple[object, ...]:
    """What the step's postconditions miss when it is played on a live sight."""
    change, sight = recounted(step, live)
    result = change.effect(sight)
    assert isinstance(result, Ok), result
    return misses(result.value, step.postconditions)


@given(st.text() | st.from_type(list[int]).map(json.dumps) | st.just('[["a", 1]]'))
def test_a_kept_placement_that_cannot_be_read_is_none(written: str) -> None:
    """Anybody may call himself by our field manager's name; the executor must not fall over what he wrote."""
    held = {"metadata": {"annotations": {templates.BEFORE: written}}}
    assert templates.remembered(held, key(1)) is None
    assert templates.remembered(templates.remembering(held, key(1)), key(1)) == {}


@pytest.mark.parametrize("name", ["serve", "serve-x", "serve-\u00b2", f"serve-{'9' * 30}"])
def test_a_pod_that_only_claims_to_be_of_a_stateful_set_counts_as_its_last(name: str) -> None:
    facts, owner = builders.facts(), raws.owner("StatefulSet", "serve", replicas=1)
    pods = (raws.pod(name, by=owner, on="eu-b1"), raws.pod("serve-0", by=owner, on="eu-a1"))
    made = workloads.workload(owner, pods, (), facts, ClusterId("eu-1"))
    assert made is not None
    address = Address(resources.STATEFUL_SETS, "serve", "tenant-a")
    household = Household(Found(cast("Connection", None), address, owner), pods, made)
    goal = Goal(Thing(kind=ThingKind.WORKLOAD, id=made.id), Counter({NodeId("eu-a1"): 1}), 1, placed=False)
    assert stopping.objection(Reach({}, lambda: facts), household, goal) is None


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet"])
@pytest.mark.parametrize("strategy", ["RollingUpdate", "OnDelete"])
def test_no_step_is_at_its_end_while_a_replica_does_not_serve_yet(kind: str, strategy: str) -> None:
    """A pod that is bound and not ready is missing still; who verified that would drain the next node too early."""
    spec = {"replicas": 2, "updateStrategy": {"type": strategy}}
    status = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}
    owner = {"kind": kind, "metadata": {"generation": 3}, "spec": spec, "status": status}
    assert not owners.rolled_out(owner)
    status["availableReplicas"] = 2
    assert owners.rolled_out(owner)
    status["observedGeneration"] = 2
    assert not owners.rolled_out(owner)
