"""Nodes: what they call themselves, what their labels say, and every condition, node-problem-detector's among them."""

from __future__ import annotations

from uuid import UUID

from tools.payloads import reading
from tools.payloads.clusters import features
from tools.payloads.clusters.sheets import Sheet, labels
from tools.payloads.facts import mentions
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Attribute, Condition, Status, Tie

_WELL = ("Ready", "Healthy", "Available", "Succeeded", "Valid", "Established")
"""How the types of conditions end that are good when they are true; any other one of a node tells of a problem."""


def node(sheet: Sheet, raw: reading.Fields) -> None:
    """One node of a cluster."""
    subject = sheet.node(sheet.name)
    features.read(sheet, subject, labels(raw.within("metadata"), "labels"))
    if provider := reading.name(raw.within("spec").text("providerID", "")):
        sheet.tie(subject, Tie.SAME_AS, mentions.provider(provider))
    status = raw.within("status")
    about = status.within("nodeInfo")
    if uuid := _uuid(about.text("systemUUID", "")):
        sheet.tie(subject, Tie.SAME_AS, Mention(MentionKind.SYSTEM_UUID, uuid))
    sheet.say(subject, Attribute.VERSION, reading.name(about.text("kubeletVersion", "")))
    sheet.conditions(subject, status)


def ails(condition: Condition) -> bool:
    """Whether a node's condition tells of something wrong. Unknown is wrong where true would be well."""
    if condition.type.endswith(_WELL):
        return condition.status is not Status.TRUE
    return condition.status is Status.TRUE


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
