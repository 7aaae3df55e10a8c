"""Cedar's extension values: what a literal says, and how a value found by the solver is written."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from estate.canonical import Json

LOWEST, HIGHEST = -(2**63), 2**63 - 1
"""The least and the greatest of Cedar's integers."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DECIMAL: Final = re.compile(r"-?[0-9]+\.[0-9]{1,4}")
_DATETIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(?:\.(\d{3}))?(Z|[+-]\d{4}))?")
_DURATION: Final = re.compile(r"(-?)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS: Final = (86_400_000, 3_600_000, 60_000, 1_000, 1)


def decimal(text: str) -> int:
    """Ten-thousandths."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"`{text}` is no decimal")
    return int(Decimal(text).scaleb(4))


def instant(text: str) -> int:
    """Milliseconds since 1970."""
    found = _DATETIME.fullmatch(text)
    if found is None:
        raise ValueError(f"`{text}` is no datetime")
    day, time, millis, zone = found.groups()
    offset = "+0000" if zone in {None, "Z"} else zone
    moment = datetime.strptime(f"{day}T{time or '00:00:00'}{offset}", "%Y-%m-%dT%H:%M:%S%z")
    return (moment - _EPOCH) // timedelta(milliseconds=1) + int(millis or 0)


def duration(text: str) -> int:
    """Milliseconds."""
    found = _DURATION.fullmatch(text)
    if found is None or not text.strip("-"):
        raise ValueError(f"`{text}` is no duration")
    sign, *parts = found.groups()
    total = sum(int(n or 0) * unit for n, unit in zip(parts, _UNITS, strict=True))
    return -total if sign else total


def address(text: str) -> tuple[bool, int, int]:
    """Whether it is IPv6, the address, and how many bits of it count."""
    found = ipaddress.ip_interface(text)
    return found.version == 6, int(found.ip), found.network.prefixlen


def decimal_text(value: int) -> str:
    """As Cedar writes it."""
    sign, whole = ("-" if value < 0 else ""), abs(value)
    return f"{sign}{whole // 10_000}.{whole % 10_000:04}"


def instant_text(value: int) -> str:
    """As Cedar writes it. Raises LookupError outside the years that can be written."""
    try:
        moment = _EPOCH + timedelta(milliseconds=value)
    except OverflowError as error:
        raise LookupError(f"{value} ms lie outside the years that a datetime can name") from error
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z".rjust(24, "0")


def duration_text(value: int) -> str:
    """As Cedar writes it."""
    return f"{value}ms"


def address_text(six: bool, value: int, prefix: int) -> str:
    """As Cedar writes it."""
    return f"{ipaddress.IPv6Address(value) if six else ipaddress.IPv4Address(value)}/{prefix}"


def json_of(function: str, text: str) -> Json:
    """The form that requests and stores hold."""
    return {"__extn": {"fn": function, "arg": text}}
