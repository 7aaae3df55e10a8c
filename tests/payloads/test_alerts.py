"""Alertmanager's webhooks, version 4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from estate.errors import BadInput
from estate.observations import EventType, Severity
from tests.payloads.conftest import Parse


def alert(labels: dict[str, Any] | None = None, **over: Any) -> dict[str, Any]:
    """A firing node alert; a value of `...` removes the field."""
    fields: dict[str, Any] = {
        "status": "firing",
        "labels": {"alertname": "KubeNodeNotReady", "severity": "warning", "node": "gpu-7"} | (labels or {}),
        "annotations": {"summary": "gpu-7 has been unready"},
        "startsAt": "2026-11-21T08:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": "980dcf8459295136",
    }
    return {k: v for k, v in (fields | over).items() if v is not ...}


def webhook(*alerts: object, **over: Any) -> dict[str, Any]:
    """A group of alerts as Alertmanager posts it."""
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "placet",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": list(alerts),
    } | over


def test_an_alert_keeps_its_name_place_and_words(parse: Parse) -> None:
    (observed,) = parse("alertmanager", webhook(alert())).observations
    assert (observed.type, observed.severity) == (EventType.NODE_FAILED, Severity.WARNING)
    assert (observed.code, observed.message) == ("alert-KubeNodeNotReady", "gpu-7 has been unready")
    assert observed.whereabouts.node_name == "gpu-7"
    assert observed.unknown_fields == 0
    assert not observed.resolved


def test_a_repeat_is_the_same_event_and_its_end_another(parse: Parse) -> None:
    def sender(**over: Any) -> str:
        return parse("alertmanager", webhook(alert(**over))).observations[0].sender_id

    assert sender() == sender(annotations={"summary": "reworded"})
    ended = {"status": "resolved", "endsAt": "2026-11-21T09:00:00Z"}
    assert len({sender(), sender(**ended), sender(startsAt="2026-11-21T08:30:00Z")}) == 3


def test_the_end_of_an_alert_resolves_and_carries_its_own_time(parse: Parse) -> None:
    (observed,) = parse("alertmanager", webhook(alert(status="resolved", endsAt="2026-11-21T09:00:00Z"))).observations
    assert observed.resolved
    assert observed.occurred_at is not None
    assert observed.occurred_at.isoformat() == "2026-11-21T09:00:00+00:00"


def test_a_missing_fingerprint_is_derived_from_the_labels(parse: Parse) -> None:
    first, second, other = (
        parse("alertmanager", webhook(alert(labels, fingerprint=...))).observations[0].sender_id
        for labels in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}, {"a": "2"})
    )
    assert first == second != other


@pytest.mark.parametrize(
    ("labels", "field", "expected"),
    [
        ({"node": "n1", "instance": "n2:9100"}, "node_name", "n1"),
        ({"node": ..., "instance": "n2:9100"}, "node_name", "n2"),
        ({"node": ..., "Hostname": "n3", "instance": "10.0.0.1:9400"}, "node_name", "n3"),
        ({"node": ..., "instance": "10.0.0.1:9400"}, "node_name", ""),
        ({"gpu": "3"}, "gpu_index", 3),
        ({"gpu": "nvidia0"}, "gpu_index", None),
        ({"UUID": "GPU-1"}, "gpu_uuid", "GPU-1"),
        ({"uuid": "a pod's uid"}, "gpu_uuid", ""),
        ({"pci_bus_id": "00000000:B3:00.0"}, "pci_address", "0000:b3:00.0"),
        ({"namespace": "monitoring", "exported_namespace": "team-a"}, "namespace", "team-a"),
        ({"pod": "dcgm", "exported_pod": "train-0"}, "pod", "train-0"),
        ({"deployment": "serve"}, "workload", "serve"),
        ({"cluster": "eu-1"}, "cluster", "eu-1"),
        ({"rack": "a7"}, "rack", "a7"),
    ],
)
def test_labels_say_where(parse: Parse, labels: dict[str, Any], field: str, expected: object) -> None:
    given = alert(labels)
    given["labels"] = {k: v for k, v in given["labels"].items() if v is not ...}
    (observed,) = parse("alertmanager", webhook(given)).observations
    assert getattr(observed.whereabouts, field) == expected


@pytest.mark.parametrize(
    ("alertname", "type_"),
    [
        ("GPUFallenOffBus", EventType.ACCELERATOR_FAILED),
        ("GpuXidErrors", EventType.ACCELERATOR_DEGRADED),
        ("DCGMExporterDown", EventType.ALERT_FIRED),
        ("NVLinkReplayErrors", EventType.LINK_DEGRADED),
        ("RackPowerAboveBudget", EventType.POWER_EXCEEDED),
        ("GPUTemperatureHigh", EventType.COOLING_DEGRADED),
        ("KubeCPUOvercommit", EventType.CAPACITY_PRESSURE),
        ("NodeFilesystemAlmostOutOfSpace", EventType.NODE_DEGRADED),
        ("InferenceLatencyHigh", EventType.ALERT_FIRED),
    ],
)
def test_the_name_of_an_alert_decides_the_fact(parse: Parse, alertname: str, type_: EventType) -> None:
    (observed,) = parse("alertmanager", webhook(alert({"alertname": alertname}))).observations
    assert observed.type is type_


@pytest.mark.parametrize(
    ("label", "severity"),
    [
        ("critical", Severity.CRITICAL),
        ("Page", Severity.CRITICAL),
        ("info", Severity.INFO),
        ("fatal", Severity.FATAL),
        ("puce", Severity.WARNING),
    ],
)
def test_severities_of_many_senders_come_onto_one_scale(parse: Parse, label: str, severity: Severity) -> None:
    assert parse("alertmanager", webhook(alert({"severity": label}))).observations[0].severity is severity


def test_an_xid_in_a_label_is_the_code(parse: Parse) -> None:
    assert parse("alertmanager", webhook(alert({"xid": "79"}))).observations[0].code == "xid-79"


def test_a_group_loses_only_its_bad_alerts(parse: Parse) -> None:
    bad = [alert(status="maybe"), alert(labels={"alertname": ""}), "text", alert(startsAt=7)]
    parsed = parse("alertmanager", webhook(alert(), *bad))
    assert len(parsed.observations) == 1
    assert [f.at for f in parsed.faults] == ["alerts.1", "alerts.2", "alerts.3", "alerts.4"]


def test_alerts_that_the_sender_cut_off_are_not_silent(parse: Parse) -> None:
    (fault,) = parse("alertmanager", webhook(alert(), truncatedAlerts=12)).faults
    assert "12 alerts" in fault.reason


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (webhook(version="3"), "version: `3` is not known"),
        (webhook(alerts=None), "alerts: required"),
        ([], "expected an object"),
        (webhook(alert(labels=None, status=...)), r"alerts\.0\.status: required"),
    ],
)
def test_a_body_that_is_no_webhook_is_refused_by_name(parse: Parse, body: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse("alertmanager", body)


def test_unknown_fields_are_counted_and_labels_are_not(parse: Parse) -> None:
    body = webhook(alert({"anything": "goes"}, novelty=1), another=2)
    assert parse("alertmanager", body).observations[0].unknown_fields == 2


def test_every_collected_webhook_is_read(parse: Parse, cases: Path) -> None:
    paths = sorted((cases / "alertmanager").rglob("*.json"))
    assert paths
    for path in paths:
        parsed = parse("alertmanager", path.read_bytes())
        assert parsed.observations, path
        assert parsed.faults == (), path
