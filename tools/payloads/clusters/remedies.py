"""Medik8s: who else repairs, fences or empties nodes. Two operators at one node are a danger to be seen."""

from __future__ import annotations

from estate import canonical
from tools.payloads import reading
from tools.payloads.clusters.sheets import Sheet, named
from tools.payloads.facts.statements import Attribute, Condition, Status


def remediation(sheet: Sheet, raw: reading.Fields) -> None:
    """A remediation of one node, which bears the node's name. Its condition `Processing` says whether it goes on."""
    sheet.conditions(sheet.subject, raw.within("status"))
    own = (f for f in sheet.facts if isinstance(f, Condition) and f.type == "Processing")
    going = next((f.status for f in own), Status.UNKNOWN)
    sheet.judge(sheet.node(sheet.name), "BeingRemediated", going, reason=sheet.kind)


def maintenance(sheet: Sheet, raw: reading.Fields) -> None:
    """A person emptied, or wants to empty, a node."""
    spec, status = raw.within("spec", required=True), raw.within("status")
    reason = canonical.clean_text(spec.text("reason", ""))
    sheet.judge(sheet.node(named(spec, "nodeName")), "UnderMaintenance", Status.TRUE, sheet.kind, reason)
    sheet.say(sheet.subject, Attribute.PHASE, reading.name(status.text("phase", "")))


def health_check(sheet: Sheet, raw: reading.Fields) -> None:
    """Which conditions of nodes are repaired after how long, and how many must stay healthy."""
    spec = raw.within("spec")
    least = spec.raw("minHealthy")
    sheet.say(sheet.subject, Attribute.REPAIRS_WHILE_HEALTHY, None if least is None else reading.shown(least))
    for number, item in enumerate(spec.items("unhealthyConditions")):
        check = reading.Fields(item, f"{spec.place('unhealthyConditions')}.{number}")
        part = sheet.subject.of(f"{reading.name(check.text('type'))}={reading.name(check.text('status'))}")
        sheet.say(part, Attribute.REPAIRS_AFTER, reading.name(check.text("duration", "")))
    sheet.conditions(sheet.subject, raw.within("status"))


def remediation_template(sheet: Sheet, raw: reading.Fields) -> None:
    """How a repair would be done: by which agent. Its parameters may hold passwords and are not looked at."""
    spec = raw.within("spec").within("template").within("spec")
    sheet.say(sheet.subject, Attribute.MODEL, reading.name(spec.text("agent", "")))
    sheet.say(sheet.subject, Attribute.STRATEGY, reading.name(spec.text("remediationStrategy", "")))
