"""Trails: which nodes two estates of one line may differ in, so that an engine looks at those only.

Called by `estate.frozen` alone. Estates that grew out of one another share a start, and each knows the nodes touched
since then. A trail that grows too long starts anew and remembers the one before; older ones are not comparable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from estate.ids import NodeId

LONGEST = 256


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """The nodes touched since `start`."""

    start: object = field(default_factory=object)
    nodes: frozenset[NodeId] = frozenset()
    before: Trail | None = None
    """The trail that led to `start`."""

    def further(self, nodes: set[NodeId]) -> Trail:
        """The trail once these nodes were touched."""
        if nodes <= self.nodes:
            return self
        if len(self.nodes) + len(nodes) > LONGEST:
            return Trail(nodes=frozenset(nodes), before=replace(self, before=None))
        return replace(self, nodes=self.nodes | nodes)

    def since(self, earlier: Trail) -> frozenset[NodeId] | None:
        """Where an estate of this trail may differ from one of `earlier`; None when they share no start."""
        for start, nodes in self._starts():
            for other, others in earlier._starts():
                if start is other:
                    return nodes | others
        return None

    def nodes_since(self, start: object) -> frozenset[NodeId] | None:
        """The nodes touched since that start; None when it is too long ago."""
        return next((nodes for known, nodes in self._starts() if known is start), None)

    def _starts(self) -> Iterator[tuple[object, frozenset[NodeId]]]:
        yield self.start, self.nodes
        if self.before is not None:
            yield self.before.start, self.before.nodes | self.nodes
