"""Which pods stop together, by what Kubernetes and its schedulers say of them."""

from __future__ import annotations

from typing import Any

import pytest

from estate.errors import BadInput
from estate.ids import ClusterId
from estate.workloads import Gang, Workload
from tests import builders
from tests.kubernetes import raws
from tests.kubernetes.raws import Raw
from tools.kubernetes import gangs, workloads

EU = ClusterId("eu-1")
FACTS = builders.facts()


def mapped(owner: Raw, *pods: Raw) -> Workload:
    found = workloads.workload(owner, pods, (), FACTS, EU)
    assert found is not None
    return found


def job(kind: str = "training", **spec: Any) -> Raw:
    """A Job of two numbered pods that says what it does."""
    labels = {"placet.dev/kind": kind} if kind else {}
    return raws.owner("Job", "train", labels=labels, spec={"completionMode": "Indexed"} | spec)


def members(owner: Raw, *saying: dict[str, Any]) -> list[Raw]:
    """A bound pod for each: its labels, annotations and further fields of its spec."""
    made = []
    for number, told in enumerate(saying):
        pod = raws.pod(f"p{number}", by=owner, on="eu-a1", labels=told.get("labels", {}))
        pod["metadata"]["annotations"] = told.get("annotations", {})
        pod["spec"] |= told.get("spec", {})
        made.append(pod)
    return made


@pytest.mark.parametrize("kind", ["training", "fine-tuning"])
def test_a_training_job_of_several_numbered_pods_is_a_gang(kind: str) -> None:
    trains = job(kind)
    assert mapped(trains, *members(trains, {}, {})).gangs == (builders.gang("eu-1.tenant-a.job.train"),)


@pytest.mark.parametrize(
    "other",
    [
        job("batch"),
        job(""),
        job(completionMode="NonIndexed"),
        job(parallelism=1),
        raws.owner("Deployment", "serve"),
        raws.owner("StatefulSet", "serve", labels={"placet.dev/kind": "training"}),
    ],
)
def test_what_can_do_without_one_of_its_pods_is_none(other: Raw) -> None:
    assert mapped(other, *members(other, {})).gangs == ()


@pytest.mark.parametrize(
    ("told", "gang"),
    [
        ({"labels": {"jobset.sigs.k8s.io/jobset-name": "llm"}}, "jobset.llm"),
        ({"labels": {"scheduling.x-k8s.io/pod-group": "llm"}}, "coscheduling.llm"),
        ({"labels": {"pod-group.scheduling.sigs.k8s.io": "llm"}}, "coscheduling.llm"),
        ({"annotations": {"scheduling.k8s.io/group-name": "llm"}}, "volcano.llm"),
        ({"annotations": {"scheduling.volcano.sh/group-name": "llm"}}, "volcano.llm"),
        ({"labels": {"scheduling.k8s.io/group-name": "llm"}}, "volcano.llm"),
        ({"labels": {"kueue.x-k8s.io/pod-group-name": "llm"}}, "kueue.llm"),
        ({"spec": {"schedulingGroup": {"podGroupName": "llm"}}}, "podgroup.llm"),
        ({"spec": {"workloadRef": {"name": "llm", "podGroup": "w", "podGroupReplicaKey": "0"}}}, "podgroup.llm.w.0"),
        (
            {"labels": {"jobset.sigs.k8s.io/jobset-name": "llm", "kueue.x-k8s.io/pod-group-name": "part"}},
            "jobset.llm",
        ),
    ],
)
def test_a_pod_names_its_group_by_whoever_schedules_it(told: dict[str, Any], gang: str) -> None:
    owner = raws.owner("StatefulSet", "ranks")
    assert mapped(owner, *members(owner, told, told)).gangs == (builders.gang(f"eu-1.tenant-a.{gang}"),)


def test_the_jobs_of_one_set_are_one_gang() -> None:
    told = {"labels": {"jobset.sigs.k8s.io/jobset-name": "llm"}}
    found = [mapped(o, *members(o, told)) for o in (raws.owner("Job", "llm-a-0"), raws.owner("Job", "llm-b-0"))]
    assert found[0].gangs == found[1].gangs != ()


def test_each_group_of_a_leader_worker_set_is_a_gang_of_its_own() -> None:
    owner = raws.owner("StatefulSet", "llm", replicas=5)
    label = "leaderworkerset.sigs.k8s.io"
    told = [{"labels": {f"{label}/name": "llm", f"{label}/group-index": group}} for group in ("0", "0", "1", "1")]
    found = mapped(owner, *members(owner, *told, {}))
    assert [g.id for g in found.gangs] == [f"eu-1.tenant-a.leaderworkerset.llm.{n}" for n in ("0", "1")]
    assert [len(g.replicas) for g in found.gangs] == [2, 2]
    assert sum(1 for b in found.bindings if found.gang_of(b.replica) is None) == 1


def test_pods_that_volcano_grouped_by_itself_are_no_gang() -> None:
    """It does so with every Deployment's: stopping one must not stop them all."""
    owner = raws.owner("Deployment", "serve")
    told = {"annotations": {"scheduling.k8s.io/group-name": "podgroup-5f210d93"}}
    assert mapped(owner, *members(owner, told, told)).gangs == ()


def test_two_namespaces_never_share_a_gang() -> None:
    """A pod's labels are its tenant's to write: they reach nobody else's pods."""
    one, other = (gangs.identified(EU, n, "jobset.llm") for n in ("tenant-a", "tenant-b"))
    assert one != other
    assert len(gangs.identified(EU, "n" * 63, "jobset." + "x" * 253)) <= 128


@pytest.mark.parametrize(
    "spec", [{"schedulingGroup": "llm"}, {"schedulingGroup": {"podGroupName": 1}}, {"workloadRef": {"name": {}}}]
)
def test_a_group_that_cannot_be_read_is_told_with_its_field(spec: dict[str, Any]) -> None:
    (field,) = spec
    with pytest.raises(BadInput, match=rf"spec\.{field}"):
        gangs.told({}, spec)


def test_a_pending_member_keeps_no_gang_from_being_one() -> None:
    trains = job()
    waiting = raws.pod("p9", by=trains)
    assert mapped(trains, *members(trains, {}), waiting).gangs == (
        Gang(id=builders.gang("eu-1.tenant-a.job.train").id),
    )
