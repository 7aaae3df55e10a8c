"""What raw objects mean, from the objects alone: the source and the executor both decide on it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate import names
from estate.conditions import written_bindings
from estate.devices import Partitioning, PartitionState
from estate.errors import BadInput, Denied
from estate.hardware import Health
from estate.ids import ClusterId, DatasetId, NodeId, RackId, SiteId
from estate.workloads import Workload, WorkloadKind
from tests import builders
from tests.kubernetes import raws
from tests.kubernetes.raws import Raw
from tools.kubernetes import chains, naming, nodes, objects, power, requirements, resources, workloads
from tools.kubernetes.numbering import Numbering

EU = ClusterId("eu-1")
FACTS = builders.facts()


def mapped(owner: Raw, *pods: Raw, budgets: tuple[Raw, ...] = (), numbering: Numbering | None = None) -> Workload:
    found = workloads.workload(owner, pods, budgets, FACTS, EU, numbering)
    assert found is not None
    return found


def running(owner: Raw, *homes: str) -> list[Raw]:
    return [raws.pod(f"p{i}", by=owner, on=home) for i, home in enumerate(homes)]


class TestNodes:
    def test_a_node_that_facts_place_by_its_bare_name_has_that_id(self) -> None:
        assert nodes.node(raws.node("eu-a1"), FACTS, EU).id == "eu-a1"

    def test_a_place_under_the_clusters_name_comes_first(self) -> None:
        rack = builders.rack("eu-a", nodes=(NodeId("eu-1.gpu-1"), NodeId("gpu-1")))
        facts = builders.facts(racks=(rack,))
        assert naming.node_id(facts, EU, "gpu-1") == "eu-1.gpu-1"

    def test_a_node_without_a_place_is_called_by_its_cluster(self) -> None:
        assert naming.node_id(FACTS, EU, "gpu-9") == "eu-1.gpu-9"

    def test_a_name_placed_at_another_site_is_no_place_for_this_cluster(self) -> None:
        """A machine in another country must not become the one that facts place in this rack by taking its name."""
        assert naming.node_id(FACTS, ClusterId("us-1"), "eu-a1") == "us-1.eu-a1"

    def test_a_node_cannot_take_the_full_name_of_another_clusters_node(self) -> None:
        rack = builders.rack("eu-a", nodes=(NodeId("eu-1.gpu-1"),))
        clusters = (*FACTS.clusters, FACTS.clusters[0].model_copy(update={"id": ClusterId("eu-2")}))
        facts = builders.facts(racks=(rack,), clusters=clusters)
        assert naming.node_id(facts, ClusterId("eu-2"), "eu-1.gpu-1") == "eu-2.eu-1.gpu-1"

    @given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
    def test_every_name_has_an_id_and_no_two_have_the_same(self, one: str, other: str) -> None:
        """Names of any length and script become slugs; what had to be changed carries its digest."""
        first, second = names.slug(one), names.slug(other)
        assert names.slug(first) == first
        assert (first == second) == (one == other) or first in (one, other)

    def test_devices_come_from_capacity_with_model_and_memory_from_the_labels(self) -> None:
        found = nodes.node(raws.node(), FACTS, EU)
        assert [a.index for a in found.accelerators] == list(range(8))
        assert {(a.model, a.memory_mebibytes) for a in found.accelerators} == {("NVIDIA-H100-80GB-HBM3", 81_559)}
        assert found.accelerators[3].uuid == f"{found.uid}/3"
        assert found.boot_id == "boot-eu-a1"

    @pytest.mark.parametrize("taint", [{"key": "k" * 318}, {"key": "k", "value": "v" * 64}])
    def test_a_taint_that_is_too_long_is_told_and_its_node_is_there_without_work(self, taint: dict[str, str]) -> None:
        """Anything else would end the source, or hide a node that somebody may have to fence."""
        raw = raws.node() | {"spec": {"taints": [taint | {"effect": "NoSchedule"}]}}
        reading = nodes.read(raw, FACTS, EU)
        assert "longer than a taint can be" in reading.faults[0]
        assert reading.node.health is Health.UNKNOWN

    def test_devices_that_cannot_be_allotted_count_as_failed_from_the_highest(self) -> None:
        found = nodes.node(raws.node(allots=6), FACTS, EU)
        assert [a.index for a in found.accelerators if a.health is Health.FAILED] == [6, 7]

    def test_a_clique_is_the_nvlink_domain(self) -> None:
        labels = {"nvidia.com/gpu.clique": "7b9d.1"}
        assert {a.nvlink_domain for a in nodes.node(raws.node(labels=labels), FACTS, EU).accelerators} == {"7b9d.1"}

    def test_what_pods_may_request_together_is_what_its_kubelet_allots(self) -> None:
        found = nodes.node(raws.node(), FACTS, EU)
        assert (found.millicores, found.allots_mebibytes) == (95_000, 2**20)
        raw = raws.node()
        raw["status"]["allocatable"] = {"cpu": "7910m", "nvidia.com/gpu": "8"}
        found = nodes.node(raw, FACTS, EU)
        assert (found.millicores, found.allots_mebibytes) == (7_910, None)

    @pytest.mark.parametrize(
        ("labels", "told"),
        [
            ({}, None),
            ({"nvidia.com/gpu.deploy.mig-manager": "false"}, None),
            ({"nvidia.com/gpu.deploy.mig-manager": "true"}, Partitioning()),
            ({"nvidia.com/mig.config": "a"}, Partitioning(layout="a", state=PartitionState.PENDING)),
            (
                {"nvidia.com/mig.config": "a", "nvidia.com/mig.config.state": "rebooting"},
                Partitioning(layout="a", state=PartitionState.REBOOTING),
            ),
            ({"nvidia.com/mig.config": "a", "nvidia.com/mig.config.state": "success"}, Partitioning(layout="a")),
        ],
    )
    def test_a_mig_manager_says_what_it_was_told_and_how_far_it_is(
        self, labels: dict[str, str], told: Partitioning | None
    ) -> None:
        assert nodes.node(raws.node(labels=labels), FACTS, EU).partitioning == told

    def test_slices_are_known_by_the_name_they_must_be_asked_for(self) -> None:
        raw = raws.node(gpus=2)
        raw["status"]["capacity"] |= {"nvidia.com/mig-1g.10gb": "2"}
        raw["status"]["allocatable"] |= {"nvidia.com/mig-1g.10gb": "2"}
        found = nodes.node(raw, FACTS, EU)
        assert [a.cut for a in found.accelerators] == ["", "", "1g.10gb", "1g.10gb"]
        numbering = Numbering()
        numbering.equip(found.id, 700, found.accelerators)
        assert numbering.devices("slice", found.id, 1, cut="1g.10gb") == (2,)
        assert numbering.devices("whole", found.id, 2) == (0, 1)
        assert numbering.devices("slice", found.id, 1, cut="1g.10gb") == (2,)
        work = workloads.workload(sliced("nvidia.com/mig-1g.10gb"), [], [], FACTS, EU)
        assert work is not None
        assert (work.contract.profile, work.contract.accelerators_per_replica) == ("1g.10gb", 1)
        renamed = workloads.workload(sliced("nvidia.com/gpu.shared"), [], [], FACTS, EU)
        assert renamed is not None
        assert renamed.contract.profile == "shared"

    def test_a_shared_board_shares_its_memory_and_its_watts(self) -> None:
        labels = {"nvidia.com/gpu.product": "NVIDIA-A10G-SHARED", "nvidia.com/gpu.memory": "23028"}
        raw = raws.node(gpus=2, labels=labels | {"nvidia.com/gpu.replicas": "2"})
        reading = nodes.read(raw, FACTS, EU)
        assert [a.memory_mebibytes for a in reading.node.accelerators] == [11_514, 11_514]
        assert reading.device_watts == 150

    def test_the_vendors_tell_their_devices_each_in_their_own_way(self) -> None:
        raw = raws.node(
            gpus=0, labels={"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM", "amd.com/gpu.vram": "192G"}
        )
        raw["status"]["capacity"] = {"amd.com/gpu": "1", "habana.ai/gaudi": 1, "google.com/tpu": "1"}
        raw["status"]["allocatable"] = raw["status"]["capacity"]
        found = nodes.node(raw, FACTS, EU).accelerators
        assert [(a.index, a.model) for a in found] == [(0, "AMD_Instinct_MI300X_OAM"), (1, "gaudi"), (2, "tpu")]
        assert found[0].memory_mebibytes == 192 * 1024

    @pytest.mark.parametrize(
        ("ready", "health"), [("True", Health.HEALTHY), ("False", Health.FAILED), ("Unknown", Health.UNKNOWN)]
    )
    def test_health_is_the_ready_condition(self, ready: str, health: Health) -> None:
        assert nodes.node(raws.node(ready=ready), FACTS, EU).health is health

    def test_a_node_that_never_reported_is_unknown_and_one_under_pressure_degraded(self) -> None:
        silent, pressed = raws.node(), raws.node()
        silent["status"] = {}
        pressed["status"]["conditions"].append({"type": "DiskPressure", "status": "True"})
        assert nodes.node(silent, FACTS, EU).health is Health.UNKNOWN
        assert nodes.node(pressed, FACTS, EU).health is Health.DEGRADED

    def test_an_unknown_model_is_never_taken_for_a_modest_one(self) -> None:
        assert power.draw("Acme-Thunder-9000") == power.UNKNOWN
        assert power.draw("NVIDIA-H100-80GB-HBM3").device == 700
        assert power.draw("NVIDIA-H100-PCIe").device == 350
        assert power.draw("A100-PCIE-40GB-MIG-1g.5gb").device == 36

    def test_taints_are_told_but_for_those_that_the_cluster_keeps_itself(self) -> None:
        """They say again what health and cordon say, and would come and go under every condition."""
        raw = raws.node()
        raw["spec"]["taints"] = [
            {"key": "placet.dev/fenced", "value": "xid-79", "effect": "NoSchedule"},
            {"key": "nvidia.com/gpu", "effect": "NoSchedule"},
            {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
        ]
        found = nodes.node(raw, FACTS, EU)
        assert [str(t) for t in found.taints] == ["nvidia.com/gpu=:NoSchedule", "placet.dev/fenced=xid-79:NoSchedule"]
        assert found.fenced

    def test_a_taint_that_nobody_understands_keeps_work_away(self) -> None:
        raw = raws.node()
        raw["spec"]["taints"] = [{"key": "a", "effect": "NoBreathing"}]
        reading = nodes.read(raw, FACTS, EU)
        assert "NoBreathing" in reading.faults[0]
        assert reading.node.health is Health.UNKNOWN

    @pytest.mark.parametrize(
        ("broken", "told"),
        [
            ({"nodeInfo": {"bootID": "a\u202eb"}}, "status.nodeInfo.bootID"),
            ({"nodeInfo": {"bootID": "x" * 2000}}, "status.nodeInfo.bootID: 2000 characters are more than 1024"),
            ({"nodeInfo": []}, "status.nodeInfo: expected an object, found list"),
            ({"conditions": "fine"}, "status.conditions: expected a list, found str"),
            ({"capacity": {"nvidia.com/gpu": "513"}}, "status.capacity.nvidia.com/gpu: 513 devices are more than 512"),
            ({"capacity": {"nvidia.com/gpu": "many"}}, "status.capacity.nvidia.com/gpu: `many` is not a whole"),
        ],
    )
    def test_a_node_whose_kubelet_reports_nonsense_is_there_and_receives_nothing(
        self, broken: dict[str, object], told: str
    ) -> None:
        """It can be fenced: what can be read of it is, and nothing of it is taken for healthy."""
        raw = raws.node("eu-a1")
        whole = nodes.node(raw, FACTS, EU)
        raw["status"] = {**raw["status"], **broken}
        reading = nodes.read(raw, FACTS, EU)
        assert [f for f in reading.faults if told in f] == list(reading.faults)
        found = reading.node
        assert (found.id, found.uid, found.cordoned) == (whole.id, whole.uid, whole.cordoned)
        assert found.health is Health.UNKNOWN
        assert Health.HEALTHY not in {a.health for a in found.accelerators}
        assert len(found.accelerators) <= nodes.MOST_DEVICES

    @pytest.mark.parametrize(
        "about", [{"uid": "u"}, {"name": "n"}, {"name": 7, "uid": "u"}, {"name": "n", "uid": "u" * 129}]
    )
    def test_a_node_without_a_name_or_a_uid_is_bad_input(self, about: dict[str, object]) -> None:
        with pytest.raises(BadInput, match=r"metadata\."):
            nodes.read(raws.node() | {"metadata": about}, FACTS, EU)


class TestWorkloads:
    @pytest.mark.parametrize(
        ("toleration", "tolerates"),
        [
            ({"key": "nvidia.com/gpu", "operator": "Exists"}, True),
            ({"operator": "Exists"}, True),
            ({"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}, True),
            ({"key": "nvidia.com/gpu", "value": "absent"}, False),
            ({"key": "nvidia.com/gpu", "operator": "Gt", "value": "3"}, False),
            ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}, False),
            ({"key": "nvidia.com/gpu", "operator": "Exists", "tolerationSeconds": 30}, False),
            ({"value": "present"}, False),
        ],
    )
    def test_a_workload_stays_off_a_tainted_node_unless_it_tolerates_the_taint(
        self, toleration: Raw, tolerates: bool
    ) -> None:
        """What is not understood tolerates nothing: the scheduler may know better, a placement must not."""
        raw = raws.node()
        raw["spec"]["taints"] = [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
        template = raws.template(2, tolerations=[toleration])
        found = mapped(raws.owner("Deployment", "x", spec={"template": template}))
        assert (found.repelled_by(nodes.node(raw, FACTS, EU)) is None) == tolerates

    def test_a_deployment_is_its_pods_nodes_and_counts(self) -> None:
        deployment = raws.owner("Deployment", "serve")
        found = mapped(deployment, *running(deployment, "eu-a1", "eu-a2"))
        assert found.id == "eu-1.tenant-a.deployment.serve"
        assert (found.tenant, found.kind, found.counted) == ("tenant-a", WorkloadKind.INFERENCE, True)
        assert written_bindings(found) == ("eu-a1×2", "eu-a2×2")

    def test_replicas_are_what_is_wanted_or_what_runs_if_that_is_more(self) -> None:
        """While a rollout surges, more run than are wanted, and each holds its devices."""
        deployment = raws.owner("Deployment", "serve", replicas=1)
        assert mapped(deployment, *running(deployment, "eu-a1", "eu-a2", "")).replicas == 2
        assert mapped(raws.owner("Deployment", "serve", replicas=5)).replicas == 5

    def test_daemons_and_mirrors_without_devices_and_finished_pods_are_no_replicas(self) -> None:
        deployment = raws.owner("Deployment", "serve")
        daemon = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d", "uid": "u"}}
        found = mapped(
            deployment,
            raws.pod("daemon", by=daemon, on="eu-a1", gpus=0),
            raws.pod("mirror", on="eu-a1", gpus=0, annotations={"kubernetes.io/config.mirror": "x"}),
            raws.pod("done", by=deployment, on="eu-a1", phase="Succeeded"),
        )
        assert found.bindings == ()

    def test_a_job_wants_what_is_left_of_it_and_nothing_once_it_is_over(self) -> None:
        job = raws.owner("Job", "train", replicas=4, spec={"completions": 5})
        job["status"] = {"succeeded": 3}
        assert mapped(job).replicas == 2
        assert mapped(job).kind is WorkloadKind.BATCH
        job["status"]["conditions"] = [{"type": "Complete", "status": "True"}]
        assert workloads.workload(job, [], [], FACTS, EU) is None

    def test_what_waits_behind_placets_gate_or_in_a_queue_is_pending_until_it_is_declined(self) -> None:
        deployment = raws.owner("Deployment", "serve")
        held = raws.pod("held", by=deployment)
        held["spec"]["schedulingGates"] = [{"name": "placet.dev/placement"}]
        found = mapped(deployment, held, *running(deployment, "eu-a1"))
        assert (found.gated, found.replicas, len(found.bindings)) == (True, 2, 1)
        assert not mapped(deployment, *running(deployment, "eu-a1")).gated
        job = raws.owner("Job", "train", spec={"suspend": True})
        assert mapped(job).replicas == 0
        job["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "research"}
        assert mapped(job).replicas == 2
        job["metadata"]["annotations"] = {"placet.dev/declined": "sha256:…:1:do"}
        assert mapped(job).replicas == 0

    def test_a_namespace_that_is_nobodys_gives_a_tenant_that_no_fact_knows(self) -> None:
        found = mapped(raws.owner("Deployment", "x", namespace="stray"))
        assert found.tenant == naming.UNASSIGNED
        assert found.tenant not in FACTS.tenant

    def test_work_without_devices_in_nobodys_namespace_is_left_out(self) -> None:
        assert workloads.workload(raws.owner("Deployment", "x", "stray", gpus=0), [], [], FACTS, EU) is None
        assert mapped(raws.owner("Deployment", "x", gpus=0)).contract.accelerators_per_replica == 0

    def test_a_label_says_what_the_work_is_and_never_whose(self) -> None:
        labels = {"placet.dev/kind": "training", "placet.dev/tenant": "tenant-b", "tenant": "tenant-b"}
        found = mapped(raws.owner("StatefulSet", "fit", labels=labels))
        assert (found.kind, found.tenant) == (WorkloadKind.TRAINING, "tenant-a")

    def test_terms_of_the_annotation_are_the_contracts_and_the_priority_is_the_pods(self) -> None:
        note = {"placet.dev/contract": '{"availability": 995, "preemptible": true}'}
        named = mapped(raws.owner("Deployment", "x", annotations=note)).contract
        assert (named.availability, named.preemptible, named.accelerators_per_replica) == (995, True, 2)
        important = raws.pod("p0", on="n")
        important["spec"]["priority"] = 7
        assert mapped(raws.owner("Deployment", "x"), important).contract.priority == 7
        wrong = mapped(raws.owner("Deployment", "x", annotations={"placet.dev/contract": "{"}))
        assert wrong.contract.fault.startswith("placet.dev/contract: ")

    def test_datasets_of_the_annotation_can_only_narrow(self) -> None:
        """One that cannot be a dataset's name becomes one that no fact knows: it denies."""
        named = mapped(raws.owner("Deployment", "x", annotations={"placet.dev/datasets": "a-records, ,Ünfit"}))
        assert DatasetId("a-records") in named.datasets
        assert len(named.datasets) == 2

    def test_models_come_from_selector_and_required_affinity(self) -> None:
        product = "nvidia.com/gpu.product"

        def models(**spec: Any) -> tuple[str, ...]:
            return mapped(raws.owner("Deployment", "x", spec={"template": raws.template(2, **spec)})).contract.models

        def affinity(*terms: list[str]) -> Raw:
            wanted = [
                {"matchExpressions": [{"key": product, "operator": "In", "values": values}] if values else []}
                for values in terms
            ]
            required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": wanted}}
            return {"nodeAffinity": required}

        assert models() == ()
        assert models(nodeSelector={product: "L4"}) == ("L4",)
        assert models(affinity=affinity(["H100", "H200"], ["L4"])) == ("H100", "H200", "L4")
        assert models(affinity=affinity(["H100"], [])) == ()
        assert models(nodeSelector={product: "H100"}, affinity=affinity(["H100", "H200"])) == ("H100",)
        assert models(nodeSelector={product: "L4"}, affinity=affinity(["H100"])) != ()

    def test_devices_are_summed_over_containers_and_a_hungrier_start_counts(self) -> None:
        def limits(count: int, **over: Any) -> Raw:
            return {"resources": {"limits": {"nvidia.com/gpu": count}}} | over

        spec = {"containers": [limits(1), limits(2)], "initContainers": [limits(1, restartPolicy="Always"), limits(6)]}
        found = mapped(raws.owner("Deployment", "x", spec={"template": {"spec": spec}}))
        assert found.contract.accelerators_per_replica == 6

    @pytest.mark.parametrize(
        ("spec", "demand"),
        [
            ({"minAvailable": 2}, 2),
            ({"minAvailable": "50%"}, 2),
            ({"maxUnavailable": 1}, 2),
            ({"maxUnavailable": "34%"}, 1),
            ({"maxUnavailable": "100%"}, 0),
            ({}, 0),
        ],
    )
    def test_the_budget_that_selects_the_pods_says_how_many_must_run(self, spec: Raw, demand: int) -> None:
        deployment = raws.owner("Deployment", "x", replicas=3)
        assert mapped(deployment, budgets=(raws.budget("b", **spec),)).contract.min_available == demand

    def test_budgets_of_others_do_not_count(self) -> None:
        deployment = raws.owner("Deployment", "x", replicas=3)
        none = raws.budget("none", minAvailable=3)
        none["spec"]["selector"] = None
        others = (
            raws.budget("other-labels", labels={"app": "other"}, minAvailable=3),
            raws.budget("other-namespace", "tenant-b", minAvailable=3),
            none,
        )
        assert mapped(deployment, budgets=others).contract.min_available == 0

    def test_numbers_and_devices_stay_while_a_pod_lives(self) -> None:
        deployment, numbering = raws.owner("Deployment", "x", replicas=3), Numbering()
        first = mapped(deployment, *running(deployment, "eu-a1", "eu-a1", "eu-a1"), numbering=numbering)
        gone, *left = running(deployment, "eu-a1", "eu-a1", "eu-a1")
        numbering.forget(gone["metadata"]["uid"])
        second = mapped(deployment, *left, numbering=numbering)
        assert second.bindings == first.bindings[1:]
        third = mapped(deployment, *left, raws.pod("new", by=deployment, on="eu-a1"), numbering=numbering)
        assert third.bindings == first.bindings

    def test_a_workloads_kind_of_object_is_found_again_from_its_id(self) -> None:
        for kind in ("Deployment", "StatefulSet", "Job"):
            found = resources.of_workload(mapped(raws.owner(kind, "a.b")))
            assert found is not None
            assert found.kind == kind


