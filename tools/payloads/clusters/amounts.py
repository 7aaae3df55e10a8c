"""Kubernetes quantities (`80Gi`, `500m`, `1e3`) as whole bytes or counts."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal

from estate.errors import BadInput
from tools.payloads import reading

_QUANTITY = re.compile(r"(\d{1,20}(?:\.\d{0,9})?)(Ki|Mi|Gi|Ti|Pi|Ei|m|k|M|G|T|P|E|[eE][+\-]?\d{1,2})?", re.ASCII)
_SCALES = {unit: Decimal(1024) ** power for power, unit in enumerate(("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))} | {
    unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), start=1)
}
_LARGEST = 2**63


def whole(value: object, at: str) -> int:
    """The quantity rounded down.

    Raises:
        BadInput: it is none.
    """
    return int(_amount(value, at).to_integral_value(ROUND_DOWN))


def milli(value: object, at: str) -> int:
    """Thousandths of the quantity, rounded up as Kubernetes does. Raises BadInput."""
    return int((_amount(value, at) * 1000).to_integral_value(ROUND_CEILING))


def _amount(value: object, at: str) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST:
        return Decimal(value)
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise BadInput(f"{at}: `{reading.shown(value)}` is not a quantity such as `80Gi`")
    number, unit = Decimal(found[1]), found[2] or ""
    amount = number * (_scale(unit))
    if amount >= _LARGEST:
        raise BadInput(f"{at}: `{reading.shown(value)}` is out of range")
    return amount


def _scale(unit: str) -> Decimal:
    if unit == "m":
        return Decimal("0.001")
    return _SCALES[unit] if unit in _SCALES else Decimal(10) ** int(unit[1:])
