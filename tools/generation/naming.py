"""What racks and nodes are called where nobody named them."""

from __future__ import annotations

from estate.ids import NodeId, RackId, SiteId

RACK, NUMBER = "{rack}", "{number}"
"""What a pattern of node names has a place for."""


def rack(site: SiteId, number: int) -> RackId:
    """`s1-r007`."""
    return RackId(f"{site}-r{number:03}")


def nodes(rack: RackId, count: int, pattern: str = "") -> tuple[NodeId, ...]:
    """`s1-r007-n01`, …; by a pattern, say `{rack}{number}`, without leading zeros."""
    if not pattern:
        return tuple(NodeId(f"{rack}-n{n:02}") for n in range(1, count + 1))
    return tuple(NodeId(pattern.replace(RACK, rack).replace(NUMBER, str(n))) for n in range(1, count + 1))
