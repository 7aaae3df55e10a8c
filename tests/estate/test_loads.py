"""No change takes more of a node than it has: devices and parts of them, processors, memory, rails, one part of it."""

from __future__ import annotations

from typing import Any

import pytest

from estate.changes import MoveWorkload, ReplicaMove
from estate.effects import effect, lay_out
from estate.frozen import FrozenEstate
from estate.ids import NodeId, WorkloadId
from estate.machines import Nic, NumaNode, Software
from estate.results import Ok, Refusal, RefusalCode
from estate.workloads import Requirement, WorkloadContract
from tests import builders

W, HERE = WorkloadId("w"), NodeId("eu-a1")


def waiting(contract: WorkloadContract, *beside: tuple[str, WorkloadContract, tuple[int, ...]]) -> FrozenEstate:
    """A node of two NUMA nodes, four devices and four ports; on it work of these tenants, and `w`, which waits."""
    kinds: list[dict[str, Any]] = [{}, {"sharing": "mps"}, {"cut": "1g.10gb"}, {"power_limit_watts": 700}]
    devices = [builders.accelerator("eu-a1", i, numa_node=i // 2, **kind) for i, kind in enumerate(kinds)]
    node = builders.node("eu-a1", accelerators=0).model_copy(
        update={
            "accelerators": tuple(devices),
            "millicores": 8_000,
            "allots_mebibytes": 8_000,
            "other_millicores": 1_000,
            "numa_nodes": tuple(NumaNode(index=i, cpus=4, memory_mebibytes=4_000) for i in (0, 1)),
            "nics": tuple(
                Nic(name=f"r{i}", use="rdma", speed=400_000, state="up", used=i * 100_000, numa_node=i // 2)
                for i in range(4)
            ),
            "software": (Software(name="driver", version="580.65.06"),),
        }
    )
    others = [
        builders.workload(f"o{n}", tenant=t, replicas=1, contract=c, bindings=(builders.binding(0, "eu-a1", *held),))
        for n, (t, c, held) in enumerate(beside)
    ]
    work = builders.workload("w", replicas=2, contract=contract, bindings=())
    return builders.estate(nodes=(node,), workloads=(*others, work))


def moved(estate: FrozenEstate, *devices: tuple[int, ...]) -> Any:
    """What placing replicas of `w` on these devices does."""
    moves = tuple(ReplicaMove(replica=n, source=None, target=HERE, accelerators=held) for n, held in enumerate(devices))
    return effect(MoveWorkload(workload=W, moves=moves), estate)


HALF, MOST = builders.contract(1, share=500), builders.contract(1, share=600)


@pytest.mark.parametrize(
    ("contract", "beside", "devices", "fault"),
    [
        (builders.contract(1, millicores=7_001), (), ((0,),), "has 7000 millicores left, 7001 are needed"),
        (builders.contract(0, millicores=4_000), (), ((), ()), "has 3000 millicores left, 4000 are needed"),
        (builders.contract(1, host_mebibytes=5_000), (), ((0,), (1,)), "has 3000 MiB of memory left"),
        (HALF, (), ((0,),), "accelerator 0 cannot be shared"),
        (HALF, (("tenant-b", HALF, (1,)),), ((1,),), "accelerator 1 is shared by `tenant-b`"),
        (HALF, (("tenant-a", MOST, (1,)),), ((1,),), "accelerator 1 has 400 thousandths left of 500"),
        (MOST, (), ((1,), (1,)), "accelerator 1 has 400 thousandths left of 600"),
        (builders.contract(1), (("tenant-a", HALF, (1,)),), ((1,),), "accelerator 1 is taken"),
        (HALF, (("tenant-a", builders.contract(1), (1,)),), ((1,),), "accelerator 1 is taken"),
        (builders.contract(1), (), ((2,),), "is a slice `1g.10gb`, the contract asks for a whole accelerator"),
        (builders.contract(1, profile="2g.20gb"), (), ((2,),), "is a slice `1g.10gb`, the contract asks for a slice"),
        (builders.contract(1, limit_watts=600), (), ((0,),), "may draw less than 600 W"),
        (builders.contract(2, locality="numa"), (), ((1, 3),), "accelerators 1, 3 in one numa"),
        (builders.contract(1, locality="pcie-switch"), (), ((0,),), "accelerators 0 in one pcie-switch"),
        (
            builders.contract(1, locality="numa", millicores=3_000),
            (("tenant-a", builders.contract(1, millicores=2_000), (1,)),),
            ((0,),),
            "numa 0 has 2000 millicores left, 3000 are needed",
        ),
        (builders.contract(1, rails=1, rail_speed=350_000), (), ((0,), (1,)), "has 0 rails left, 1 are needed"),
        (builders.contract(1, locality="numa", rails=2), (), ((0,), (1,)), "numa 0 has 0 rails left"),
        (
            builders.contract(1, software=(Requirement(name="driver", at_least="580.66"),)),
            (),
            ((0,),),
            "has no driver of 580.66 or later",
        ),
    ],
)
def test_what_is_too_much_is_refused_and_says_of_what(
    contract: WorkloadContract, beside: Any, devices: tuple[tuple[int, ...], ...], fault: str
) -> None:
    refused = moved(waiting(contract, *beside), *devices)
    assert isinstance(refused, Refusal)
    assert refused.code is RefusalCode.NO_CAPACITY
    assert fault in refused.message


@pytest.mark.parametrize(
    ("contract", "beside", "devices"),
    [
        (builders.contract(1, millicores=3_500, host_mebibytes=4_000), (), ((0,), (1,))),
        (HALF, (("tenant-a", HALF, (1,)),), ((1,),)),
        (HALF, (), ((1,), (1,))),
        (builders.contract(1, profile="1g.10gb"), (), ((2,),)),
        (builders.contract(2, locality="numa", millicores=4_000, rails=2), (), ((0, 1),)),
        (builders.contract(1, software=(Requirement(name="driver", at_least="580.65.6"),)), (), ((0,),)),
    ],
)
def test_what_fits_to_the_last_is_held(
    contract: WorkloadContract, beside: Any, devices: tuple[tuple[int, ...], ...]
) -> None:
    assert isinstance(moved(waiting(contract, *beside), *devices), Ok)


def test_changes_that_fit_one_by_one_and_not_together_are_refused_together() -> None:
    """As the gate lays them out: each on what the one before leaves."""
    contract = builders.contract(1, millicores=4_000)
    estate = waiting(contract).with_workload(builders.workload("v", replicas=1, contract=contract, bindings=()))
    moves = [
        MoveWorkload(workload=name, moves=(ReplicaMove(replica=0, source=None, target=HERE, accelerators=(at,)),))
        for name, at in ((W, 0), (WorkloadId("v"), 1))
    ]
    assert all(isinstance(lay_out((move,), estate), Ok) for move in moves)
    refused = lay_out(moves, estate)
    assert isinstance(refused, Refusal)
    assert "has 3000 millicores left, 4000 are needed" in refused.message


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"share": 500}, "share: a part of one accelerator, and yet 2 of them"),
        ({"share": 0}, "greater than 0"),
        ({"share": 1_000}, "less than 1000"),
        ({"profile": "A Slice"}, "pattern"),
        ({"rail_speed": 1}, "rail_speed: 1 Mbit/s and no rails; say how many"),
        ({"millicores": -1}, "greater than or equal to 0"),
    ],
)
def test_a_contract_that_contradicts_itself_names_the_field(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        builders.contract(2, **fields)
