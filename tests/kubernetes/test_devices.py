"""Devices by vendor and by name: what resources, labels, slices and claims mean for a node and for what runs on it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate.devices import Vendor
from estate.hardware import Health
from estate.ids import ClusterId, NodeId
from tests import builders
from tests.kubernetes import companions, raws
from tests.kubernetes.raws import Raw
from tools.inventory.kubernetes.equipment import Equipment
from tools.inventory.kubernetes.modelling import ClusterModel
from tools.kubernetes import equipping, nodes, objects, resources, slices
from tools.kubernetes.numbering import Numbering
from tools.payloads.clusters import vendors

EU, FACTS = ClusterId("eu-1"), builders.facts()


@pytest.mark.parametrize(
    ("labels", "resource", "meant"),
    [
        (
            {
                "amd.com/gpu.product-name": "MI300X",
                "amd.com/gpu.vram": "192G",
                "amd.com/gpu.family": "AI",
            },
            "amd.com/gpu",
            (Vendor.AMD, "MI300X", 196_608, "ai"),
        ),
        ({"habana.ai/gaudi.product": "GAUDI3"}, "habana.ai/gaudi", (Vendor.INTEL, "GAUDI3", 0, "")),
        (
            {"cloud.google.com/gke-tpu-accelerator": "tpu-v5p-slice"},
            "google.com/tpu",
            (Vendor.GOOGLE, "tpu-v5p-slice", 0, ""),
        ),
        ({}, "aws.amazon.com/neuron", (Vendor.AWS, "neuron", 0, "")),
        ({}, "deviceclass.resource.kubernetes.io/gpu.amd.com", (Vendor.AMD, "amd-device", 0, "")),
        (
            {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/mig-1g.10gb.memory": "9856"},
            "nvidia.com/mig-1g.10gb",
            (Vendor.NVIDIA, "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb", 9_856, ""),
        ),
    ],
)
def test_a_vendors_devices_are_known_by_their_resource_and_labels(
    labels: dict[str, str], resource: str, meant: tuple[Any, ...]
) -> None:
    raw = raws.node("eu-a1", gpus=0, labels=labels)
    raw["status"] |= {"capacity": {resource: "2"}, "allocatable": {resource: "1"}}
    found = nodes.node(raw, FACTS, EU).accelerators
    assert {(a.vendor, a.model, a.memory_mebibytes, a.generation) for a in found} == {meant}
    assert [a.health for a in found] == [Health.HEALTHY, Health.FAILED]
    pod = raws.pod("p", gpus=0)
    pod["spec"]["containers"][0]["resources"]["limits"] = {resource: "1"}
    asked = objects.pod(pod).ask
    assert (asked.accelerators, asked.vendors) == (1, (meant[0],))


def test_cores_of_a_chip_networks_and_processors_are_no_accelerators() -> None:
    others = (
        "aws.amazon.com/neuroncore",
        "nvidia.com/hostdev",
        "rdma/hca",
        "cpu",
        "deviceclass.resource.kubernetes.io/nic.x",
    )
    assert [r for r in others if vendors.family(r) is not None] == []


@pytest.mark.parametrize(
    ("driver", "maker"),
    [
        ("gpu.nvidia.com", Vendor.NVIDIA),
        ("gpu.amd.com", Vendor.AMD),
        ("gaudi.intel.com", Vendor.INTEL),
        ("tpu.google.com", Vendor.GOOGLE),
        ("gpu.example.com", Vendor.OTHER),
        ("compute-domain.nvidia.com", None),
        ("dra.net", None),
        ("gpu", None),
    ],
)
def test_a_driver_says_who_made_its_devices(driver: str, maker: Vendor | None) -> None:
    assert vendors.of_driver(driver) is maker


def test_software_machine_and_ids_come_with_the_node() -> None:
    labels = {
        "nvidia.com/cuda.driver-version.major": "580",
        "nvidia.com/cuda.driver-version.minor": "65",
        "nvidia.com/cuda.driver-version.revision": "06",
        "node.kubernetes.io/instance-type": "p5.48xlarge",
    }
    raw = raws.node("eu-a1", labels=labels)
    raw["spec"] = {"providerID": "aws:///eu-central-1a/i-0abc"}
    raw["status"]["nodeInfo"] |= {"systemUUID": "EC2D", "kernelVersion": "6.8.0", "kubeletVersion": "v1.36.3"}
    found = nodes.node(raw, FACTS, EU)
    assert {s.name: s.version for s in found.software} == {
        "driver": "580.65.06",
        "kernel": "6.8.0",
        "kubelet": "v1.36.3",
    }
    assert (found.product, found.provider_id, found.system_uuid) == (
        "p5.48xlarge",
        "aws:///eu-central-1a/i-0abc",
        "ec2d",
    )
    assert found.memory_mebibytes == 2 * 1024 * 1024


def offered(*devices: Raw, node: str = "eu-a1", **over: Any) -> list[slices.Board]:
    read = slices.read(companions.resource_slice(node, *devices, **over), "resource.k8s.io/v1")
    return slices.boards(slices.newest([read]))


def part(number: int, of: int, profile: str = "1g.10gb") -> Raw:
    """A slice of a board, which consumes the board's counters."""
    sort = {"type": {"string": "mig"}, "profile": {"string": profile}, "uuid": {"string": f"MIG-{of}-{number}"}}
    made = companions.device(of, "10Gi", attributes=sort, consumesCounters=[{"counterSet": f"board-{of}"}])
    return made | {"name": f"gpu-{of}-mig-{number}"}


