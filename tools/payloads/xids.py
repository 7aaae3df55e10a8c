"""NVIDIA's Xid codes on our scale: how bad, which fact, and why we say so.

Our own table, after the immediate actions of NVIDIA's Xid catalogue (September 2025): a device that cannot work
before a reset or a reboot is lost (`fatal`), so it is fenced before anybody thinks; faults of a link or of one
application are not. Where we differ from the catalogue, the row says so. Codes that are in no row are warnings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from estate.observations import EventType, Severity

_FAILED, _DEGRADED, _LINK = EventType.ACCELERATOR_FAILED, EventType.ACCELERATOR_DEGRADED, EventType.LINK_DEGRADED
_ORDER = (Severity.INFO, Severity.WARNING, Severity.CRITICAL, Severity.FATAL)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one code says of its device."""

    severity: Severity
    type: EventType
    reason: str


_ROWS: tuple[tuple[Meaning, tuple[int, ...]], ...] = (
    (Meaning(Severity.FATAL, _FAILED, "off the bus: only a restart of the machine brings it back"), (79,)),
    (
        Meaning(Severity.FATAL, _FAILED, "the catalogue's immediate action is a reset: no work until then"),
        (46, 62, 64, 95, 109, 110, 119, 120, 140, 143, 158),
    ),
    (Meaning(Severity.FATAL, _FAILED, "double-bit memory error: reset, or drain and reset with 63 or 64"), (48,)),
    (Meaning(Severity.CRITICAL, _DEGRADED, "memory error contained to one application, which must restart"), (94,)),
    (
        Meaning(Severity.CRITICAL, _DEGRADED, "details that come with 48, which decides; alone they wait for a look"),
        (171, 172),
    ),
    (
        Meaning(
            Severity.CRITICAL, _DEGRADED, "a resource was retired; the reset that the catalogue asks for can be planned"
        ),
        (156,),
    ),
    (Meaning(Severity.CRITICAL, _DEGRADED, "power cable, machine or firmware needs hands"), (54, 78, 151, 167, 169)),
    (Meaning(Severity.CRITICAL, _LINK, "a link is at fault and not the device, whatever resets it"), (74, 136, 155)),
    (
        Meaning(Severity.WARNING, _LINK, "NVLink 5; the line's own word Fatal or Nonfatal decides"),
        tuple(range(144, 151)),
    ),
    (
        Meaning(Severity.INFO, _DEGRADED, "a consequence, a test message or a notice: another code decides"),
        (14, 45, 106, 107),
    ),
)
_TABLE: Mapping[int, Meaning] = {code: meaning for meaning, codes in _ROWS for code in codes}
_UNLISTED = Meaning(Severity.WARNING, _DEGRADED, "a fault of the application or one that needs a second look")

_RECOVERY = "recovery action changed"
_RECOVERIES = (
    ("(none)", Meaning(Severity.INFO, _DEGRADED, "the driver needs no recovery any more")),
    ("node reboot required", Meaning(Severity.FATAL, _FAILED, "the driver asks for a reboot")),
    ("gpu reset required", Meaning(Severity.FATAL, _FAILED, "the driver asks for a reset")),
    ("drain and reset", Meaning(Severity.CRITICAL, _DEGRADED, "the driver asks for a drain and a reset")),
    ("drain p2p", Meaning(Severity.CRITICAL, _LINK, "the driver asks to stop peer-to-peer work")),
)


def meaning(code: int, text: str = "") -> Meaning:
    """What the code says; `text` is the rest of its line, which decides for 144 to 150 and for 154."""
    if code == 154:
        return _recovery(text.lower())
    found = _TABLE.get(code, _UNLISTED)
    if 144 <= code <= 150 and " fatal " in f" {text.lower()} ":
        return Meaning(Severity.CRITICAL, found.type, found.reason)
    return found


def worse(one: Severity, other: Severity) -> Severity:
    """The worse of two."""
    return max(one, other, key=_ORDER.index)


def _recovery(text: str) -> Meaning:
    wanted = text.rpartition(" to ")[2] if _RECOVERY in text else text
    return next((m for words, m in _RECOVERIES if words in wanted), _UNLISTED)
