"""Reading a sender's JSON leniently and without trust: typed fields by name, unknown ones counted, text cleaned.

Refused: more than 1 MiB, more than 64 levels, NaN and infinities, duplicate keys (two readers would see two
things), text that is not UTF-8, a required field that is missing, and any field of the wrong type.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from estate import canonical
from estate.errors import BadInput

LARGEST_BODY = 1024 * 1024
DEEPEST = 64
LONGEST_NAME = 253
LONGEST_ID = 512
_ZERO_YEAR = 1970
"""Go's zero time is year 1 and means no time; nothing of ours happened before 1970."""

_PCI = re.compile(r"(?:PCI:)?([0-9a-f]{4,8}):([0-9a-f]{2}):([0-9a-f]{2})(?:\.([0-7]))?", re.IGNORECASE)
_PORT = re.compile(r":\d{1,5}$", re.ASCII)
_INDEX = re.compile(r"\d{1,4}", re.ASCII)


def decoded(body: bytes) -> str:
    """The body as text."""
    if len(body) > LARGEST_BODY:
        raise BadInput(f"the body of {len(body)} bytes is over {LARGEST_BODY}; send it by reference")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"the body is not UTF-8 at byte {error.start}; send UTF-8") from error


def load(body: bytes | str) -> object:
    """The JSON value of the body; every fault in it is BadInput."""
    text = decoded(body) if isinstance(body, bytes) else body
    try:
        value: object = json.loads(text, object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"not JSON that can be trusted: {shown(str(error))}") from error
    if _deeper_than(value, DEEPEST):
        raise BadInput(f"the JSON is nested over {DEEPEST} levels deep; flatten it")
    return value


def shown(value: object) -> str:
    """A sender's value as it may stand in a message of ours."""
    try:
        text = str(value)
    except ValueError:  # a number of more digits than Python writes
        text = "a number beyond all bounds"
    return canonical.clean_text(text, limit=120).replace("\n", " ")


def name(text: str, limit: int = LONGEST_NAME) -> str:
    """A sender's name for something: cleaned, trimmed."""
    return canonical.clean_text(text, limit=limit).strip()


def sender_id(text: str) -> str:
    """A sender's id that is fit to be stored; an unfit or overlong one becomes its own digest, so none collide."""
    if len(text) <= LONGEST_ID and canonical.text_fault(text) is None:
        return text
    return canonical.digest(text.encode("utf-8", "surrogatepass"))


def pci_address(text: str) -> str | None:
    """`domain:bus:device.function` in lower case, from any of the drivers' ways to write it; None when it is none."""
    found = _PCI.fullmatch(text.strip())
    if found is None:
        return None
    domain, bus, device, function = found.groups()
    short = domain[-4:] if set(domain[:-4]) <= {"0"} else domain
    return f"{short}:{bus}:{device}.{function or 0}".lower()


def index(text: str) -> int | None:
    """A device number that a sender wrote as text; None when it is none."""
    return int(text) if _INDEX.fullmatch(text) else None


def host(text: str) -> str:
    """A machine's name without a port; empty for an address, which is mostly the exporter's own."""
    found = name(_PORT.sub("", text))
    try:
        ipaddress.ip_address(found.strip("[]"))
    except ValueError:
        return found
    return ""


def time(text: str, at: str) -> datetime | None:
    """An RFC 3339 time in UTC; None for a sender's zero time."""
    try:
        found = datetime.fromisoformat(text)
        if found.year < _ZERO_YEAR:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{at}: `{shown(text)}` is not an RFC 3339 time") from error


class Fields:
    """One JSON object of a sender, read field by field; it knows which fields nobody asked for."""

    def __init__(self, value: object, at: str) -> None:
        """`at` is the object's place in the payload, for messages.

        Raises:
            BadInput: the value is not an object.
        """
        if not isinstance(value, Mapping):
            raise BadInput(f"{at}: expected an object, found {_kind(value)}")
        self._value: Mapping[str, object] = value
        self._at = at
        self._asked: set[str] = set()

    @property
    def unknown(self) -> int:
        """How many fields were never asked for."""
        return len(self._value.keys() - self._asked)

    def knows(self, *fields: str) -> None:
        """These fields are known and of no use here."""
        self._asked.update(fields)

    def raw(self, field: str) -> object:
        """The value as it stands; None when it is absent."""
        self._asked.add(field)
        return self._value.get(field)

    def has(self, field: str) -> bool:
        """Whether the field is there and not null."""
        return self._value.get(field) is not None

    def says(self, field: str) -> bool:
        """Whether the sender writes the field at all, be it null."""
        return field in self._value

    def names(self) -> list[str]:
        """Every field of an open map; they count as asked for."""
        self._asked.update(self._value)
        return list(self._value)

    def place(self, field: str) -> str:
        """Where the field stands, for messages."""
        return f"{self._at}.{field}" if self._at else field

    def text(self, field: str, default: str | None = None) -> str:
        """A text; required when there is no default. Uncleaned: pass it through `name`, `sender_id` or `clean_text`."""
        value = self._of(field, str, "text", default)
        if not value and default is None:
            raise BadInput(f"{self.place(field)}: required, and empty")
        return value

    def flag(self, field: str, default: bool) -> bool:
        """A boolean."""
        return self._of(field, bool, "true or false", default)

    def number(self, field: str, default: int) -> int:
        """An integer."""
        if isinstance(self._value.get(field), bool):
            raise BadInput(f"{self.place(field)}: expected an integer, found {_kind(True)}")
        return self._of(field, int, "an integer", default)

    def items(self, field: str, *, required: bool = False) -> list[object]:
        """A list; an absent or null one is empty unless it is required."""
        return self._of(field, list, "a list", None if required else [])

    def within(self, field: str, *, required: bool = False) -> Fields:
        """An object; an absent or null one is empty unless it is required."""
        return Fields(self._of(field, dict, "an object", None if required else {}), self.place(field))

    def texts(self) -> dict[str, str]:
        """Every field whose value is text: an open map such as labels."""
        self._asked.update(self._value)
        return {k: v for k, v in self._value.items() if isinstance(v, str)}

    def time(self, field: str) -> datetime | None:
        """An RFC 3339 time; None when it is absent, empty or the sender's zero time."""
        text = self.text(field, "")
        return time(text, self.place(field)) if text else None

    def _of[T](self, field: str, kind: type[T], wanted: str, default: T | None) -> T:
        value = self.raw(field)
        if value is None:
            if default is None:
                raise BadInput(f"{self.place(field)}: required, and missing")
            return default
        if not isinstance(value, kind):
            raise BadInput(f"{self.place(field)}: expected {wanted}, found {_kind(value)}")
        return value


def pick(values: Mapping[str, str], names: tuple[str, ...], fit: Callable[[str], bool] = bool) -> str:
    """The first of these that is there and fit, cleaned; empty when none is."""
    return next((name(values[n]) for n in names if n in values and fit(values[n])), "")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _refused(text: str) -> object:
    raise ValueError(f"`{text}` is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"`{text[:40]}` is no finite number")
    return value


def _deeper_than(value: object, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [child for parent in layer for child in _children(parent)]
        if not layer:
            return False
    return True


def _children(value: object) -> list[object]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
        case _:
            return []


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "null")
