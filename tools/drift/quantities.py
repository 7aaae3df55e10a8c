"""Quantities of Kubernetes by their value: `1`, `1000m` and `1.0` are one. Pure.

Grammar and suffixes: `k8s.io/apimachinery/pkg/api/resource`, `Quantity`.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Final

from estate.canonical import Json

_FORM = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))([eE][+-]?[0-9]{1,3}|[KMGTPE]i|[numkMGTPE]?)")
_LONGEST = 64
_SCALES: Final = {
    "": Decimal(1),
    **{s: Decimal(1000) ** n for s, n in zip("numkMGTPE", (-3, -2, -1, 1, 2, 3, 4, 5, 6), strict=True)},
    **{f"{s}i": Decimal(1024) ** n for n, s in enumerate("KMGTPE", 1)},
}


def value(written: Json) -> Decimal | None:
    """What it amounts to; None where it is no quantity."""
    if isinstance(written, bool) or not isinstance(written, str | int | float):
        return None
    found = _FORM.fullmatch(str(written)) if len(str(written)) <= _LONGEST else None
    if found is None:
        return None
    number, suffix = found.groups()
    try:
        return (
            Decimal(f"{number}{suffix}")
            if suffix[:1] in ("e", "E") and len(suffix) > 1 and suffix != "Ei"
            else (Decimal(number) * _SCALES[suffix])
        )
    except InvalidOperation:
        return None


def equal(one: Json, other: Json) -> bool:
    """Whether two are the same amount; what is no quantity is compared as it is written."""
    first, second = value(one), value(other)
    return first == second if first is not None and second is not None else one == other
