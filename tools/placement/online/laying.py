"""The compiled part of a frame, laid anew from its columns. Called by `frames`."""

from __future__ import annotations

import numpy as np

from tools.placement.columns import Columns, Ints
from tools.placement.online.guards import Guard
from tools.placement.online.kinds import Kinds
from tools.placement.online.valuing import bounded
from tools.placement.packing import pools
from tools.placement.packing.pools import Pool


def pool_of(columns: Columns, kind: Ints, classes: int) -> Pool:
    """What is free, with room for the scores of so many classes."""
    free = columns.milli if columns.milli.shape[1] else np.zeros((len(kind), 1), np.int64)
    cpu, memory = bounded(columns.cpu_free), bounded(columns.memory_free)
    return pools.pool_of(kind.astype(np.int32), cpu, memory, free, classes)


def guard_of(columns: Columns, pool: Pool, kinds: Kinds) -> Guard:
    """What moves with every replica. What a question changes is a copy, all else the columns themselves."""
    nodes, slots = pool.free.shape
    blank = np.full((nodes, slots), -1, dtype=np.int64)
    narrow = not columns.index.shape[1]
    return Guard(
        barred=np.zeros(nodes, dtype=np.bool_),
        rack=columns.rack,
        idle=columns.idle,
        load=columns.load.copy(),
        cap=columns.cap,
        domain=blank if narrow else columns.domain,
        called=blank if narrow else columns.index,
        sharer=blank if narrow else columns.sharer.copy(),
        drawn=columns.rack_drawn.copy(),
        budget=columns.rack_budget,
        present=columns.present.copy(),
        crowd=_crowd(columns),
        cluster=kinds.typical.cluster,
        taken=np.zeros(slots, dtype=np.int64),
        stack=np.zeros(nodes + 1, dtype=np.int32),
    )


def _crowd(columns: Columns) -> Ints:
    found = np.zeros((len(columns.present), max(len(columns.rack_budget), 1)), dtype=np.int64)
    for tenant, present in enumerate(columns.present):
        here = columns.rack[present & (columns.rack >= 0)]
        found[tenant] = np.bincount(here, minlength=found.shape[1])
    return found
