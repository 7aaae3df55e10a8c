"""`dmidecode`: who made the machine, and the identity that its board has. Only the system's own section is read."""

from __future__ import annotations

import re
from uuid import UUID

from estate.errors import BadInput
from tools.payloads import contexts, reading
from tools.payloads.facts import mentions
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Attribute, Fact, Relation, Statement, Tie
from tools.payloads.parsed import Headers, Parsed

_FIELD = re.compile(r"\s+(?P<name>[A-Z][\w \-]{1,40}): (?P<value>.{1,253})")
_ATTRIBUTES = {
    "Manufacturer": Attribute.MANUFACTURER,
    "Product Name": Attribute.MODEL,
    "Serial Number": Attribute.SERIAL,
    "UUID": Attribute.SYSTEM_UUID,
}
_NOTHING = frozenset({"", "not specified", "to be filled by o.e.m.", "default string", "none", "0123456789"})
_NO_UUID = frozenset({0, 2**128 - 1})


def parse(body: bytes, headers: Headers) -> Parsed:
    """Maker, model, serial number and UUID of one machine, which `placet-host` names.

    Raises:
        BadInput: it holds no `System Information`, or names neither a host nor an identity.
    """
    context = contexts.of(headers, "dmidecode")
    said = _system(reading.decoded(body))
    uuid = _uuid(said.pop("UUID", ""))
    names = [Mention(MentionKind.SYSTEM_UUID, uuid)] if uuid else []
    names += [Mention(MentionKind.HOSTNAME, context.host)] if context.host else []
    if not names:
        raise BadInput(f"no UUID of the system and no host; send the header `{contexts.HOST}`")
    subject = names[0]
    facts: list[Fact] = [Relation(subject, Tie.SAME_AS, other, context.witness) for other in names[1:]]
    if uuid:
        facts.append(Statement(subject, Attribute.SYSTEM_UUID, uuid, context.witness))
    for name, value in said.items():
        facts.append(Statement(subject, _ATTRIBUTES[name], value, context.witness))
    if serial := said.get("Serial Number"):
        known = mentions.serial(said.get("Manufacturer", ""), serial)
        facts.append(Relation(subject, Tie.SAME_AS, known, context.witness))
    return Parsed(facts=tuple(facts))


def _system(text: str) -> dict[str, str]:
    _, found, section = text.partition("\nSystem Information\n")
    if not found:
        raise BadInput("no section `System Information`; send the output of `dmidecode`")
    said: dict[str, str] = {}
    for row in section.partition("\n\n")[0].splitlines():
        if (field := _FIELD.fullmatch(row)) and field["name"] in _ATTRIBUTES:
            value = reading.name(field["value"])
            if value.lower() not in _NOTHING:
                said.setdefault(field["name"], value)
    return said


def _uuid(text: str) -> str:
    try:
        found = UUID(text)
    except ValueError:
        return ""
    return "" if found.int in _NO_UUID else str(found)
