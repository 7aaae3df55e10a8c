"""What is asked of the engine against what is there: replicas, sites, nodes. Pure.

Called by the door, the catalogue and `offering`, before a question is put. It places nothing; what is not there is a
BadInput that begins with the field.
"""

from __future__ import annotations

from collections.abc import Iterable

from estate.errors import BadInput
from estate.ids import NodeId, SiteId
from estate.snapshots import Snapshot
from estate.workloads import Workload


def check_replicas(workload: Workload, replicas: Iterable[int]) -> None:
    """Raises BadInput for a replica that the workload has not."""
    odd = [r for r in replicas if not 0 <= r < workload.replicas]
    if odd and not workload.replicas:
        raise BadInput(f"replicas: `{workload.id}` has none now; scale it first")
    if odd:
        last = workload.replicas - 1
        raise BadInput(f"replicas: `{workload.id}` has no replica `{odd[0]}`; name some of 0 to {last}")


def check_sites(snapshot: Snapshot, sites: Iterable[SiteId]) -> None:
    """Raises BadInput for a site that no fact knows."""
    for site in sites:
        if site not in snapshot.facts.site:
            raise BadInput(f"sites: no site `{site}`; there are {', '.join(sorted(snapshot.facts.site))}")


def check_nodes(snapshot: Snapshot, avoid: Iterable[NodeId]) -> None:
    """Raises BadInput for a node to be avoided that is nowhere: a slip of the pen would avoid nothing."""
    for node in avoid:
        if snapshot.node(node) is None:
            raise BadInput(f"avoid: no node `{node}`; see `placet get nodes`")
