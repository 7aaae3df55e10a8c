"""Kernel log lines: what the NVIDIA driver says of a GPU (Xid) or of an NVSwitch (SXid).

Bodies, told apart by their first character:

- `{"host", "boot_id"?, "cluster"?, "lines": [{"at"?, "text"} or "text"]}`: a log shipper;
- one journald object a line (`journalctl -k -o json`: `MESSAGE`, `_HOSTNAME`, `_BOOT_ID`, `__REALTIME_TIMESTAMP`);
- plain text as dmesg, /dev/kmsg and syslog write it, the host from a syslog prefix or the header `placet-host`.

Lines of anything else are ignored and counted; a malformed Xid line is a fault and costs no other line.

A kernel gives its lines no id. Ours is the digest of (host, boot, kernel timestamp in microseconds, text from the
driver's tag on), so one line through dmesg and through journald is one event; a line without a kernel timestamp
takes the shipper's time in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from estate import canonical
from estate.errors import BadInput
from estate.observations import EventType, Observation, Severity, Whereabouts
from tools.payloads import reading, xids
from tools.payloads.parsed import Fault, Headers, Item, Parsed, gather

HOST_HEADER, BOOT_HEADER, CLUSTER_HEADER = "placet-host", "placet-boot", "placet-cluster"
MOST_LINES = 10_000

_XID = re.compile(r"NVRM: Xid \((?P<pci>[^)]*)\): ?(?P<rest>.*)", re.DOTALL)
_SXID = re.compile(r"nvidia-nvswitch(?P<switch>\d{1,3}): SXid \((?P<pci>[^)]*)\): ?(?P<rest>.*)", re.DOTALL)
_CODE = re.compile(r"(?P<code>\d{1,6})(?=[,\s(]|$),?\s*(?P<text>.*)", re.DOTALL | re.ASCII)
_KMSG = re.compile(r"^\d+,\d+,(?P<micros>\d{1,15}),[^;]*;", re.ASCII)
_STAMP = re.compile(r"\[ *(?P<seconds>\d{1,10})\.(?P<micros>\d{1,6})\] ", re.ASCII)
_DATED = re.compile(r"\[(?P<date>\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\] ")
_ISO = re.compile(
    r"^(?:[a-z]+ *:[a-z]+ *: )?(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.,]\d{1,9}(?:Z|[+\-]\d\d:?\d\d)) ", re.ASCII
)
"""`dmesg --time-format iso`, with `--decode` or without: a comma before the fraction."""
_SYSLOG = re.compile(r"^(?:<\d+>)?(?P<at>\d{4}-\S+|\w{3} [ \d]\d \d\d:\d\d:\d\d) (?P<host>[\w.\-]+) kernel: ")


@dataclass(frozen=True, slots=True)
class _Line:
    """One line and what its carrier says of it."""

    number: int
    text: str
    host: str = ""
    boot: str = ""
    cluster: str = ""
    at: datetime | None = None
    monotonic: str = ""
    """The kernel's own time in microseconds, where the carrier and not the text has it."""


@dataclass(frozen=True, slots=True)
class _Report:
    """A driver's report: its tag, its device and what follows the code."""

    tag: str
    pci: str
    code: int
    text: str
    switch: str = ""


def parse(body: bytes, headers: Headers) -> Parsed:
    """The Xid and SXid reports of a body.

    Raises:
        BadInput: the body is none of the three forms, or holds reports and none of them can be read.
    """
    text = reading.decoded(body)
    named = {k.lower(): v for k, v in headers.items()}
    return gather([_item(line) for line in _lines(text, named)])


def _lines(text: str, headers: dict[str, str]) -> Iterator[_Line | Fault]:
    if text.lstrip().startswith("{") and not _is_journal(text):
        yield from _shipped(reading.Fields(reading.load(text), ""))
        return
    rows = text.splitlines()
    if len(rows) > MOST_LINES:
        raise BadInput(f"{len(rows)} lines in one body; send at most {MOST_LINES}")
    given = _Line(
        number=0,
        text="",
        host=reading.name(headers.get(HOST_HEADER, "")),
        boot=reading.name(headers.get(BOOT_HEADER, "")),
        cluster=reading.name(headers.get(CLUSTER_HEADER, "")),
    )
    for number, row in enumerate(rows, start=1):
        line = replace(given, number=number, text=row)
        yield _journalled(line) if row.lstrip().startswith("{") else line


def _is_journal(text: str) -> bool:
    return '"MESSAGE"' in text.lstrip().partition("\n")[0]


def _shipped(body: reading.Fields) -> Iterator[_Line | Fault]:
    host = reading.name(body.text("host"))
    boot, cluster = reading.name(body.text("boot_id", "")), reading.name(body.text("cluster", ""))
    rows = body.items("lines", required=True)
    if len(rows) > MOST_LINES:
        raise BadInput(f"lines: {len(rows)} in one body; send at most {MOST_LINES}")
    for number, row in enumerate(rows, start=1):
        try:
            text, at = _row(row, f"lines.{number}")
        except BadInput as error:
            yield Fault(f"line {number}", str(error))
        else:
            yield _Line(number, text, host, boot, cluster, at)