def test_a_board_that_is_cut_is_one_device_with_the_partitions_that_are_held() -> None:
    """Every way to cut it is offered beside it; only what somebody holds is there."""
    board = companions.device(0, consumesCounters=[{"counterSet": "board-0"}])
    boards = offered(board, part(0, 0), part(1, 0), companions.device(1))
    assert [b.device.name.device for b in boards] == ["gpu-0", "gpu-1"]
    reading = nodes.read(raws.node("eu-a1", gpus=0), FACTS, EU)
    held = boards[0].partitions[1].name
    cut, whole = equipping.equipped(reading, boards, {held}, "slices").node.accelerators
    assert ([(p.profile, p.uuid) for p in cut.partitions], cut.partitioned) == ([("1g.10gb", "MIG-0-1")], True)
    assert (whole.partitions, whole.partitioned) == ((), None)
    assert equipping.places(boards)[held] == 0


def test_partitions_without_their_board_are_devices_of_their_own() -> None:
    assert [b.device.name.device for b in offered(part(0, 3), part(1, 3))] == ["gpu-3-mig-0", "gpu-3-mig-1"]


@given(st.permutations(range(12)))
def test_devices_keep_their_places_in_whatever_order_they_are_written(order: list[int]) -> None:
    found = [b.device.name.device for b in offered(*(companions.device(n) for n in order))]
    assert found == [f"gpu-{n}" for n in range(12)]


def test_a_pool_that_is_renewed_counts_in_its_newest_generation() -> None:
    equipment = Equipment()
    for name, generation, count in (("old", 1, 8), ("new", 2, 7)):
        devices = [companions.device(n) for n in range(count)]
        equipment.put(resources.SLICES, companions.resource_slice("eu-a1", *devices, name=name, generation=generation))
    assert len(equipment.boards("eu-a1")) == 7
    equipment.drop(resources.SLICES, "uid-cluster-new")
    assert len(equipment.boards("eu-a1")) == 8


class TestWhoHoldsWhat:
    @given(st.lists(st.sets(st.integers(0, 7), max_size=8), min_size=1, max_size=6), st.integers(0, 4))
    def test_the_book_never_gives_what_is_held_by_name(self, named: list[set[int]], wanted: int) -> None:
        """Whatever claims come and go, and also where it had given the same before."""
        numbering = Numbering()
        for held in named:
            given = [numbering.devices(pod, NodeId("eu-a1"), wanted, held) for pod in ("one", "other")]
            assert not held & {i for g in given for i in g}
            assert len({i for g in given for i in g}) == 2 * wanted

    def test_a_template_that_asks_by_name_is_a_promise_before_any_pod_runs(self) -> None:
        model = ClusterModel("kubernetes/eu-1", EU, FACTS)
        request = {"name": "gpus", "exactly": {"deviceClassName": companions.NVIDIA, "count": 4}}
        form = {"metadata": raws.metadata("four", "tenant-a"), "spec": {"spec": {"devices": {"requests": [request]}}}}
        model.put(resources.CLAIM_TEMPLATES, form)
        template = raws.template(0, resourceClaims=[{"name": "gpus", "resourceClaimTemplateName": "four"}])
        model.put(resources.DEPLOYMENTS, raws.owner("Deployment", "serve", spec={"template": template}))
        model.settle(10)
        (found,) = model.take().workloads
        assert found.contract.accelerators_per_replica == 4

    def test_what_is_asked_for_by_number_and_given_by_name_is_counted_once(self) -> None:
        """Kubernetes makes a claim of its own for an extended resource that a device class stands for."""
        model = ClusterModel("kubernetes/eu-1", EU, FACTS)
        model.put(resources.NODES, raws.node("eu-a1", gpus=0))
        model.put(resources.SLICES, companions.resource_slice("eu-a1", *(companions.device(n) for n in range(4))))
        pod = raws.pod("p", on="eu-a1", gpus=2)
        pod["status"]["extendedResourceClaimStatus"] = {"resourceClaimName": "p-extended"}
        model.put(resources.CLAIMS, companions.claim("p-extended", "eu-a1", "gpu-1", "gpu-3", pods=("p",)))
        model.put(resources.PODS, pod)
        model.settle(10)
        (found,) = model.take().workloads
        assert (found.bindings[0].accelerators, found.contract.accelerators_per_replica) == ((1, 3), 2)

    def test_who_only_looks_after_a_device_holds_it_not(self) -> None:
        model = ClusterModel("kubernetes/eu-1", EU, FACTS)
        claim = companions.claim("watch", "eu-a1", "gpu-0", pods=("p",))
        claim["status"]["allocation"]["devices"]["results"][0]["adminAccess"] = True
        model.put(resources.CLAIMS, claim)
        model.put(resources.PODS, companions.claiming("p", "watch", on="eu-a1"))
        model.settle(10)
        (found,) = model.take().workloads
        assert found.bindings[0].accelerators == ()
