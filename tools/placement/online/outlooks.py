"""What is expected to be asked for: read off what runs, so that it lasts over a restart and fades with its origin.

Called by `valuing`; made by `looking`. An outlook is a value: the same snapshot and outlook give the same answer,
whatever was asked before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from estate.ids import Digest, NodeId
from estate.snapshots import Snapshot
from estate.workloads import Workload
from tools.placement.online.classes import Key, Need, key_of
from tools.placement.packing.demands import WHOLE

_CLASSES = 64
_ANYBODY = tuple(Need(devices, WHOLE, 0, 0) for devices in (1, 2, 4, 8))
"""Before anything is known: powers of two up to a whole machine, as often one as the other, of anybody."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A class of replicas, and how often it is expected."""

    need: Need
    count: int = 1
    workload: Workload | None = None
    """One that stands for all; None: of anybody, on any kind."""


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What is expected, what a place on a kind is worth to that, and what a share of a device spoils of it."""

    expected: tuple[Expected, ...] = tuple(map(Expected, _ANYBODY))
    price: Mapping[tuple[Key, Digest], int] = field(default_factory=dict)
    """By class and kind, in the unit of a score."""
    strains: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None


UNTOLD = Outlook()


def counted(snapshot: Snapshot, nodes: Iterable[NodeId]) -> tuple[Expected, ...]:
    """The classes of what runs on these nodes, the most frequent, each replica once; and anybody."""
    counts, typical = Counter[Key](), dict[Key, Workload]()
    for node in nodes:
        for workload in snapshot.workloads_on(node):
            key = key_of(workload)
            typical.setdefault(key, workload)
            counts[key] += len(workload.on(node))
    most = counts.most_common(_CLASSES)
    found = (Expected(Need.of(typical[key]), count, typical[key]) for key, count in most)
    return (*found, *map(Expected, _ANYBODY))
