"""Hostile and broken input at the HTTP door and on NATS: handled, or a dead letter that says why; the worker lives.

After every input the same system must still handle a good event of both transports.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from agents.intake.receiving import RECEIVED_AT
from console.demo import payloads
from estate.events import event_id
from estate.ids import NodeId
from tests.system.composed import ALERTS, KERNEL, Composed, found, until
from tools.bus import accounts, streams
from tools.bus.port import MAX_EVENT_BYTES, NotAllowed, TooLarge

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("system-1")]

CLOUD_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "type": "placet.node.degraded.v1",
    "source": "probe",
    "id": "1",
    "data": {"severity": "critical", "whereabouts": {"node_name": "eu-d3", "cluster": "eu-1"}},
}
ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "GPUFallenOffBus", "severity": "critical", "node": "eu-d2", "cluster": "eu-1"},
    "annotations": {},
    "startsAt": "2026-11-21T08:00:00Z",
    "fingerprint": "0123456789abcdef",
}
WEBHOOK: dict[str, Any] = {"version": "4", "status": "firing", "alerts": [ALERT]}


def form(base: dict[str, Any], **over: Any) -> bytes:
    """A body that differs from a good one in these fields."""
    return json.dumps(base | over).encode()


def whereabouts(**over: Any) -> dict[str, Any]:
    """The data of a native CloudEvent about that place."""
    return {"severity": "critical", "whereabouts": {"node_name": "eu-d3", "cluster": "eu-1"} | over}


REFUSED_AT_THE_DOOR: dict[str, tuple[str, bytes, int, str]] = {
    "malformed JSON": ("alertmanager", b'{"version": "4", "alerts": [', 422, "not JSON"),
    "no object": ("nvsentinel", b"[1, 2]", 422, "not a JSON object"),
    "a batch in the place of one event": ("cloudevents", b"[]", 422, ""),
    "an oversized event": ("kernel", b"x" * (MAX_EVENT_BYTES + 1), 413, "256 KiB"),
    "an unknown format": ("telepathy", b"{}", 404, ""),
}


@pytest.mark.parametrize("case", REFUSED_AT_THE_DOOR)
async def test_the_http_door_refuses_it_and_says_why(shared: Composed, case: str) -> None:
    format, body, status, why = REFUSED_AT_THE_DOOR[case]
    before = len(await shared.letters())
    answer = await shared.post(body, format)
    assert (answer.status_code, why in answer.text) == (status, True), answer.text
    assert len(await shared.letters()) == before, "nothing was stored"
    await shared.works()


BURIED: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "wrong types": ("alertmanager", form(WEBHOOK, alerts="none"), ("alerts", "list")),
    "wrong types within": ("alertmanager", form(WEBHOOK, alerts=[ALERT | {"labels": [1]}]), ("labels", "object")),
    "an unknown version": ("alertmanager", form(WEBHOOK, version="5"), ("version", "`5`")),
    "an unknown kind": ("cloudevents", form(CLOUD_EVENT, type="org.other.thing.v3"), ("`org.other.thing.v3`",)),
    "a command in a sender's event": (
        "cloudevents",
        form(CLOUD_EVENT, type="placet.request.received.v1"),
        ("placet.request.received.v1", "not known"),
    ),
    "a severity of another scale": ("cloudevents", form(CLOUD_EVENT, data={"severity": 11}), ("severity",)),
    "no time at all": ("cloudevents", form(CLOUD_EVENT, id="t", time="yesterday"), ("time", "`yesterday`")),
    "a node that no fact places": (
        "cloudevents",
        form(CLOUD_EVENT, id="nowhere", data=whereabouts(node_name="zz-9", cluster="elsewhere")),
        ("no fact places", "zz-9"),
    ),
    "a required field missing": (
        "cloudevents",
        json.dumps({k: v for k, v in CLOUD_EVENT.items() if k != "source"}).encode(),
        ("source", "required"),
    ),
    "deep nesting": ("cloudevents", b'{"a":' * 20_000 + b"1" + b"}" * 20_000, ("JSON",)),
}


@pytest.mark.parametrize("case", BURIED)
@pytest.mark.parametrize("by", ["http", "nats"])
async def test_what_nobody_can_read_is_a_dead_letter_with_the_reason(shared: Composed, case: str, by: str) -> None:
    format, body, words = BURIED[case]
    known = {r["sequence"] for r in await shared.letters()}
    if by == "http":
        answer = await shared.post(body, format)
        if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            assert case == "deep nesting"
            return
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    else:
        await shared.publish(body, format)

    async def fresh() -> dict[str, Any] | None:
        return next((r for r in await shared.letters() if r["sequence"] not in known), None)

    letter = await found(fresh, f"a dead letter of {case}")
    assert all(w in letter["reason"] for w in words), letter["reason"]
    assert (letter["stream"], letter["consumer"], letter["attempts"]) == ("INTAKE", "intake", 1)
    await shared.works()


RAW: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "nothing": (b"", ("JSON",)),
    "bytes that are no text": (b"\xff\xfe\x00\x80" * 40, ("UTF-8",)),
    "half of a body": (form(WEBHOOK)[:50], ("JSON",)),
    "duplicate keys": (b'{"version": "4", "version": "5", "alerts": []}', ()),
    "numbers beyond any": (form(WEBHOOK).replace(b'"alerts"', b'"n": 1e999, "alerts"'), ()),
}


@pytest.mark.parametrize("case", RAW)
async def test_bytes_on_nats_that_no_door_has_looked_at_are_handled(shared: Composed, case: str) -> None:
    """A sender on NATS goes past the HTTP door: intake itself must stand any bytes."""
    body, words = RAW[case]
    known = {r["sequence"] for r in await shared.letters()}
    await shared.publish(body, "alertmanager", ALERTS)

    async def handled() -> bool:
        return await intake_is_empty(shared)

    await until(handled, 30)
    await shared.works()
    fresh = [r for r in await shared.letters() if r["sequence"] not in known]
    assert len(fresh) <= 1
    assert all(w in r["reason"] for r in fresh for w in words), fresh
    assert not words or fresh


async def intake_is_empty(shared: Composed) -> bool:
    """Whether no raw body waits: a work queue forgets what was acknowledged or buried."""
    admin = await shared.as_user(accounts.ADMINISTRATOR)
    return not [d for name in (streams.INTAKE, streams.INTAKE_DEVICE) for d in await admin.replay(name)]


async def test_a_sender_on_nats_stays_on_its_own_channel_and_brings_no_commands(shared: Composed) -> None:
    bus = await shared.channel(KERNEL)
    for channel in (ALERTS, "front-door", "inventory"):
        with pytest.raises(NotAllowed):
            await bus.publish(shared.system.subjects.intake(channel, "kernel"), b"{}", message_id=f"x-{channel}")
    for format in ("request", "telepathy"):
        with pytest.raises(NotAllowed):
            await bus.publish(shared.system.subjects.intake(KERNEL, format), b"{}", message_id=f"x-{format}")
    await shared.works()


async def test_an_oversized_event_is_refused_at_the_publisher_and_again_by_the_stream(shared: Composed) -> None:
    """The limit is the stream's own too: a sender with another client cannot get past it."""
    body = b'{"lines": ["' + b"x" * MAX_EVENT_BYTES + b'"]}'
    with pytest.raises(TooLarge):
        await shared.publish(body)
    raw = await shared.raw(KERNEL, body + b" " * 64 * 1024)
    assert "message size exceeds maximum" in raw, raw
    await shared.works()