class TestChains:
    deployment = raws.owner("Deployment", "serve")
    replica_set = raws.owner("ReplicaSet", "serve-1", by=deployment)

    def test_a_pod_belongs_to_the_topmost_controller(self) -> None:
        mine, bare = raws.pod("p", by=self.replica_set, on="eu-a1"), raws.pod("q", on="eu-a1")
        between = [(resources.REPLICA_SETS, self.replica_set)]
        assert chains.belonging(self.deployment, [mine, bare], between) == [mine]

    def test_a_controller_of_a_watched_kind_counts_before_its_object_arrives(self) -> None:
        """Watches are separate streams: the ReplicaSet may come before its Deployment."""
        known = {o.ref.uid: o for o in [objects.owner(self.replica_set, resources.REPLICA_SETS)]}
        root = chains.root(objects.pod(raws.pod("p", by=self.replica_set)), known.get)
        assert (root.ref.kind, root.ref.name, root.desired) == ("Deployment", "serve", None)

    def test_an_unwatched_controller_counts_only_where_a_pod_names_it(self) -> None:
        ray = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "r", "uid": "u-r"}}
        assert chains.root(objects.pod(raws.pod("p", by=ray)), {}.get).ref.kind == "RayCluster"
        held = raws.owner("StatefulSet", "s", by=ray)
        known = {held["metadata"]["uid"]: objects.owner(held, resources.STATEFUL_SETS)}
        assert chains.root(objects.pod(raws.pod("p", by=held)), known.get).ref.kind == "StatefulSet"

    def test_a_reference_that_does_not_fit_its_object_is_not_believed(self) -> None:
        """Whoever writes a pod writes its references too."""
        known = {o.ref.uid: o for o in [objects.owner(self.deployment, resources.DEPLOYMENTS)]}
        stranger = raws.pod("p", "tenant-b", by=self.deployment)
        assert chains.root(objects.pod(stranger), known.get).ref.kind == "Pod"

    def test_a_chain_in_a_circle_ends(self) -> None:
        one, other = raws.owner("ReplicaSet", "a"), raws.owner("ReplicaSet", "b")
        one["metadata"]["ownerReferences"] = [raws.reference(other)]
        other["metadata"]["ownerReferences"] = [raws.reference(one)]
        known = {o["metadata"]["uid"]: objects.owner(o, resources.REPLICA_SETS) for o in (one, other)}
        assert chains.root(objects.pod(raws.pod("p", by=one)), known.get).ref.kind == "ReplicaSet"

    def test_a_borrowed_kind_name_does_not_collide_with_kubernetes_own(self) -> None:
        volcano = {"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "metadata": {"name": "j", "uid": "u"}}
        root = chains.root(objects.pod(raws.pod("p", by=volcano)), {}.get)
        assert root.ref.word == "Job-batch-volcano-sh"


class TestTheRightCluster:
    def test_only_the_cluster_that_facts_name_is_recognised(self) -> None:
        naming.recognise(FACTS, EU, "uid-eu-1")
        with pytest.raises(Denied, match="uid-us-1"):
            naming.recognise(FACTS, EU, "uid-us-1")
        with pytest.raises(Denied, match="no fact knows"):
            naming.recognise(FACTS, ClusterId("eu-9"), "uid-eu-1")

    def test_facts_may_not_know_the_tenant_of_nobodys_namespaces(self) -> None:
        facts = builders.facts(tenants=(builders.tenant("unassigned"),), datasets=())
        with pytest.raises(BadInput, match="unassigned"):
            naming.recognise(facts, EU, "uid-eu-1")


def test_what_is_kept_of_an_object_is_small_and_frozen() -> None:
    """managedFields and all the rest is dropped, so that a whole cluster fits."""
    kept = objects.pod(raws.pod("p", on="eu-a1") | {"managedFields": ["x" * 1000]})
    with pytest.raises(dataclasses.FrozenInstanceError):
        kept.node = "other"  # type: ignore[misc]
    assert {f.name for f in dataclasses.fields(kept)} == {
        "ref", "namespace", "controller", "node", "finished", "mirror", "ask", "claims", "extended", "gated",
    }  # fmt: skip


def test_places_come_from_facts_alone() -> None:
    """An observed label that names a rack or a site changes nothing."""
    labels = {"topology.kubernetes.io/zone": "us-east", "rack": "us-a"}
    found = nodes.node(raws.node("eu-a1", labels=labels), FACTS, EU)
    assert FACTS.rack_of[found.id] == RackId("eu-a")
    assert FACTS.rack[FACTS.rack_of[found.id]].site == SiteId("eu-de")


def sliced(resource: str) -> raws.Raw:
    """A Deployment whose pods ask for one device by that name."""
    owner = raws.owner("Deployment", "slices", gpus=0)
    owner["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = {resource: "1"}
    return owner


def asking(cpu: object, **over: object) -> raws.Raw:
    """A container that requests processors."""
    return {"resources": {"requests": {"cpu": cpu}}} | over


@pytest.mark.parametrize(
    ("spec", "millicores", "mebibytes"),
    [
        ({}, 0, 0),
        ({"containers": [asking("1"), asking("250m"), asking(0.5)]}, 10**9, 0),
        ({"containers": [{"resources": {"limits": {"cpu": 2, "memory": "1G"}}}]}, 2_000, 954),
        ({"containers": [asking("1")], "initContainers": [asking("3"), asking("2")]}, 3_000, 0),
        ({"containers": [asking("1")], "initContainers": [asking("1", restartPolicy="Always"), asking("3")]}, 4_000, 0),
        ({"containers": [asking("2")], "initContainers": [asking("1", restartPolicy="Always")]}, 3_000, 0),
        ({"containers": [asking("2")], "overhead": {"cpu": "100m", "memory": "64Mi"}}, 2_100, 64),
        ({"containers": [asking("2")], "resources": {"requests": {"cpu": "5"}}}, 5_000, 0),
        ({"containers": [asking("0.0001")]}, 1, 0),
    ],
)
def test_a_pod_requests_what_the_scheduler_counts(spec: raws.Raw, millicores: int, mebibytes: int) -> None:
    """Sidecars stay, other starts are over before the rest begins; what is no amount hides nobody."""
    found = requirements.room(spec)
    assert (found.millicores, found.mebibytes) == (millicores, mebibytes)
