"""A cloud takes an instance back: AWS' events and instance metadata, Azure's scheduled events.

Each is a fact with its deadline, and an event: whoever runs there has minutes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from estate import canonical
from estate.errors import BadInput
from estate.observations import EventType, Observation, Severity, Whereabouts
from tools.payloads import reading
from tools.payloads.contexts import Context
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Notice

_AWS_ACTIONS = {
    "EC2 Spot Instance Interruption Warning": "",
    "EC2 Instance Rebalance Recommendation": "rebalance",
}
_AHEAD = timedelta(minutes=2)
_AZURE = {"Preempt": "preempt", "Terminate": "terminate"}


def aws_event(raw: reading.Fields, context: Context) -> list[Notice]:
    """An EventBridge event of EC2. A warning comes two minutes ahead; a recommendation is never due."""
    kind = raw.text("detail-type")
    if kind not in _AWS_ACTIONS:
        raise BadInput(f"detail-type: `{reading.shown(kind)}` is no notice that takes an instance back")
    detail = raw.within("detail", required=True)
    action = _AWS_ACTIONS[kind] or reading.name(detail.text("instance-action"))
    subject = Mention(MentionKind.PROVIDER_ID, reading.name(detail.text("instance-id")), "aws")
    warned = raw.time("time") if not _AWS_ACTIONS[kind] else None
    return [Notice(subject, action, warned + _AHEAD if warned else None, context.witness)]


def aws_metadata(raw: reading.Fields, context: Context) -> list[Notice]:
    """`/latest/meta-data/spot/instance-action` of the instance that `placet-host` names."""
    if not context.host:
        raise BadInput("no host; send the header `placet-host`")
    subject = Mention(MentionKind.HOSTNAME, context.host)
    return [Notice(subject, reading.name(raw.text("action")), raw.time("time"), context.witness)]


def azure_events(raw: reading.Fields, context: Context) -> list[Notice]:
    """`/metadata/scheduledevents`: those that take a machine back. Reboots and freezes are ignored."""
    found = []
    for number, item in enumerate(raw.items("Events")):
        event = reading.Fields(item, f"Events.{number}")
        action = _AZURE.get(event.text("EventType"))
        if action is None:
            continue
        due = _due(event.text("NotBefore", ""), event.place("NotBefore"))
        for name in event.items("Resources"):
            if not isinstance(name, str):
                raise BadInput(f"{event.place('Resources')}: expected names")
            found.append(Notice(Mention(MentionKind.HOSTNAME, reading.name(name)), action, due, context.witness))
    return found


def observed(notice: Notice, context: Context) -> Observation:
    """The event that a notice is. A recommendation warns, everything else is critical."""
    mild = notice.action == "rebalance"
    named = notice.subject.value if notice.subject.kind is MentionKind.HOSTNAME else ""
    due = notice.due.isoformat() if notice.due else "unknown"
    return Observation(
        type=EventType.NODE_DEGRADED,
        severity=Severity.WARNING if mild else Severity.CRITICAL,
        source=f"cloud/{notice.subject.scope or context.source}",
        sender_id=canonical.digest_of([str(notice.subject), notice.action, due]),
        occurred_at=None,
        whereabouts=Whereabouts(cluster=context.cluster, node_name=named),
        code=f"spot-{notice.action}",
        message=canonical.clean_text(f"{notice.subject.value}: {notice.action}, due {due}"),
    )


def _due(text: str, at: str) -> datetime | None:
    """Azure writes RFC 1123 dates, and nothing once the event has started."""
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return reading.time(text, at)
