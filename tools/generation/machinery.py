"""The nodes of a generated estate, as their clusters would report them, and the machines that are no nodes (yet)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random

from estate.aliases import Alias, AliasKind
from estate.devices import Fault
from estate.facilities.machines import Equipment, Machine, Stage
from estate.facilities.places import Cooling
from estate.hardware import Accelerator, Health, Node
from estate.ids import MachineId, NodeId, Uid
from estate.machines import Disk, LinkState, Nic, NicUse, NumaNode, PcieSwitch, Software
from estate.units import Mebibytes, MegabitsPerSecond, Millicores, RackUnits
from tools.generation.layouts import Layout, Planned
from tools.generation.products import PRODUCTS, Product

RAILS = 8
_NUMA = 2
_LACKS = {
    Stage.SPARE: ((), ("optics",), ("firmware",)),
    Stage.ORDERED: (("delivery",),),
    Stage.BURN_IN: (("burn-in",),),
    Stage.RMA: (("repair",),),
}


def nodes(layout: Layout) -> Iterator[Node]:
    """Every node; some devices have failed and some nodes are cordoned, as the odds say."""
    for plan in layout.racks:
        draw = layout.draw(f"nodes/{plan.id}")
        for name in plan.nodes:
            yield _node(layout, plan, name, draw)


def _node(layout: Layout, plan: Planned, name: NodeId, draw: Random) -> Node:
    product = plan.product
    node = Node(
        id=name,
        uid=Uid(f"uid-{name}"),
        cluster=plan.cluster,
        name=name,
        boot_id=f"boot-{name}-1",
        accelerators=tuple(_device(layout, plan, name, i, draw) for i in range(product.devices)),
        idle_watts=product.idle_watts,
        cordoned=draw.random() * 1000 < layout.odds.cordoned,
    )
    return node if layout.bare else node.model_copy(update=_fittings(plan, node, draw))


def _fittings(plan: Planned, node: Node, draw: Random) -> dict[str, object]:
    """What nobody but its maker, its management controller and its own system says of a machine."""
    return {
        "accelerators": tuple(_placed(plan, node.id, a) for a in node.accelerators),
        "serial": f"SN-{node.id}",
        "system_uuid": f"{draw.getrandbits(128):032x}",
        "product": plan.product.name,
        "sockets": _NUMA,
        "memory_mebibytes": Mebibytes(2_097_152),
        "millicores": Millicores(188_000),
        "allots_mebibytes": Mebibytes(2_064_384),
        "other_millicores": Millicores(4_000),
        "other_mebibytes": Mebibytes(8_192),
        "numa_nodes": tuple(NumaNode(index=i, cpus=96, memory_mebibytes=Mebibytes(1_048_576)) for i in range(_NUMA)),
        "pcie_switches": tuple(
            PcieSwitch(name=f"switch-{i}", numa_node=i * _NUMA // 4, lanes=16, generation=5) for i in range(4)
        ),
        "nics": tuple(_nics(plan)),
        "disks": (Disk(name="nvme0n1", mebibytes=Mebibytes(29_296_875), serial=f"SSD-{node.id}", encrypted=True),),
        "software": tuple(sorted(_software(plan.product), key=lambda s: s.name)),
    }


def _device(layout: Layout, plan: Planned, node: NodeId, index: int, draw: Random) -> Accelerator:
    product = plan.product
    failed = draw.random() * 1000 < layout.odds.failed
    at = layout.valid_until - timedelta(days=365)
    return Accelerator(
        index=index,
        uuid=uuid_of(node, index),
        pci_address=f"0000:{0x17 + 0x11 * index:02x}:00.0",
        model=product.model,
        memory_mebibytes=product.memory,
        nvlink_domain=domain_of(plan, node) if plan.product.spans_rack else "",
        health=Health.FAILED if failed else Health.HEALTHY,
        vendor=product.vendor,
        faults=(Fault(code="xid-79", first_at=at, last_at=at),) if failed else (),
    )


def _placed(plan: Planned, node: NodeId, device: Accelerator) -> Accelerator:
    """The device with where in its machine it sits, and what is printed on it."""
    product, index = plan.product, device.index
    return device.model_copy(
        update={
            "nvlink_domain": domain_of(plan, node),
            "generation": product.generation,
            "serial": f"SN-{node}-{index}",
            "numa_node": index * _NUMA // product.devices,
            "pcie_switch": f"switch-{index * 4 // product.devices}",
            "power_limit_watts": product.device_watts,
        }
    )


def uuid_of(node: NodeId, index: int) -> str:
    """What the device of that index on that node is called everywhere."""
    return f"GPU-{node}-{index}"


def domain_of(plan: Planned, node: NodeId) -> str:
    """The NVLink domain (or what its vendor has in its place) of a node's devices; empty where they are not linked."""
    if plan.product.linked is None:
        return ""
    return f"{plan.id if plan.product.spans_rack else node}-nvl"


def _nics(plan: Planned) -> Iterator[Nic]:
    """A port on each rail, and two for everything else."""
    for rail in range(min(RAILS, plan.product.devices)):
        yield Nic(
            name=f"rdma{rail}",
            use=NicUse.RDMA,
            rail=rail,
            switch=f"{plan.row}-rail{rail}",
            speed=MegabitsPerSecond(400_000),
            state=LinkState.UP,
            numa_node=rail * _NUMA // RAILS,
            pcie_switch=f"switch-{rail * 4 // RAILS}",
        )
    for port in range(2):
        speed = MegabitsPerSecond(100_000)
        yield Nic(name=f"eth{port}", use=NicUse.DATA, switch=f"{plan.id}-tor", speed=speed, state=LinkState.UP)


def _software(product: Product) -> Iterator[Software]:
    yield Software(name="driver", version=product.driver)
    yield Software(name="kernel", version="6.12.0")
    yield Software(name="kubelet", version="1.36.3")


def machines(layout: Layout) -> Iterator[Machine]:
    """Hardware that is not in service: for each site one machine for four racks, at least three."""
    for site in layout.facts.site:
        draw = layout.draw(f"machines/{site}")
        for number in range(1, max(3, len(layout.at(site)) // 4) + 1):
            stage = draw.choice(tuple(_LACKS))
            product = draw.choice(PRODUCTS)
            yield Machine(
                id=MachineId(f"{site}-m{number:03}"),
                aliases=(Alias(kind=AliasKind.SERIAL, value=f"SN-{site}-m{number:03}"),),
                product=product.name,
                stage=stage,
                site=site,
                arrives_at=layout.valid_until - timedelta(days=300) if stage in (Stage.ORDERED, Stage.RMA) else None,
                lacks=draw.choice(_LACKS[stage]),
                height=RackUnits(8),
                rated_watts=product.node_watts,
                cooling=(Cooling(method=product.cooling, watts=product.node_watts),),
                accelerators=(
                    Equipment(
                        vendor=product.vendor,
                        model=product.model,
                        count=product.devices,
                        memory_mebibytes=product.memory,
                    ),
                ),
            )
