"""CloudEvents in their three modes, and our own event types as data."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from estate.errors import BadInput
from estate.observations import EventType, Severity
from tests.payloads.conftest import Parse

DATA = {
    "severity": "critical",
    "code": "psu-2",
    "message": "feed b is gone",
    "whereabouts": {"rack": "eu-a", "gpu_index": 3, "pci_address": "PCI:0000:B3:00"},
}


def event(**over: Any) -> dict[str, Any]:
    """A structured event of our own vocabulary; a value of `...` removes the attribute."""
    fields: dict[str, Any] = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "facility/eu-de",
        "type": "placet.power.exceeded.v1",
        "time": "2026-11-21T08:00:00Z",
        "data": DATA,
    }
    return {k: v for k, v in (fields | over).items() if v is not ...}


def test_structured_and_binary_say_the_same(parse: Parse) -> None:
    headers = {
        "Ce-Specversion": "1.0",
        "ce-id": "e-1",
        "ce-source": "facility%2Feu-de",
        "ce-type": "placet.power.exceeded.v1",
        "CE-time": "2026-11-21T08:00:00Z",
        "Content-Type": "application/json",
    }
    structured, binary = parse("cloudevents", event()), parse("cloudevents", DATA, headers)
    assert structured == binary
    (observed,) = structured.observations
    assert (observed.type, observed.severity) == (EventType.POWER_EXCEEDED, Severity.CRITICAL)
    assert (observed.source, observed.sender_id, observed.code) == ("facility/eu-de", "e-1", "psu-2")
    assert (observed.whereabouts.rack, observed.whereabouts.gpu_index) == ("eu-a", 3)
    assert observed.whereabouts.pci_address == "0000:b3:00.0"


@pytest.mark.parametrize(
    "carried",
    [
        {"data": json.dumps(DATA)},
        {"data": ..., "data_base64": base64.b64encode(json.dumps(DATA).encode()).decode()},
        {"datacontenttype": "application/vnd.facility+json; charset=utf-8"},
    ],
)
def test_data_may_be_text_or_base64(parse: Parse, carried: dict[str, Any]) -> None:
    assert parse("cloudevents", event(**carried)) == parse("cloudevents", event())


def test_a_batch_loses_only_its_bad_events(parse: Parse) -> None:
    parsed = parse("cloudevents", [event(), event(id=...), event(type="com.example.odd"), event(id="e-2")])
    assert [o.sender_id for o in parsed.observations] == ["e-1", "e-2"]
    assert [f.at for f in parsed.faults] == ["event 1", "event 2"]


@pytest.mark.parametrize("type_", sorted(EventType))
def test_every_type_of_ours_is_read_save_those_of_people(parse: Parse, type_: EventType) -> None:
    """A request or proposal must be a signed command: no sender of events may speak for a person."""
    body = event(type=f"placet.{type_.value}.v1", data={})
    if type_ in {EventType.REQUEST_RECEIVED, EventType.PROPOSAL_RECEIVED}:
        with pytest.raises(BadInput, match="is not known"):
            parse("cloudevents", body)
    else:
        assert parse("cloudevents", body).observations[0].type is type_


def test_extensions_and_unknown_data_are_counted(parse: Parse) -> None:
    data = DATA | {"novelty": 1, "whereabouts": {"rack": "eu-a", "aisle": "7"}}
    body = event(data=data, comexampleextension1="value", subject=None, dataschema="urn:x")
    assert parse("cloudevents", body).observations[0].unknown_fields == 3


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"specversion": ...}, "specversion: required"),
        ({"specversion": "0.3"}, "specversion: `0.3` is not known"),
        ({"id": ""}, "id: required, and empty"),
        ({"source": 7}, "source: expected text"),
        ({"type": "com.example.someevent"}, "type: `com.example.someevent` is not known"),
        ({"data": "just a text"}, "data: expected an object, found text"),
        ({"data": ...}, "data: expected an object, found null"),
        ({"data": ..., "data_base64": "%%%"}, "data_base64: not base64"),
        ({"data_base64": "e30="}, "send one of them"),
        ({"datacontenttype": "application/xml"}, "`application/xml` is not read"),
        ({"data": {"severity": "purple"}}, "severity: `purple` is none of"),
        ({"data": {"whereabouts": {"rack": 7}}}, r"whereabouts\.rack: expected text"),
        ({"time": "9999-12-31T23:59:59-14:00"}, "is not an RFC 3339 time"),
        ({"time": "0000-99-99"}, "time: `0000-99-99` is not an RFC 3339 time"),
    ],
)
def test_a_refusal_names_the_attribute(parse: Parse, over: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse("cloudevents", event(**over))


def test_the_specification_s_own_examples_are_refused_for_their_type_only(parse: Parse, cases: Path) -> None:
    """Their envelopes are valid: the only reason left is that nobody here reads `com.example…` or their media types."""
    paths = sorted((cases / "cloudevents").glob("*.json"))
    assert paths
    for path in paths:
        with pytest.raises(BadInput, match=r"is not known|is not read|not base64"):
            parse("cloudevents", path.read_bytes())
    head, _, body = (cases / "cloudevents" / "http_binary_mode.txt").read_text().partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines())
    with pytest.raises(BadInput, match=r"`com\.example\.someevent` is not known"):
        parse("cloudevents", body.encode(), headers)