async def test_a_message_without_an_id_was_published_by_no_bus_and_is_not_believed(shared: Composed) -> None:
    await shared.raw(KERNEL, await shared.good(NodeId("eu-d1")))
    letter = await shared.letter_about("no message id")
    assert letter["stream"] == "INTAKE_DEVICE"
    assert not any(i.domain == "node/eu-d1" for i in await shared.incidents())
    await shared.works()


@pytest.mark.parametrize(
    "told",
    ["never", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00", "2026-11-21T08:00:00", "\u202e"],
)
async def test_a_lying_receipt_header_moves_no_clock(shared: Composed, told: str) -> None:
    """`placet-received-at` is the door's word: from elsewhere it may be anything, and must not date our records."""
    now = datetime.now(UTC)
    await shared.publish(await shared.good(), headers={RECEIVED_AT: told})
    await shared.works()
    for incident in await shared.incidents():
        assert all(abs(e.received_at - now) < timedelta(minutes=5) for e in incident.events)


async def test_an_added_unknown_field_is_accepted_and_counted(shared: Composed) -> None:
    body = form(CLOUD_EVENT, id="unknown-1", data=whereabouts() | {"phase_of_moon": "full", "more": {"a": 1}})
    assert (await shared.post(body, "cloudevents")).status_code == httpx.codes.ACCEPTED
    name = event_id(KERNEL, "probe", "unknown-1")

    async def recorded() -> int | None:
        events = [e for i in await shared.incidents() for e in i.events]
        return next((e.unknown_fields for e in events if e.id == name), None)

    assert await found(recorded, "the event") == 2
    await shared.works()


async def test_a_duplicate_is_told_and_counted_once(shared: Composed) -> None:
    body = form(CLOUD_EVENT, id="twice", data=whereabouts(node_name="eu-c4"))
    first, again = await shared.post(body, "cloudevents"), await shared.post(body, "cloudevents")
    assert [a.json()["duplicate"] for a in (first, again)] == [False, True]
    await shared.publish(body, "cloudevents")
    await shared.works()
    (incident,) = [i for i in await shared.incidents() if i.domain == "node/eu-c4"]
    assert (incident.events_seen, len(incident.event_ids)) == (1, 1)


async def test_two_senders_with_one_id_are_two_events(shared: Composed) -> None:
    """The channel, which its credential proves, is part of an event's identity: no sender swallows another's."""
    body = form(CLOUD_EVENT, id="same", data=whereabouts(node_name="eu-c3"))
    for channel in (KERNEL, ALERTS):
        assert (await shared.post(body, "cloudevents", channel)).json()["duplicate"] is False
    expected = {event_id(c, "probe", "same") for c in (KERNEL, ALERTS)}

    async def both() -> bool:
        return any(expected <= set(i.event_ids) for i in await shared.incidents())

    await until(both)


async def test_alerts_before_their_fault_are_one_incident_with_it(shared: Composed) -> None:
    """Out of order: the burst comes first, as it does when a log shipper lags behind Alertmanager."""
    node = (await shared.system.world.snapshot()).node(NodeId("eu-c2"))
    assert node is not None
    device, at = node.accelerators[3], datetime.now(UTC)
    bursts = payloads.alert_bursts(node, device, at, 2)
    for body in bursts:
        await shared.post(body, "alertmanager", ALERTS)
    await asyncio.sleep(0.2)
    await shared.post(payloads.kernel_line(node, device, at))

    async def gathered() -> bool:
        mine = [i for i in await shared.incidents() if i.domain == "node/eu-c2"]
        return len(mine) == 1 and mine[0].events_seen >= 7

    await until(gathered)
    await shared.works()


async def test_a_late_alert_opens_nothing_and_a_late_fault_is_still_a_fault(shared: Composed) -> None:
    """What only accompanies is too late after the window; a lost device is lost whenever it is told."""
    old = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    alert = ALERT | {"startsAt": old, "fingerprint": "beef", "labels": ALERT["labels"] | {"node": "eu-b3"}}
    alert["labels"] = alert["labels"] | {"alertname": "KubePodNotReady", "severity": "warning"}
    before = len(await shared.letters())
    assert (await shared.post(form(WEBHOOK, alerts=[alert]), "alertmanager", ALERTS)).is_success
    late = form(CLOUD_EVENT, id="late", time=old, data=whereabouts(node_name="eu-b1"))
    assert (await shared.post(late, "cloudevents")).is_success

    async def told() -> bool:
        return any(i.domain == "node/eu-b1" for i in await shared.incidents())

    await until(told)
    await shared.works()
    await asyncio.sleep(1.5)
    assert not any(i.domain == "node/eu-b3" for i in await shared.incidents())
    assert len(await shared.letters()) == before


async def test_the_good_of_a_batch_are_handled_and_the_rest_is_named(shared: Composed) -> None:
    batch = [
        CLOUD_EVENT | {"id": "good", "data": whereabouts(node_name="eu-c1")},
        CLOUD_EVENT | {"id": "bad", "data": 7},
        CLOUD_EVENT | {"id": "odd", "type": "a.b.c"},
    ]
    media = "application/cloudevents-batch+json"
    assert (await shared.post(json.dumps(batch).encode(), "cloudevents", media=media)).is_success
    letter = await shared.letter_about("event 1", "event 2")
    assert "event 0" not in letter["reason"]

    async def opened() -> bool:
        return any(i.domain == "node/eu-c1" for i in await shared.incidents())

    await until(opened)
    await shared.works()
