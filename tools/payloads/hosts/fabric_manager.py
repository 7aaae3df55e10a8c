"""NVIDIA fabric manager's log: what it says of NVSwitches and of partitions. Its errors are events.

A line begins with `[date] [LEVEL] [tid …]`; lines that do not, continue the one before. The date is the host's local
time without its zone, so an event has no time of its own and the date is a part of its identity only.
"""

from __future__ import annotations

import re

from estate import canonical
from estate.errors import BadInput
from estate.observations import EventType, Observation, Severity, Whereabouts
from tools.payloads import contexts, reading
from tools.payloads.contexts import Context
from tools.payloads.parsed import Headers, Item, Parsed, gather

MOST_LINES = 20_000
_LINE = re.compile(
    r"\[(?P<date>\w{3} [ \d]\d \d{4} \d\d:\d\d:\d\d)\] \[(?P<level>[A-Z]{1,10})\] \[tid \d{1,10}\] (?P<text>.*)",
    re.ASCII,
)
_SWITCH = re.compile(
    r"detected NVSwitch (?P<grade>non-fatal|fatal) error (?P<code>\d{1,6}) on (?:.*? )?NVSwitch pci bus id "
    r"(?P<pci>[0-9a-fA-F:.]{7,20})(?P<rest>.*)",
    re.ASCII,
)
_BAD = frozenset({"ERROR", "CRITICAL", "FATAL"})


def parse(body: bytes, headers: Headers) -> Parsed:
    """The errors of a log; ordinary lines are ignored and counted.

    Raises:
        BadInput: no host is named, or no line is one of fabric manager.
    """
    context = contexts.of(headers, "fabric-manager")
    if not context.host:
        raise BadInput(f"no host; send the header `{contexts.HOST}`")
    rows = reading.decoded(body).splitlines()
    if len(rows) > MOST_LINES:
        raise BadInput(f"{len(rows)} lines in one body; send at most {MOST_LINES}")
    lines = [found for row in rows if (found := _LINE.fullmatch(row.strip()))]
    if not lines:
        raise BadInput("no line begins as fabric manager's do: `[Feb 25 2025 13:59:45] [INFO] [tid 1808] …`")
    return gather([_item(line, context) for line in lines])


def _item(line: re.Match[str], context: Context) -> Item:
    switch = _SWITCH.search(line["text"])
    if switch is None and line["level"] not in _BAD:
        return None
    text = canonical.clean_text(line["text"])
    return Observation(
        type=EventType.LINK_DEGRADED,
        severity=Severity.FATAL if switch and switch["grade"] == "fatal" else Severity.WARNING,
        source=f"fabric-manager/{context.host}",
        sender_id=canonical.digest_of([context.host, line["date"], text]),
        occurred_at=None,
        whereabouts=Whereabouts(cluster=context.cluster, node_name=context.host),
        code=f"sxid-{int(switch['code'])}" if switch else "fabric-manager-error",
        message=text,
    )
