"""NVSentinel's health events in the vocabularies of its versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from estate.errors import BadInput
from estate.observations import EventType, Severity
from tests.payloads.conftest import Parse


def health(**over: Any) -> dict[str, Any]:
    """A fatal Xid 79 of device 0, as the GPU health monitor writes it; a value of `...` removes the field."""
    event = {
        "version": 1,
        "agent": "gpu-health-monitor",
        "componentClass": "GPU",
        "checkName": "GpuXidError",
        "isFatal": True,
        "isHealthy": False,
        "message": "XID error occurred",
        "recommendedAction": 15,
        "errorCode": ["79"],
        "entitiesImpacted": [{"entityType": "GPU", "entityValue": "0"}],
        "generatedTimestamp": "2026-11-21T08:00:00Z",
        "nodeName": "gpu-7",
    } | over
    return {k: v for k, v in event.items() if v is not ...}


def wrapped(event: dict[str, Any], **over: Any) -> dict[str, Any]:
    """The CloudEvent that NVSentinel's exporter makes of it."""
    return {
        "specversion": "1.0",
        "type": "com.nvidia.nvsentinel.health.v1",
        "source": "nvsentinel://prod-1/healthevents",
        "id": "e-1",
        "time": "2026-11-21T08:00:01Z",
        "data": {"metadata": {"cluster": "prod-1", "environment": "production"}, "healthEvent": event},
    } | over


def test_a_fatal_event_is_a_lost_accelerator(parse: Parse) -> None:
    (observed,) = parse("nvsentinel", health()).observations
    assert (observed.type, observed.severity) == (EventType.ACCELERATOR_FAILED, Severity.FATAL)
    assert (observed.code, observed.whereabouts.node_name, observed.whereabouts.gpu_index) == ("xid-79", "gpu-7", 0)
    assert observed.unknown_fields == 0


@pytest.mark.parametrize("action", [0, 15, 99, "RESTART_VM", "SOMETHING_NEW", ...])
def test_every_version_of_the_recommended_action_is_accepted(parse: Parse, action: object) -> None:
    assert len(parse("nvsentinel", health(recommendedAction=action)).observations) == 1


@pytest.mark.parametrize(
    ("codes", "check", "expected"),
    [
        (["79"], "GpuXidError", "xid-79"),
        (["XID_79"], "XidError", "xid-79"),
        (["XID_13", "XID_79"], "XidError", "xid-79"),
        ("79", "GpuXidError", "xid-79"),
        (79, "GpuXidError", "xid-79"),
        (["20034"], "SysLogsSXIDError", "sxid-20034"),
        (["DCGM_FR_VOLATILE_DBE_DETECTED"], "GpuMemWatch", "dcgm-fr-volatile-dbe-detected"),
        ([], "GpuThermalWatch", "nvsentinel-GpuThermalWatch"),
        (..., "GpuThermalWatch", "nvsentinel-GpuThermalWatch"),
    ],
)
def test_codes_come_into_one_vocabulary_and_the_worst_one_speaks(
    parse: Parse, codes: object, check: str, expected: str
) -> None:
    (observed,) = parse("nvsentinel", health(errorCode=codes, checkName=check)).observations
    assert observed.code == expected


def test_a_sender_that_does_not_call_it_fatal_does_not_get_a_fence(parse: Parse) -> None:
    (observed,) = parse("nvsentinel", health(isFatal=False)).observations
    assert (observed.type, observed.severity) == (EventType.ACCELERATOR_DEGRADED, Severity.CRITICAL)


def test_a_healthy_event_resolves(parse: Parse) -> None:
    (observed,) = parse("nvsentinel", health(isHealthy=True, isFatal=False, errorCode=[])).observations
    assert observed.resolved
    assert (observed.type, observed.severity) == (EventType.ACCELERATOR_RECOVERED, Severity.INFO)


def test_entities_describe_one_device_until_a_type_repeats(parse: Parse) -> None:
    entities = [
        {"entityType": "GPU", "entityValue": "0"},
        {"entityType": "GPU_UUID", "entityValue": "GPU-a"},
        {"entityType": "PCI", "entityValue": "0000:03:00"},
        {"entityType": "gpu", "entityValue": "1"},
        {"entityType": "PCI", "entityValue": "PCI:0000:B3:00.0"},
    ]
    first, second = parse("nvsentinel", health(entitiesImpacted=entities)).observations
    assert (first.whereabouts.gpu_uuid, first.whereabouts.pci_address) == ("GPU-a", "0000:03:00.0")
    assert (second.whereabouts.gpu_index, second.whereabouts.pci_address) == (1, "0000:b3:00.0")
    assert first.sender_id != second.sender_id


def test_an_event_in_a_cloudevent_takes_id_source_and_cluster_from_it(parse: Parse) -> None:
    for format in ("nvsentinel", "cloudevents"):
        (observed,) = parse(format, wrapped(health(generatedTimestamp=...))).observations
        assert (observed.sender_id, observed.source) == ("e-1", "nvsentinel://prod-1/healthevents")
        assert observed.whereabouts.cluster == "prod-1"
        assert observed.occurred_at is not None
        assert observed.occurred_at.isoformat() == "2026-11-21T08:00:01+00:00"


def test_a_derived_id_is_stable_and_tells_events_apart(parse: Parse) -> None:
    def sender(**over: Any) -> str:
        return parse("nvsentinel", health(**over)).observations[0].sender_id

    assert sender() == sender(message="reworded", recommendedAction="RESTART_BM")
    others = {sender(nodeName="gpu-8"), sender(isHealthy=True), sender(errorCode=["48"]), sender()}
    assert len(others) == 4


def test_unknown_fields_are_accepted_and_counted(parse: Parse) -> None:
    body = wrapped(health(novelty={"deep": [1]}, another=1), myextension="x")
    assert parse("cloudevents", body).observations[0].unknown_fields == 3


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"nodeName": ...}, "nodeName: required, and missing"),
        ({"nodeName": 7}, "nodeName: expected text, found a number"),
        ({"checkName": None}, "checkName: required, and missing"),
        ({"isFatal": "yes"}, "isFatal: expected true or false, found text"),
        ({"entitiesImpacted": {}}, "entitiesImpacted: expected a list"),
        ({"entitiesImpacted": ["GPU-0"]}, r"entitiesImpacted\.0: expected an object"),
        ({"errorCode": [True]}, "errorCode: `True` is not a code"),
        ({"generatedTimestamp": "noon"}, "generatedTimestamp: `noon` is not an RFC 3339 time"),
    ],
)
def test_a_refusal_names_the_field(parse: Parse, over: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse("nvsentinel", health(**over))


def test_a_list_loses_only_its_bad_members(parse: Parse) -> None:
    parsed = parse("nvsentinel", [health(), health(nodeName=...), wrapped(health())])
    assert len(parsed.observations) == 2
    assert [f.at for f in parsed.faults] == ["event 1"]


def test_every_collected_event_is_read(parse: Parse, cases: Path) -> None:
    read = 0
    for path in sorted((cases / "nvsentinel").rglob("*.json")):
        if "healthEvent" in (text := path.read_text()) or "checkName" in text:
            (observed,) = parse("nvsentinel", json.loads(text)).observations
            assert observed.resolved == ('"isHealthy": true' in text), path
            read += 1
    assert read >= 8
