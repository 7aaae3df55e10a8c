"""The score of a replica on any number of nodes at once: to the last point what `packing.deciding` says, uncompiled.

Called by `valuing`. Pure; whole numbers only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.placement.columns import Ints
from tools.placement.online.classes import Need
from tools.placement.online.kinds import different
from tools.placement.packing.demands import WHOLE
from tools.placement.packing.steps import STEPS
from tools.placement.packing.weights import CERTAIN, Weights


class States:
    """Nodes as scores see them: their kind, CPU and memory free, and what is free of each device, most first."""

    def __init__(self, kind: Ints, cpu: Ints, memory: Ints, free: Ints) -> None:
        levels = -np.sort(-free, axis=1)
        table = np.concatenate([kind[:, None], cpu[:, None], memory[:, None], levels], axis=1)
        rows, self.of = different(table)
        self.kind, self.cpu, self.memory, self.levels = kind[rows], cpu[rows], memory[rows], levels[rows]


def points(states: States, weights: Weights, price: NDArray[np.int64], need: Need) -> Ints:
    """The points of each node, by the price of its kind; the replica fits there."""
    base = useful(states, weights, states.cpu, states.memory, states.levels)
    base = base + price[states.kind] - need.devices * need.milli * CERTAIN
    cpu, memory = states.cpu - need.cpu, states.memory - need.memory
    if not need.devices or need.devices > states.levels.shape[1]:
        return _reached(useful(states, weights, cpu, memory, states.levels) - base)[states.of]
    if need.milli == WHOLE:
        left = useful(states, weights, cpu, memory, _taken(states.levels, need.devices))
        return _reached(left - base)[states.of]
    return _shared(states, weights, base, need)[states.of]


def useful(states: States, weights: Weights, cpu: Ints, memory: Ints, levels: Ints) -> Ints:
    """The milli-GPU of each state on which the next could run, times its chance."""
    found = np.zeros(len(states.kind), dtype=np.int64)
    for kind in np.unique(states.kind).tolist():
        here = states.kind == kind
        found[here] = _of_kind(weights, kind, cpu[here], memory[here], levels[here])
    return found


def _of_kind(weights: Weights, kind: int, cpu: Ints, memory: Ints, levels: Ints) -> Ints:
    blocks = slice(int(weights.block[kind]), int(weights.block[kind + 1]))
    sizes = np.diff(weights.start[blocks.start : blocks.stop + 1])
    rows = slice(int(weights.start[blocks.start]), int(weights.start[blocks.stop]))
    holds = levels[:, :, None] >= np.repeat(weights.milli[blocks], sizes)
    fits = (weights.cpu[rows] <= cpu[:, None]) & (weights.memory[rows] <= memory[:, None])
    fits &= weights.devices[rows] <= holds.sum(axis=1)
    found: Ints = (np.where(fits, weights.chance[rows], 0) * (holds * levels[:, :, None]).sum(axis=1)).sum(axis=1)
    return found


def _taken(levels: Ints, devices: int) -> Ints:
    """So many whole devices less, where there are as many."""
    whole = (levels >= WHOLE).sum(axis=1)[:, None]
    places = np.arange(levels.shape[1])
    taken = (places < whole) & (places >= whole - devices)
    found: Ints = -np.sort(-np.where(taken, levels - WHOLE, levels), axis=1)
    return found


def _shared(states: States, weights: Weights, base: Ints, need: Need) -> Ints:
    """A share goes to whichever device gives it most points."""
    best = np.zeros(len(states.kind), dtype=np.int64)
    cpu, memory, levels = states.cpu - need.cpu, states.memory - need.memory, states.levels
    for at in range(levels.shape[1]):
        left = levels.copy()
        left[:, at] -= need.milli
        gain = useful(states, weights, cpu, memory, -np.sort(-left, axis=1)) - base
        gain -= weights.strain[weights.row[need.milli], levels[:, at]]
        best = np.where(levels[:, at] >= need.milli, np.maximum(best, _reached(gain)), best)
    return best


def _reached(gain: Ints) -> Ints:
    return np.searchsorted(STEPS, gain, side="right").astype(np.int64)
