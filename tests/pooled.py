"""A group of machines of the small estate, as facts know it and as its cluster shows it.

Three machines of `eu-1` that work, of the site's owner, who may have eight of them in rack `eu-b` for 2 USD each.
"""

from __future__ import annotations

from typing import Any

from estate.aliases import Alias, AliasKind
from estate.changes import ScaleMachineGroup
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, EntityId, MachineGroupId, NodeId, RackId
from estate.law import Facts, Pool
from estate.stock import Stock
from estate.units import MicroUsdPerHour, Watts
from estate.uses.clusters import GroupSort, MachineGroup
from tests import builders

GROUP = MachineGroupId("eu-1.fleet.workers.gpu")
SPARE = NodeId("eu-a4")
"""A node of `eu-1` on which nothing runs."""
USD = 1_000_000


def group(wanted: int | None = 3, ready: int | None = None, **over: Any) -> MachineGroup:
    """The group; so many work as are wanted, where nothing else is said."""
    fields: dict[str, Any] = {
        "id": GROUP,
        "aliases": (Alias(kind=AliasKind.UID, value="uid-gpu"),),
        "cluster": ClusterId("eu-1-fleet-prod"),
        "sort": GroupSort.WORKERS,
        "name": "gpu",
        "wanted": wanted,
        "ready": wanted if ready is None else ready,
    }
    return MachineGroup(**(fields | over))


def pool(**over: Any) -> Pool:
    """What facts say of it."""
    fields: dict[str, Any] = {
        "id": GROUP,
        "cluster": ClusterId("eu-1"),
        "provider": EntityId("eu-hosting"),
        "racks": (RackId("eu-b"),),
        "watts_each": Watts(1_000),
        "model": "NVIDIA-H100-80GB-HBM3",
        "accelerators_each": 8,
        "hourly_each": MicroUsdPerHour(2 * USD),
        "most": 8,
    }
    return Pool(**(fields | over))


def facts(*pools: Pool, **over: Any) -> Facts:
    """The law base with these groups in it, the default one where none is given."""
    return builders.facts(**({"pools": pools or (pool(),)} | over))


def estate(*groups: MachineGroup, under: Facts | None = None, emptied: bool = True) -> FrozenEstate:
    """The small estate with the group; `SPARE` is shut and empty."""
    made = builders.estate(law_base=under or facts()).with_stock(Stock.of(groups or (group(),)))
    node = made.node(SPARE)
    assert node is not None
    assert not made.workloads_on(SPARE)
    return made.with_node(node.model_copy(update={"cordoned": emptied}))


def scale(machines: int, *leaving: str, **over: Any) -> ScaleMachineGroup:
    """The group with so many machines, without these nodes."""
    return ScaleMachineGroup(group=GROUP, machines=machines, leaving=tuple(map(NodeId, leaving)), **over)
