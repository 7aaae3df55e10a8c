"""What an estate says of groups of machines: which one, where it is kept, what is still to come. Pure.

Changes, gate and executor ask it. Which cluster a group's machines join is a signed fact (`facts.pools`); its own word
for that is never taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from estate import reserving
from estate.ids import ClusterId, MachineGroupId, NodeId, RackId
from estate.law import Pool
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.uses.clusters import MachineGroup

WORD = "machine-group"


class Home(NamedTuple):
    """Where the object is that is written."""

    cluster: ClusterId
    namespace: str
    name: str


def found(snapshot: Snapshot, group: MachineGroupId) -> MachineGroup | None:
    """The group of that id."""
    item = snapshot.stock.get(Ref(WORD, group))
    return item if isinstance(item, MachineGroup) else None


def home(group: MachineGroupId) -> Home | None:
    """Where its object is, by its id; None of one that no cluster shows."""
    parts = group.split(".", 3)
    if len(parts) != 4 or parts[2] != "workers":
        return None
    return Home(ClusterId(parts[0]), parts[1], parts[3])


def pools(snapshot: Snapshot) -> Iterator[tuple[Pool, MachineGroup]]:
    """What facts know, with what is there."""
    for pool in snapshot.facts.pools:
        if (group := found(snapshot, pool.id)) is not None:
            yield pool, group


def shut(snapshot: Snapshot, pool: Pool, group: MachineGroup) -> str:
    """Why nobody should order more of it now; empty where somebody may. Not the law: what would come to nothing."""
    if group.uid is None or group.wanted is None:
        return "is shown by no cluster"
    if group.coming:
        return f"has {group.coming} machines that do not work yet"
    if group.wanted >= pool.most:
        return f"has all of the {pool.most} machines that facts allow"
    strange = [n.id for n in snapshot.nodes() if n.cluster == pool.cluster and snapshot.rack_of(n.id) is None]
    if strange:
        return f"made nodes that facts place in no rack (`{strange[0]}`); have them signed, so that work may run there"
    return ""


def coming_watts(snapshot: Snapshot, rack: RackId) -> int:
    """What machines that are to come may draw in a rack. Where they may come into several, each must bear all."""
    return sum(g.coming * int(p.watts_each) for p, g in pools(snapshot) if rack in p.racks)


def used(snapshot: Snapshot, nodes: Iterable[NodeId]) -> dict[NodeId, str]:
    """Which of these nodes may not be taken away, and why."""
    told = ((n, busy(snapshot, n) or _kept(snapshot, n)) for n in nodes)
    return {n: why for n, why in told if why}


def busy(snapshot: Snapshot, name: NodeId) -> str:
    """Why a node cannot be taken away as things are; empty where it is shut and nothing runs there."""
    node = snapshot.node(name)
    if node is None:
        return "is not in the estate"
    if running := snapshot.workloads_on(name):
        return f"runs {len(running)} workloads; drain it first"
    return "" if node.cordoned else "takes new work; cordon it first"


def _kept(snapshot: Snapshot, name: NodeId) -> str:
    """What is promised of it is the law's to keep: nothing of it stands on the node."""
    return "is reserved for somebody; have that released first" if any(reserving.on(snapshot, name)) else ""
