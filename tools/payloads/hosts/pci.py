"""`lspci -nn`: which devices a machine has on its PCI buses, by class and by vendor's id."""

from __future__ import annotations

import re

from estate.errors import BadInput
from tools.payloads import contexts, reading
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Attribute, Fact, Statement
from tools.payloads.parsed import Fault, Headers, Parsed

MOST_LINES = 20_000
_DEVICE = re.compile(
    r"(?P<address>(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) (?P<kind>[\w /\-,]{1,80}) "
    r"\[[0-9a-f]{4}\]: (?P<model>.{1,300}?) \[(?P<id>[0-9a-f]{4}:[0-9a-f]{4})\]"
    r"(?: \(rev [0-9a-f]{2}\))?(?: \(prog-if .{1,60}\))?",
    re.ASCII,
)


def parse(body: bytes, headers: Headers) -> Parsed:
    """The devices of one machine.

    Raises:
        BadInput: no host is named, or no line is a device.
    """
    context = contexts.of(headers, "lspci")
    if not context.host:
        raise BadInput(f"no host; send the header `{contexts.HOST}`")
    rows = reading.decoded(body).splitlines()
    if len(rows) > MOST_LINES:
        raise BadInput(f"{len(rows)} lines in one body; send at most {MOST_LINES}")
    facts: list[Fact] = []
    faults: list[Fault] = []
    for number, row in enumerate(rows, start=1):
        found = _DEVICE.fullmatch(row.strip())
        if found is None:
            if row.strip():
                faults.append(Fault(f"line {number}", f"`{reading.shown(row)}` is not a device of `lspci -nn`"))
            continue
        address = found["address"] if found["address"].count(":") == 2 else f"0000:{found['address']}"
        subject = Mention(MentionKind.PCI_ADDRESS, reading.pci_address(address) or address, context.host)
        facts.append(Statement(subject, Attribute.DEVICE_KIND, found["kind"], context.witness))
        facts.append(Statement(subject, Attribute.MODEL, reading.name(found["model"]), context.witness))
        facts.append(Statement(subject, Attribute.PCI_ID, found["id"], context.witness))
    if not facts:
        raise BadInput("; ".join(str(f) for f in faults[:3]) or "no line is a device of `lspci -nn`")
    return Parsed(faults=tuple(faults[:100]), facts=tuple(facts))
