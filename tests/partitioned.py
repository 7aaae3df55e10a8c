"""Layouts that facts state, and nodes whose partition manager says how they are cut: a test states only what counts."""

from __future__ import annotations

from collections.abc import Iterable

from estate.changes import RepartitionAccelerator
from estate.devices import Partitioning
from estate.frozen import FrozenEstate
from estate.hardware import Node
from estate.ids import NodeId
from estate.law import Cut, Facts, Layout, Slices
from estate.layouts import WHOLE
from tests import builders


def cut(*devices: int, **slices: int) -> Cut:
    """Slices by their profile with underscores for points: `_1g_10gb=7`."""
    told = (Slices(profile=name.strip("_").replace("_", "."), count=count) for name, count in slices.items())
    return Cut(devices=devices, slices=tuple(told))


UNCUT = Layout(name="all-disabled", cuts=(cut(),))
SEVENTHS = Layout(name="all-1g.10gb", cuts=(cut(_1g_10gb=7),))
HALVES = Layout(name="all-3g.40gb", cuts=(cut(_3g_40gb=2),))
MIXED = Layout(name="placet-mixed", cuts=(cut(0, _1g_10gb=3, _4g_40gb=1), cut(*range(1, 8))))
"""Of nodes with eight: the first is cut, the others stay whole."""
LAYOUTS = (UNCUT, SEVENTHS, HALVES, MIXED)


def stating(facts: Facts | None = None, layouts: Iterable[Layout] = LAYOUTS) -> Facts:
    """The facts with these layouts for each cluster."""
    law = facts or builders.facts()
    told = tuple(c.model_copy(update={"layouts": tuple(layouts)}) for c in law.clusters)
    return law.model_copy(update={"clusters": told})


def managed(node: Node, layout: Layout = UNCUT) -> Node:
    """The node with a partition manager that was told that."""
    return node.model_copy(update={"partitioning": Partitioning(layout=layout.name)})


def estate() -> FrozenEstate:
    """The small estate, every node with a partition manager."""
    return builders.estate(law_base=stating(), nodes=map(managed, builders.default_nodes()))


def repartition(node: str = "eu-a3", layout: Layout = SEVENTHS) -> RepartitionAccelerator:
    """The change."""
    return RepartitionAccelerator(node=NodeId(node), layout=layout.name)


def counted(**sizes: int) -> tuple[str, ...]:
    """What a condition tells of a node with these: `whole=7, _1g_10gb=3`."""
    named = {n if n == WHOLE else n.strip("_").replace("_", "."): count for n, count in sizes.items()}
    return tuple(f"{n}×{count}" for n, count in sorted(named.items()))
