"""A field that came later is invisible until it says something, so that nothing signed before it changes its digest."""

from __future__ import annotations

from typing import Any

import pytest

from estate import hardware
from estate.devices import Fault, Partitioning, PartitionState, Sharing, ThrottleReason, Vendor
from estate.machines import Nic, NicUse, NumaNode, Software
from estate.origins import Layer, Origin
from estate.records import Model
from tests import builders

NODE_FORM_OF_THE_FIRST_RELEASE = {
    "id",
    "uid",
    "cluster",
    "name",
    "boot_id",
    "accelerators",
    "idle_watts",
    "power_cap_watts",
    "cordoned",
    "health",
    "taints",
}
DEVICE_FORM_OF_THE_FIRST_RELEASE = {
    "index",
    "uuid",
    "pci_address",
    "model",
    "memory_mebibytes",
    "nvlink_domain",
    "health",
}
SAID: dict[str, Any] = {
    "serial": "SN-7",
    "sockets": 2,
    "numa_nodes": (NumaNode(index=0, cpus=96, memory_mebibytes=1_048_576),),
    "nics": (Nic(name="mlx5_0", use=NicUse.RDMA, rail=0, switch="leaf-a", speed=400_000),),
    "millicores": 188_000,
    "other_mebibytes": 8_192,
    "software": (Software(name="driver", version="580.65.06"),),
    "partitioning": Partitioning(layout="all-1g.10gb", state=PartitionState.PENDING),
    "origins": (Origin(layer=Layer.HARDWARE, source="redfish/bmc-7", observed_at=builders.START),),
}
SAID_OF_A_DEVICE: dict[str, Any] = {
    "vendor": Vendor.NVIDIA,
    "numa_node": 0,
    "cut": "1g.10gb",
    "board_mebibytes": 81_559,
    "sharing": Sharing.MPS,
    "throttled_by": (ThrottleReason.HARDWARE_THERMAL,),
    "faults": (Fault(code="xid-79", count=2, first_at=builders.START, last_at=builders.START),),
}


def test_a_node_that_says_nothing_new_has_its_first_form() -> None:
    form = builders.node().json_form()
    assert set(form) == NODE_FORM_OF_THE_FIRST_RELEASE
    assert all(set(a) == DEVICE_FORM_OF_THE_FIRST_RELEASE for a in form["accelerators"])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "thing",
    [builders.node(**{field: value}) for field, value in SAID.items()]
    + [builders.accelerator(**{field: value}) for field, value in SAID_OF_A_DEVICE.items()],
)
def test_what_is_said_later_is_written_and_read_back(thing: hardware.Node | hardware.Accelerator) -> None:
    kind: type[Model] = type(thing)
    first = NODE_FORM_OF_THE_FIRST_RELEASE | DEVICE_FORM_OF_THE_FIRST_RELEASE
    assert set(thing.json_form()) - first
    assert kind.model_validate(thing.json_form()) == thing
