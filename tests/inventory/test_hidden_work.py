"""What a tenant writes about its own pods never hides the devices that they hold: nobody else would get them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from estate.ids import ClusterId
from estate.workloads import Workload
from tests import builders
from tests.kubernetes import raws
from tools.inventory.kubernetes.modelling import ClusterModel
from tools.kubernetes import objects, resources, workloads

FACTS = builders.facts()
EU = ClusterId("eu-1")
ANY_TEXT = st.text(max_size=40) | st.integers(1025, 3000).map("a".__mul__) | st.sampled_from(["a\u202eb", "e\u0301"])


def seen(**over: Any) -> list[Workload]:
    """What the model makes of one running pod with eight devices, whose metadata its tenant wrote."""
    model = ClusterModel("kubernetes/eu-1", EU, FACTS)
    model.put(resources.NODES, raws.node("eu-a1"))
    pod = raws.pod("p", on="eu-a1", gpus=8)
    model.put(resources.PODS, pod | {"metadata": pod["metadata"] | over})
    while model.settle(10):
        pass
    return list(model.take().workloads)


def held(found: list[Workload]) -> int:
    return sum(len(b.accelerators) for w in found for b in w.bindings if b.node == "eu-a1")


@given(ANY_TEXT)
@example("two\nlines")
def test_no_annotation_hides_a_pod(written: str) -> None:
    assert held(seen(annotations={"placet.dev/datasets": written})) == 8


@given(st.integers(1025, 3000).map("a".__mul__) | st.sampled_from(["a\u202eb", "e\u0301", "a\x07"]))
def test_datasets_that_cannot_be_read_are_datasets_that_no_fact_knows(written: str) -> None:
    """So that nothing is permitted for the reason that nobody could read what it uses."""
    (found,) = seen(annotations={"placet.dev/datasets": written})
    assert found.datasets
    assert not set(found.datasets) & set(FACTS.dataset)


@given(
    ANY_TEXT.filter(bool), ANY_TEXT.filter(bool), ANY_TEXT.filter(bool), st.sampled_from(["apps/v1", "evil.example/v1"])
)
def test_no_owner_reference_hides_a_pod(kind: str, name: str, uid: str, version: str) -> None:
    """API servers take any text there, and their garbage collector leaves owners of kinds that it does not know."""
    named = {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": True}
    assert held(seen(ownerReferences=[named])) == 8


@pytest.mark.parametrize("version", ["apps/v1", "evil.example/v1"])
def test_a_daemon_that_holds_devices_is_seen(version: str) -> None:
    """Whoever may create pods may name a DaemonSet, or make one: it must not run beside the books."""
    named = {"apiVersion": version, "kind": "DaemonSet", "name": "agent", "uid": "u", "controller": True}
    assert held(seen(ownerReferences=[named])) == 8


def test_a_mirror_pod_that_holds_devices_is_seen() -> None:
    assert held(seen(annotations={"kubernetes.io/config.mirror": "x"})) == 8


def test_a_pod_that_asks_for_more_than_its_owner_says_is_no_work_without_power() -> None:
    """A Deployment of no devices may be named by a pod of eight; what they draw counts against the rack."""
    owner = raws.owner("Deployment", "idle", gpus=0)
    found = workloads.workload(owner, [raws.pod("p", by=owner, on="eu-a1", gpus=8)], [], FACTS, EU)
    assert found is not None
    assert held([found]) == 8
    assert found.watts_per_accelerator > 0


@pytest.mark.parametrize("asked", ["65", "2M", "9000000000000", 2**40])
def test_no_appetite_hides_a_pod(asked: Any) -> None:
    """A pod may name its node itself, past every scheduler: it must not poison what is read of that node."""
    greedy = raws.pod("greedy", on="eu-a1", gpus=asked)
    made = workloads.workload(greedy, [greedy], [], FACTS, EU)
    assert made is not None
    assert held([made]) == 64


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet", "Job"])
def test_no_wish_for_replicas_hides_a_workload(kind: str) -> None:
    """A quota stops the pods, and nobody the number: it must not poison what is read of the nodes of those that run."""
    owner = raws.owner(kind, "many", replicas=2**31 - 1)
    found = workloads.workload(owner, [raws.pod("p", by=owner, on="eu-a1", gpus=8)], [], FACTS, EU)
    assert found is not None
    assert (held([found]), found.replicas) == (8, objects.MOST_REPLICAS)
