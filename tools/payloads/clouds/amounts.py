"""Numbers of clouds: as JSON numbers or as text, as money or as counts."""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation

from estate.errors import BadInput
from tools.payloads import reading

_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,12})?(?:[eE][+\-]?\d{1,2})?", re.ASCII)
_MOST = Decimal(10) ** 15
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


def number(fields: reading.Fields, field: str) -> Decimal:
    """A finite number, written either way.

    Raises:
        BadInput: it is missing or none.
    """
    value = fields.raw(field)
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str) or _NUMBER.fullmatch(text) is None:
        raise BadInput(f"{fields.place(field)}: `{reading.shown(value)}` is not a number")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise BadInput(f"{fields.place(field)}: `{reading.shown(value)}` is not a number") from error


def micros(fields: reading.Fields, field: str, scale: Decimal | int = 1) -> int:
    """Money in millionths, rounded half to even. Power may cost less than nothing."""
    amount = number(fields, field) * scale * 1_000_000
    if abs(amount) > _MOST:
        raise BadInput(f"{fields.place(field)}: `{reading.shown(fields.raw(field))}` is out of range")
    return round(amount)


def count(fields: reading.Fields, field: str) -> int:
    """How many, rounded down; some clouds write `16.0`. Without limit is the largest number there is."""
    amount = number(fields, field)
    if amount < 0 or amount > _MOST:
        raise BadInput(f"{fields.place(field)}: `{reading.shown(fields.raw(field))}` is out of range")
    return math.floor(amount)


def currency(fields: reading.Fields, field: str) -> str:
    """ISO 4217's three letters."""
    found = fields.text(field).upper()
    if _CURRENCY.fullmatch(found) is None:
        raise BadInput(f"{fields.place(field)}: `{reading.shown(found)}` is not a currency such as EUR")
    return found
