"""Numbers by which DCGM says that it has none (dcgm_structs.h: `DCGM_INT32_BLANK`, `…_INT64_BLANK`, `…_FP64_BLANK`).

Each blank has three neighbours: not found, not supported, not permissioned. Only the 64-bit ones are beyond what a
counter can reach, so the smaller ones are blanks in gauges alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tools.payloads.facts.readings import Bytes, Floats, Presence

_INT32 = 0x7FFFFFF0
_INT64 = 0x7FFFFFFFFFFFFFF0
_FP64 = 2**47
_MEANINGS = (Presence.BLANK, Presence.ABSENT, Presence.ABSENT, Presence.BLANK)
"""Blank, not found, not supported, not permissioned."""
_AS_FLOAT = float(_INT64)
"""All four 64-bit blanks are this double: only their text tells them apart."""

type Flags = npt.NDArray[np.bool_]


def told(value: float) -> Presence | None:
    """What a number says of a gauge, exact integers included; None when it is a value."""
    for base in (_INT32, _INT64, _FP64):
        if 0 <= value - base < len(_MEANINGS) and value == int(value):
            return _MEANINGS[int(value) - base]
    # Prometheus writes the double with the fewest digits that name it: 9223372036854776000.
    return Presence.BLANK if float(value) == _AS_FLOAT else None


def of_text(text: str | bytes, value: float) -> Presence:
    """What a number that may be a blank says; its text tells the 64-bit ones apart."""
    exact = int(text) if text.isdigit() and len(text) < 20 else value
    return told(exact) or Presence.BLANK


def possible(values: Floats, blanks: Flags, gauges: Flags) -> Flags:
    """Where a blank may stand: `told` says of each what it means."""
    small = ((values >= _INT32) & (values < _INT32 + 4)) | ((values >= _FP64) & (values < _FP64 + 4))
    found: Flags = blanks & ((values == _AS_FLOAT) | (small & gauges))
    return found


def unmeasured(values: Floats) -> Bytes:
    """NaN and infinities say that there is no value now."""
    return np.where(np.isfinite(values), np.uint8(Presence.MEASURED), np.uint8(Presence.BLANK))
