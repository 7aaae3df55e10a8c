"""What is expected to be asked for, in the form that scoring reads, and what each kind of node is worth to a class.

Called by `engine` and `expecting`. Probabilities of classes that differ in nothing a kind can tell apart are summed.
Everything is a whole number, so that a score is the same to the last point however it is worked out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tools.placement.packing.demands import Columns

CERTAIN = 1 << 20
"""The chance of what comes for certain. Sums of chances stay inside 32 bits, chances times milli-GPU inside 64."""


class Weights(NamedTuple):
    """Expected classes of each kind of node, in blocks of equal milli-GPU, least first."""

    block: NDArray[np.int64]
    """By kind, where its blocks begin; one more at the end."""
    milli: NDArray[np.int64]
    """By block."""
    start: NDArray[np.int64]
    """By block, where its classes begin; one more at the end."""
    cpu: NDArray[np.int32]
    memory: NDArray[np.int32]
    devices: NDArray[np.int32]
    chance: NDArray[np.int32]
    """In parts of `CERTAIN`."""
    price: NDArray[np.int64]
    """Class × kind: what its place there is worth to others, in milli-GPU times `CERTAIN`, as strains are."""
    row: NDArray[np.int64]
    """By milli-GPU asked of one device, the row of `strain`."""
    strain: NDArray[np.int64]
    """Share × what is free on a device: what such a share, taken there, spoils; see `cutting`."""


def weights_of(
    columns: Columns,
    chances: NDArray[np.float64],
    price: NDArray[np.float64] | None = None,
    with_memory: bool = True,
    strains: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None,
) -> Weights:
    """The weights of classes with these probabilities. Requests without devices make no device useful."""
    kinds = columns.allowed.shape[1]
    blocks, millis, starts, rows = [0], [], [0], []
    for kind in range(kinds):
        merged = _merged(columns, chances, kind, with_memory)
        for milli in sorted({key[0] for key in merged}):
            rows += [(*key[1:], chance) for key, chance in sorted(merged.items()) if key[0] == milli]
            millis.append(milli)
            starts.append(len(rows))
        blocks.append(len(millis))
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Weights(
        block=np.array(blocks, dtype=np.int64),
        milli=np.array(millis, dtype=np.int64),
        start=np.array(starts, dtype=np.int64),
        cpu=table[:, 0].astype(np.int32),
        memory=table[:, 1].astype(np.int32),
        devices=table[:, 2].astype(np.int32),
        chance=np.rint(table[:, 3] * CERTAIN).astype(np.int32),
        price=np.zeros((len(columns.cpu), kinds), dtype=np.int64) if price is None else scaled(price),
        row=np.zeros(1001, dtype=np.int64) if strains is None else strains[0],
        strain=np.zeros((1, 1001), dtype=np.int64) if strains is None else scaled(strains[1]),
    )


def scaled(milli: NDArray[np.float64]) -> NDArray[np.int64]:
    """Milli-GPU in the unit of a score."""
    return np.rint(milli * CERTAIN).astype(np.int64)


def _merged(
    columns: Columns, chances: NDArray[np.float64], kind: int, with_memory: bool
) -> dict[tuple[int, int, int, int], float]:
    merged: dict[tuple[int, int, int, int], float] = {}
    for row in np.flatnonzero(columns.allowed[:, kind] & (columns.devices > 0) & (chances > 0)):
        memory = int(columns.memory[row]) if with_memory else 0
        key = (int(columns.milli[row]), int(columns.cpu[row]), memory, int(columns.devices[row]))
        merged[key] = merged.get(key, 0.0) + float(chances[row])
    return merged
