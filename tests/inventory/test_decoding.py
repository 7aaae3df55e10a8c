"""What a cluster's model makes of objects as they came is what it makes of each of them read whole."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate.errors import RetryLater
from estate.hardware import Health
from tests.inventory.test_cluster_model import fresh, objects, taken
from tests.kubernetes import raws
from tests.kubernetes.raws import Raw
from tools.inventory.kubernetes.modelling import ClusterModel
from tools.kubernetes import applied, resources
from tools.kubernetes.connecting import Written
from tools.kubernetes.resources import Resource

_OWN = {"key": "placet.dev/fault", "effect": "NoSchedule"}
_taints = st.sampled_from(
    (None, [], [_OWN], [{"key": "a", "value": "b", "effect": "NoExecute"}, _OWN], [{"key": "a", "effect": "Soon"}, 7])
)
_often = (None, None, None, None)
_twists = st.sampled_from(
    (
        *_often,
        ("metadata", "labels", {"placet.dev/kind": "training", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"}),
        ("metadata", "annotations", {applied.ANNOTATION: '{"spec":{"replicas":2}}'}),
        ("metadata", "generation", 4),
        ("metadata", "managedFields", [{"manager": "someone", "operation": "Update"}]),
        ("metadata", "uid", 7),
        ("spec", "providerID", "aws:///eu/i-1"),
        ("spec", "unschedulable", "no"),
        ("status", "phase", "Run\u202ening"),
        ("status", "phase", "Failed"),
        ("status", "succeeded", 1),
        ("status", "resourceClaimStatuses", [{"name": "gpu", "resourceClaimName": "held"}]),
        ("status", "conditions", [{"type": "Complete", "status": "True", "lastProbeTime": "2026-11-26T08:00:00Z"}]),
        ("status", "conditions", [{"type": "Ready"}]),
        ("status", "nodeInfo", {"bootID": "another", "kubeletVersion": "v1.36.3"}),
        ("status", "message", "nobody reads this"),
    )
)


@st.composite
def nodes(draw: st.DrawFn) -> tuple[Resource, Raw]:
    """One of two nodes: mostly as before, now and then another machine, or nonsense."""
    name, allots = draw(st.sampled_from(("eu-a1", "eu-a2"))), draw(st.sampled_from((8, 8, 8, 7)))
    raw = raws.node(name, allots=allots, ready=draw(st.sampled_from(("True", "True", "False", "Unknown"))))
    raw["spec"] = {"unschedulable": draw(st.sampled_from((None, True, False))), "taints": draw(_taints)}
    raw["status"]["conditions"].append({"type": "DiskPressure", "status": draw(st.sampled_from(("True", "False")))})
    return resources.NODES, draw(st.sampled_from((raw, raw, raw, raw, raw, {**raw, "status": "gone"})))


@st.composite
def sights(draw: st.DrawFn) -> tuple[bool, Resource, Raw]:
    """An object is there, or is gone; often one that nothing happened to but what nobody reads."""
    resource, raw = draw(st.one_of(nodes(), objects()))
    twist = draw(_twists)
    if twist is not None:
        part, field, value = twist
        raw = {**raw, part: {**raw[part], field: value}} if isinstance(raw.get(part), dict) else raw
    return draw(st.sampled_from((True,) * 7 + (False,))), resource, raw


def written(raw: Raw) -> Written:
    return Written(orjson.dumps(raw), "GET /of/a/test")


@given(st.lists(sights(), max_size=10), st.booleans())
@settings(max_examples=60)
def test_objects_as_they_came_make_the_same_cluster_as_each_read_whole(
    seen: list[tuple[bool, Resource, Raw]], declares: bool
) -> None:
    quick, slow = fresh(), fresh()
    for at, (there, resource, raw) in enumerate(seen * 2):
        if declares and at == 5:
            quick.declare({})
            slow.declare({})
        if there:
            assert quick.see(resource, written(raw)).uid == slow.put(resource, orjson.loads(orjson.dumps(raw)))
        else:
            quick.drop(resource, raw)
            slow.drop(resource, raw)
        assert taken(quick) == taken(slow)
        assert quick.refused == slow.refused
    assert quick.everything() == slow.everything()


class Counted(Written):
    """Counts how often an object is parsed."""

    forms = 0

    @property
    def form(self) -> dict[str, Any]:
        Counted.forms += 1
        return super().form


def parsed(model: ClusterModel, resource: Resource, raw: Raw) -> int:
    before = Counted.forms
    model.see(resource, Counted(orjson.dumps(raw), "GET /of/a/test"))
    return Counted.forms - before


def test_what_nobody_reads_and_single_facts_of_a_node_need_no_parsing() -> None:
    model, node = fresh(), raws.node("eu-a1")
    deployment = raws.owner("Deployment", "serve")
    pod = raws.pod("serve-1", by=deployment, on="eu-a1")
    kinds = {resources.NODES: node, resources.DEPLOYMENTS: deployment, resources.PODS: pod}
    assert [parsed(model, kind, raw) for kind, raw in kinds.items()] == [1, 1, 1]
    taken(model)
    for raw in kinds.values():
        raw["metadata"] |= {"resourceVersion": "2", "managedFields": [{"manager": "kubelet"}]}
        raw.setdefault("status", {})["message"] = "news that nobody reads"
    node["status"]["conditions"][0] |= {"status": "False", "lastHeartbeatTime": "2026-11-26T08:00:00Z"}
    node["spec"] |= {"unschedulable": True, "taints": [_OWN]}
    assert [parsed(model, kind, raw) for kind, raw in kinds.items()] == [0, 0, 0]
    news = taken(model)
    assert [(n.cordoned, n.health, len(n.taints)) for n in news.nodes] == [(True, Health.FAILED, 1)]
    assert news.workloads == ()


def test_what_somebody_applied_is_read_whole_because_its_managers_are_told() -> None:
    model = fresh()
    noted = raws.owner("Deployment", "serve", annotations={applied.ANNOTATION: "{}"})
    assert [parsed(model, resources.DEPLOYMENTS, noted) for _ in range(2)] == [1, 1]


def test_what_is_no_json_at_all_is_a_fault_of_the_answer() -> None:
    with pytest.raises(RetryLater, match="got no answer"):
        fresh().see(resources.PODS, Written(b'{"metadata":{"name":', "GET /of/a/test"))