def _row(row: object, place: str) -> tuple[str, datetime | None]:
    if isinstance(row, str):
        return row, None
    fields = reading.Fields(row, place)
    return fields.text("text"), fields.time("at")


def _journalled(line: _Line) -> _Line | Fault:
    try:
        fields = reading.Fields(reading.load(line.text), "")
        return replace(
            line,
            text=fields.text("MESSAGE"),
            host=reading.name(fields.text("_HOSTNAME", line.host)),
            boot=reading.name(fields.text("_BOOT_ID", line.boot)),
            at=_realtime(fields.text("__REALTIME_TIMESTAMP", "")),
            monotonic=_micros(fields.text("_SOURCE_MONOTONIC_TIMESTAMP", "")),
        )
    except BadInput as error:
        return Fault(f"line {line.number}", str(error))


def _micros(text: str) -> str:
    """journald writes microseconds as text; anything else is no time."""
    return text if re.fullmatch(r"\d{1,17}", text, re.ASCII) else ""


def _realtime(text: str) -> datetime | None:
    if not _micros(text):
        return None
    seconds, micros = divmod(int(text), 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


def _item(line: _Line | Fault) -> Item:
    if isinstance(line, Fault):
        return line
    if not ("NVRM: Xid" in line.text or ": SXid" in line.text):
        return None
    try:
        return _observed(_placed(line))
    except BadInput as error:
        return Fault(f"line {line.number}", str(error))


def _placed(line: _Line) -> _Line:
    """The line with host and time of its syslog prefix, where it has one and the carrier gave none."""
    prefix, stamp = _SYSLOG.match(line.text), _ISO.match(line.text)
    if prefix is None:
        placed = replace(line, at=reading.time(stamp["at"], "timestamp")) if stamp and line.at is None else line
    else:
        at = line.at or (reading.time(prefix["at"], "timestamp") if prefix["at"][0].isdigit() else None)
        placed = replace(line, host=line.host or reading.name(prefix["host"]), at=at)
    if not placed.host:
        raise BadInput(f"no host; send `host` with the lines, or the header `{HOST_HEADER}`")
    return placed


def _observed(line: _Line) -> Observation:
    report = _report(line.text)
    severity, type_ = _judged(report)
    return Observation(
        type=type_,
        severity=severity,
        source=f"kernel/{line.host}",
        sender_id=_identity(line, report),
        occurred_at=line.at,
        whereabouts=Whereabouts(
            cluster=line.cluster, node_name=line.host, pci_address="" if report.switch else report.pci
        ),
        code=f"{report.tag.lower()}-{report.code}",
        message=canonical.clean_text(_message(report)),
    )


def _report(text: str) -> _Report:
    """The report that the line carries.

    Raises:
        BadInput: the tag is there and what follows it is not a report.
    """
    found = _XID.search(text) or _SXID.search(text)
    if found is None:
        raise BadInput(f"`{reading.shown(text)}` names no device; expected `(PCI:domain:bus:device)`")
    pci = reading.pci_address(found["pci"])
    if pci is None:
        raise BadInput(f"`{reading.shown(found['pci'])}` is not a PCI address")
    parts = _CODE.match(found["rest"])
    if parts is None:
        raise BadInput(f"`{reading.shown(found['rest'])}` does not begin with a code")
    switch = found.groupdict().get("switch")
    return _Report(
        "SXid" if switch else "Xid",
        pci,
        int(parts["code"]),
        parts["text"].strip(),
        f"nvswitch{switch}" if switch else "",
    )


def _judged(report: _Report) -> tuple[Severity, EventType]:
    """An Xid by our table; an SXid by the driver's own word, since it says Fatal or Non-fatal itself."""
    if not report.switch:
        found = xids.meaning(report.code, report.text)
        return found.severity, found.type
    word = report.text.lower()
    if word.startswith("fatal"):
        return Severity.FATAL, EventType.LINK_DEGRADED
    details = word.startswith(("severity ", "data "))
    return (Severity.INFO if details else Severity.WARNING), EventType.LINK_DEGRADED


def _message(report: _Report) -> str:
    if report.switch:
        return f"{report.switch} ({report.pci}) SXid {report.code}: {report.text or 'no text'}"
    return report.text or f"Xid {report.code}"


def _identity(line: _Line, report: _Report) -> str:
    when = _kernel_time(line.text) or line.monotonic or (line.at.isoformat() if line.at else "")
    text = canonical.clean_text(f"{report.tag} {report.pci} {report.code} {report.text} {report.switch}")
    return canonical.digest_of([line.host, line.boot, when, text])


def _kernel_time(text: str) -> str:
    if kmsg := _KMSG.match(text):
        return str(int(kmsg["micros"]))
    if stamp := _STAMP.search(text):
        return str(int(stamp["seconds"]) * 1_000_000 + int(stamp["micros"].ljust(6, "0")))
    dated = _DATED.search(text)
    return canonical.clean_text(dated["date"]) if dated else ""
