"""Alertmanager webhooks, version 4: one observation for each alert of the group.

The id of an alert is `fingerprint@startsAt` and its status: Alertmanager repeats a firing alert for as long as it
fires, and its resolution is another fact. Labels are an open map and never count as unknown fields.
"""

from __future__ import annotations

import re
from datetime import datetime

from estate import canonical
from estate.errors import BadInput
from estate.observations import EventType, Observation, Severity, Whereabouts
from tools.payloads import reading
from tools.payloads.parsed import Fault, Headers, Item, Parsed, gather

MOST_ALERTS = 2_000

_UNUSED = ("groupKey", "receiver", "groupLabels", "commonLabels", "commonAnnotations", "externalURL", "status")
_NODE = ("node", "kubernetes_node", "Hostname", "hostname", "nodename", "host", "instance")
_SEVERITIES = {
    "fatal": Severity.FATAL,
    "emergency": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "critical": Severity.CRITICAL,
    "error": Severity.CRITICAL,
    "high": Severity.CRITICAL,
    "info": Severity.INFO,
    "low": Severity.INFO,
    "none": Severity.INFO,
}
"""What people write into the label `severity`; anything else is a warning."""

_TYPES = (
    (r"exporter|watchdog|deadman", EventType.ALERT_FIRED),
    (r"(gpu|accelerator).*(fallenoff|lost|failed|missing)", EventType.ACCELERATOR_FAILED),
    (r"nvlink|nvswitch|infiniband|rdma|link(down|flap|error)", EventType.LINK_DEGRADED),
    (r"power|watt|pdu", EventType.POWER_EXCEEDED),
    (r"temperature|thermal|cooling|overheat", EventType.COOLING_DEGRADED),
    (r"gpu|dcgm|xid|nvidia|accelerator", EventType.ACCELERATOR_DEGRADED),
    (r"node(notready|unreachable|down)", EventType.NODE_FAILED),
    (r"^(kube)?node", EventType.NODE_DEGRADED),
    (r"overcommit|quota|unschedulable|podspending|capacity", EventType.CAPACITY_PRESSURE),
)
"""Words of an alert's name, first match first; an alert of any other name is just an alert."""


def parse(body: bytes, headers: Headers) -> Parsed:
    """The alerts of a webhook; `headers` say nothing here. Alerts that the sender cut off are a fault.

    Raises:
        BadInput: the body is not a version 4 webhook, or not one of its alerts can be read.
    """
    fields = reading.Fields(reading.load(body), "")
    if (version := fields.text("version")) != "4":
        raise BadInput(f"version: `{reading.shown(version)}` is not known; send version 4")
    alerts = fields.items("alerts", required=True)
    if len(alerts) > MOST_ALERTS:
        raise BadInput(f"alerts: {len(alerts)} in one body; send at most {MOST_ALERTS} (`max_alerts`)")
    fields.knows(*_UNUSED)
    cut = fields.number("truncatedAlerts", 0)
    items = [_item(alert, f"alerts.{number}", fields.unknown) for number, alert in enumerate(alerts)]
    if cut > 0:
        items.append(Fault("truncatedAlerts", f"the sender left out {min(cut, 10**9)} alerts; raise its `max_alerts`"))
    return gather(items)


def _item(alert: object, at: str, unknown: int) -> Item:
    try:
        return _observed(reading.Fields(alert, at), unknown)
    except BadInput as error:
        return Fault(at, str(error))


def _observed(alert: reading.Fields, unknown: int) -> Observation:
    labels = alert.within("labels", required=True).texts()
    alertname = _alertname(labels, alert)
    status = alert.text("status")
    if status not in {"firing", "resolved"}:
        raise BadInput(f"{alert.place('status')}: `{reading.shown(status)}` is neither firing nor resolved")
    starts, ends = alert.time("startsAt"), alert.time("endsAt")
    annotations = alert.within("annotations").texts()
    identity = _identity(alert.text("fingerprint", ""), labels, starts, status)
    alert.knows("generatorURL")
    severity = _SEVERITIES.get(labels.get("severity", "").lower(), Severity.WARNING)
    return Observation(
        type=_type(alertname),
        severity=severity,
        source=reading.name(f"alertmanager/{labels.get('cluster', '')}".rstrip("/")),
        sender_id=identity,
        occurred_at=ends if status == "resolved" and ends else starts,
        whereabouts=_whereabouts(labels),
        code=_code(alertname, labels),
        message=canonical.clean_text(annotations.get("summary") or annotations.get("description") or alertname),
        resolved=status == "resolved",
        unknown_fields=unknown + alert.unknown,
    )


def _alertname(labels: dict[str, str], alert: reading.Fields) -> str:
    if not (found := reading.name(labels.get("alertname", ""))):
        raise BadInput(f"{alert.place('labels.alertname')}: required, and missing")
    return found


def _identity(fingerprint: str, labels: dict[str, str], starts: datetime | None, status: str) -> str:
    """Alertmanager's fingerprint is a digest of the labels; where it is missing, ours is one too."""
    known = fingerprint or canonical.digest(repr(sorted(labels.items())).encode("utf-8", "surrogatepass"))
    return reading.sender_id(f"{known}@{starts.isoformat() if starts else 'unknown'}/{status}")


def _type(alertname: str) -> EventType:
    name = alertname.lower().replace("_", "").replace("-", "")
    return next((t for words, t in _TYPES if re.search(words, name)), EventType.ALERT_FIRED)


def _code(alertname: str, labels: dict[str, str]) -> str:
    xid = reading.index(labels.get("xid", labels.get("err_code", "")))
    return f"xid-{xid}" if xid else f"alert-{alertname}"


def _whereabouts(labels: dict[str, str]) -> Whereabouts:
    return Whereabouts(
        cluster=reading.pick(labels, ("cluster", "k8s_cluster")),
        node_name=reading.host(reading.pick(labels, _NODE, lambda value: bool(reading.host(value)))),
        gpu_uuid=reading.pick(labels, ("gpu_uuid", "UUID", "uuid"), lambda value: value.startswith(("GPU-", "MIG-"))),
        gpu_index=reading.index(reading.pick(labels, ("gpu", "gpu_id", "GPU", "minor_number"))),
        pci_address=reading.pci_address(reading.pick(labels, ("pci_bus_id", "pci_address", "pci"))) or "",
        namespace=reading.pick(labels, ("exported_namespace", "namespace")),
        workload=reading.pick(labels, ("workload", "deployment", "statefulset", "daemonset", "job_name")),
        pod=reading.pick(labels, ("exported_pod", "pod")),
        site=reading.pick(labels, ("site", "datacenter")),
        rack=reading.pick(labels, ("rack",)),
    )
