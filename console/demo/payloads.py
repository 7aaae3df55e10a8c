"""The demo's senders: bodies as the kernel, NVSentinel and Alertmanager write them, for one lost accelerator."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from estate import canonical
from estate.hardware import Accelerator, Node

MANY_ALERTS = (
    ("KubeNodeNotReady", "warning", "{node} has been unready for more than 15 minutes."),
    ("GPUFallenOffBus", "critical", "DCGM lost GPU {index} of {node}."),
    ("KubePodNotReady", "warning", "Pod has been in a non-ready state for longer than 15 minutes."),
    ("InferenceLatencyHigh", "warning", "p99 time to first token is above its objective."),
    ("DCGMExporterDown", "warning", "No DCGM metrics from {node} for 5 minutes."),
    ("NodeHighNumberConntrackEntriesUsed", "info", "{node} is close to its conntrack limit."),
)


def kernel_line(node: Node, device: Accelerator, at: datetime) -> bytes:
    """`dmesg -x` style JSON of a log shipper: host, boot and the line that the NVIDIA driver wrote."""
    slot = device.pci_address.rsplit(".", 1)[0]
    text = f"[6781741.548779] NVRM: Xid (PCI:{slot}): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."
    return json.dumps(
        {"host": node.name, "boot_id": node.boot_id, "lines": [{"at": at.isoformat(), "text": text}]}
    ).encode()


def health_event(node: Node, device: Accelerator, at: datetime) -> bytes:
    """NVSentinel's CloudEvent for the same loss, as its event exporter sends it."""
    event = {
        "version": 1,
        "agent": "gpu-health-monitor",
        "componentClass": "GPU",
        "checkName": "GpuXidError",
        "isFatal": True,
        "isHealthy": False,
        "message": "XID error 79: GPU has fallen off the bus",
        "recommendedAction": "RESTART_BM",
        "errorCode": ["79"],
        "entitiesImpacted": [
            {"entityType": "GPU", "entityValue": str(device.index)},
            {"entityType": "PCI", "entityValue": device.pci_address.rsplit(".", 1)[0]},
        ],
        "generatedTimestamp": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "nodeName": node.name,
    }
    return json.dumps(
        {
            "specversion": "1.0",
            "type": "com.nvidia.nvsentinel.health.v1",
            "source": f"nvsentinel://{node.cluster}/healthevents",
            "id": f"nvs-{node.name}-79",
            "time": event["generatedTimestamp"],
            "data": {"metadata": {"cluster": node.cluster}, "healthEvent": event},
        }
    ).encode()


def alert_bursts(node: Node, device: Accelerator, at: datetime, webhooks: int = 8) -> list[bytes]:
    """The burst that follows: Alertmanager webhooks (version 4), each with all that one lost device sets off."""
    return [_webhook(node, device, at, number) for number in range(webhooks)]


def _webhook(node: Node, device: Accelerator, at: datetime, number: int) -> bytes:
    alerts = [_alert(node, device, at, number, row) for row in MANY_ALERTS]
    return json.dumps(
        {
            "version": "4",
            "groupKey": f'{{}}:{{node="{node.name}"}}/{number}',
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "placet",
            "groupLabels": {"node": node.name},
            "commonLabels": {"node": node.name, "cluster": node.cluster},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager:9093",
            "alerts": alerts,
        }
    ).encode()


def _alert(node: Node, device: Accelerator, at: datetime, number: int, row: tuple[str, str, str]) -> dict[str, object]:
    name, severity, summary = row
    return {
        "status": "firing",
        "labels": {
            "alertname": name,
            "severity": severity,
            "node": node.name,
            "cluster": node.cluster,
            "gpu": str(device.index),
            "shard": str(number),
            "job": "kube-state-metrics",
        },
        "annotations": {"summary": summary.format(node=node.name, index=device.index)},
        "startsAt": at.isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": canonical.digest(f"{name}/{number}".encode())[-16:],
    }
