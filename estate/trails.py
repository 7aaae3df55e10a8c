"""Trails: which nodes two estates of one line may differ in, so that an engine looks at those only.

Called by `estate.frozen` alone. Estates that grew out of one another share a start, and each knows the nodes touched
since then. A trail that grows too long starts anew and remembers the one before; older ones are not comparable. Of an
estate and one that grew out of it a few steps later the very steps are known, and nothing else is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from estate.ids import NodeId

LONGEST = 256
NEAR = 64
"""Steps that are gone back one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """The nodes touched since `start`."""

    start: object = field(default_factory=object)
    nodes: frozenset[NodeId] = frozenset()
    before: Trail | None = None
    """The trail that led to `start`."""
    last: Trail | None = None
    """One step before, where that is near."""
    step: frozenset[NodeId] = frozenset()
    """What the last step touched."""
    steps: int = 0
    """How many can be gone back."""

    def further(self, nodes: set[NodeId]) -> Trail:
        """The trail once these nodes were touched."""
        step, steps = frozenset(nodes), self.steps + 1
        last = None if steps > LONGEST else self
        if last is None:
            steps = 0
        if len(self.nodes) + len(step) > LONGEST and not step <= self.nodes:
            older = Trail(self.start, self.nodes)
            return Trail(object(), step, older, last, step, steps)
        return Trail(self.start, self.nodes | step, self.before, last, step, steps)

    def since(self, earlier: Trail) -> frozenset[NodeId] | None:
        """Where an estate of this trail may differ from one of `earlier`; None when they share no start."""
        near = self._back_to(earlier)
        if near is not None:
            return near
        for start, nodes in self._starts():
            for other, others in earlier._starts():
                if start is other:
                    return nodes | others
        return None

    def _back_to(self, earlier: Trail) -> frozenset[NodeId] | None:
        at, touched = self, frozenset[NodeId]()
        for _ in range(NEAR):
            if at is earlier:
                return touched
            if at.last is None:
                return None
            touched |= at.step
            at = at.last
        return None

    def nodes_since(self, start: object) -> frozenset[NodeId] | None:
        """The nodes touched since that start; None when it is too long ago."""
        return next((nodes for known, nodes in self._starts() if known is start), None)

    def _starts(self) -> Iterator[tuple[object, frozenset[NodeId]]]:
        yield self.start, self.nodes
        if self.before is not None:
            yield self.before.start, self.before.nodes | self.nodes
