"""Trails: which nodes two estates of one line may differ in, so that an engine looks at those only.

Called by `estate.frozen` alone. Estates that grew out of one another share a start, and each knows the nodes touched
since then; a trail that grows too long starts anew, and is then not comparable with those before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from estate.ids import NodeId

LONGEST = 512


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """The nodes touched since `start`."""

    start: object = field(default_factory=object)
    nodes: frozenset[NodeId] = frozenset()

    def further(self, nodes: set[NodeId]) -> Trail:
        """The trail once these nodes were touched."""
        if nodes <= self.nodes:
            return self
        if len(self.nodes) + len(nodes) > LONGEST:
            return Trail(nodes=frozenset(nodes))
        return Trail(self.start, self.nodes | nodes)

    def since(self, earlier: Trail) -> frozenset[NodeId] | None:
        """Where an estate of this trail may differ from one of `earlier`; None when they share no start."""
        return self.nodes | earlier.nodes if self.start is earlier.start else None
