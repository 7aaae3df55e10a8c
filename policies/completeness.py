"""Which facts are missing before anybody can say where a node stands. Pure; called by `context` and `admission`.

Observed labels never fill a gap: what no signed fact places, or what two facts place differently, is denied.
"""

from __future__ import annotations

from estate.ids import ClusterId, NodeId
from estate.law import Facts


def missing_place(facts: Facts, cluster: ClusterId, node: NodeId) -> set[str]:
    """The facts without which nobody can say where `node` of `cluster` stands; none where they place it and agree."""
    rack, known = facts.rack_of.get(node), facts.cluster.get(cluster)
    if rack is None:
        return {f"racks: no rack holds {node}"}
    if known is None:
        return {f"clusters.{cluster}"}
    if known.site != facts.rack[rack].site:
        return {f"clusters.{cluster}.site contradicts racks.{rack}.site"}
    return set()
