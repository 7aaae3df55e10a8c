"""Kubernetes events that node watchers write: node-problem-detector's and EKS's monitors', as observations.

Other events are ignored: a pod's troubles reach Placet as its workload's, not line by line.
"""

from __future__ import annotations

import re

from estate import canonical
from estate.observations import EventType, Observation, Severity, Whereabouts
from tools.payloads import reading, xids
from tools.payloads.clusters.sheets import Sheet, maybe

_WATCHERS = re.compile(r"(?:[\w\-]+-)?(?:monitor|problem-detector|monitoring-agent)", re.ASCII)
_XID = re.compile(r"\bxid(?: \(PCI:[^)]{1,20}\))?[\s:=]{0,3}(\d{1,4})\b", re.IGNORECASE | re.ASCII)
"""As monitors write it, and as the driver's own line does."""


def event(sheet: Sheet, raw: reading.Fields) -> None:
    """One event, of `v1` or of `events.k8s.io/v1`."""
    regarding = raw.within("regarding" if raw.has("regarding") else "involvedObject")
    watcher = raw.text("reportingController", "") or raw.text("reportingComponent", "")
    watcher = watcher or raw.within("source").text("component", "")
    if regarding.text("kind", "") != "Node" or _WATCHERS.fullmatch(watcher) is None:
        return
    reason = reading.name(raw.text("reason"))
    message = canonical.clean_text(raw.text("note", "") or raw.text("message", ""))
    severity, type_, code = _meaning(raw.text("type", "Normal"), reason, message)
    at = raw.time("eventTime") or raw.time("lastTimestamp") or raw.time("firstTimestamp")
    node = maybe(regarding, "name")
    sheet.observations.append(
        Observation(
            type=type_,
            severity=severity,
            source=reading.name(f"{watcher}/{node}"),
            sender_id=canonical.digest_of(
                [sheet.context.cluster, sheet.namespace, sheet.name, at.isoformat() if at else ""]
            ),
            occurred_at=at,
            whereabouts=Whereabouts(cluster=sheet.context.cluster, node_name=node),
            code=code,
            message=message or reason,
        )
    )


def _meaning(type: str, reason: str, message: str) -> tuple[Severity, EventType, str]:
    """An Xid in the text goes by our table, but never fences: the device is not named. Else Warning or not."""
    if found := _XID.search(message):
        meaning = xids.meaning(int(found[1]), message)
        severity = Severity.CRITICAL if meaning.severity is Severity.FATAL else meaning.severity
        return severity, EventType.NODE_DEGRADED, f"xid-{int(found[1])}"
    severity = Severity.WARNING if type == "Warning" else Severity.INFO
    return severity, EventType.NODE_DEGRADED, f"npd-{reason}"
