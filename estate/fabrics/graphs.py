"""One fabric as a graph: who reaches whom, over which links, and how much more the narrowest of them would carry.

Built from a snapshot when it is asked about: switches and links from its items, machines' ports from its nodes. Only
links that are up or degraded carry; one whose use is unknown promises nothing beyond being there.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Self

from estate.fabrics.links import Fabric, FabricSort, Link, Switch
from estate.ids import FabricId
from estate.itemkinds import State
from estate.machines import LinkState, Nic, NicUse
from estate.references import Ref
from estate.snapshots import Snapshot

_USES = {
    FabricSort.RDMA: NicUse.RDMA,
    FabricSort.DATA: NicUse.DATA,
    FabricSort.STORAGE: NicUse.STORAGE,
    FabricSort.MANAGEMENT: NicUse.MANAGEMENT,
}
_CARRIES = (LinkState.UP, LinkState.DEGRADED)
_UNBOUNDED = 2**62
_STANDS = (State.OK, State.DEGRADED, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Edge:
    """A link seen from one of its ends. Speeds in Mbit/s, towards the far end."""

    far: Ref
    name: Ref | None
    """The link's own name; None for the port of a machine."""
    capacity: int
    used: int | None
    state: LinkState

    @property
    def free(self) -> int:
        """What it would carry more; 0 where its use is unknown."""
        return max(self.capacity - self.used, 0) if self.used is not None else 0


@dataclass(frozen=True, slots=True)
class Way:
    """A way through a fabric, from one end to the other, and the least that is free on it."""

    stops: tuple[Ref, ...]
    free: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The switches, machines and sites of one fabric with their links, working or not."""

    edges: dict[Ref, list[Edge]] = field(default_factory=lambda: defaultdict(list))
    down: frozenset[Ref] = frozenset()
    """Switches that do not work."""

    @classmethod
    def of(cls, snapshot: Snapshot, fabric: FabricId) -> Self:
        """The graph of that fabric; empty where nobody knows it."""
        known = snapshot.stock.get(Ref("fabric", fabric))
        if not isinstance(known, Fabric):
            return cls()
        parts = [snapshot.stock.get(ref) for ref in snapshot.stock.naming(known.ref)]
        switches = [p for p in parts if isinstance(p, Switch)]
        graph = cls(down=frozenset(s.ref for s in switches if s.state not in _STANDS))
        for link in (p for p in parts if isinstance(p, Link)):
            graph._add(link)
        for switch in switches:
            graph._add_ports(snapshot, switch, known.sort)
        return graph

    def without(self, *failed: Ref) -> Graph:
        """The same once these switches, sites or machines have failed too."""
        return Graph(self.edges, self.down | set(failed))

    def carrying(self, at: Ref) -> Iterator[Edge]:
        """The links at one place that lead to something that works."""
        if at not in self.down:
            yield from (e for e in self.edges.get(at, ()) if e.state in _CARRIES and e.far not in self.down)

    def reached(self, start: Ref) -> frozenset[Ref]:
        """Everything that can be reached from there, itself included."""
        found, waiting = {start}, [start]
        while waiting:
            for edge in self.carrying(waiting.pop()):
                if edge.far not in found:
                    found.add(edge.far)
                    waiting.append(edge.far)
        return frozenset(found)

    def cut_off(self, ends: Collection[Ref], *failed: Ref) -> frozenset[Ref]:
        """Which of these ends no longer reach all of the others when these have failed, as far as they did before.

        Of the parts that they fall into, the largest counts as the fabric that is left.
        """
        left = self.without(*failed)
        parts = {left.reached(end) & set(ends) for end in ends if end not in left.down}
        largest: frozenset[Ref] = max(parts, key=lambda part: (len(part), sorted(part)), default=frozenset())
        return frozenset(end for end in ends if end not in largest and len(self.reached(end) & set(ends)) > 1)

    def widest(self, start: Ref, end: Ref) -> Way | None:
        """The way on which the most is free, of those the shortest; None where there is none."""
        if start == end:
            return Way((start,), 0)
        free = self._widest(start, end)
        return None if free is None else Way(self._shortest(start, end, free), free)

    def _widest(self, start: Ref, end: Ref) -> int | None:
        """The most that is free all the way. Dijkstra's algorithm, on the narrowest link in the place of a sum."""
        found: set[Ref] = set()
        waiting: list[tuple[int, Ref]] = [(-_UNBOUNDED, start)]
        while waiting:
            negative, here = heapq.heappop(waiting)
            if here == end:
                return -negative
            if here not in found:
                found.add(here)
                for edge in self.carrying(here):
                    heapq.heappush(waiting, (-min(-negative, edge.free), edge.far))
        return None

    def _shortest(self, start: Ref, end: Ref, least: int) -> tuple[Ref, ...]:
        """The fewest stops over links on which at least so much is free; there must be such a way."""
        came_from: dict[Ref, Ref] = {}
        waiting = deque([start])
        while end not in came_from:
            here = waiting.popleft()
            for edge in self.carrying(here):
                if edge.free >= least and edge.far not in came_from and edge.far != start:
                    came_from[edge.far] = here
                    waiting.append(edge.far)
        stops = [end]
        while stops[-1] != start:
            stops.append(came_from[stops[-1]])
        return tuple(reversed(stops))

    def _add(self, link: Link) -> None:
        one, other = (end.of for end in link.ends)
        self.edges[one].append(Edge(other, link.ref, link.capacity, link.used, link.state))
        back = link.used_back if link.used_back is not None else link.used
        self.edges[other].append(Edge(one, link.ref, link.capacity, back, link.state))

    def _add_ports(self, snapshot: Snapshot, switch: Switch, sort: FabricSort) -> None:
        for name in sorted(snapshot.holding(switch.ref)):
            node = snapshot.node(name)
            for port in node.nics if node is not None else ():
                if port.switch == switch.id and port.use is _USES.get(sort):
                    self._add_port(Ref("node", name), switch.ref, port)

    def _add_port(self, node: Ref, switch: Ref, port: Nic) -> None:
        for near, far in ((node, switch), (switch, node)):
            self.edges[near].append(Edge(far, None, port.speed, port.used, port.state))
