"""The HTTP door stores what authenticated senders post, raw and once, and refuses the rest with a telling status."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from agents.intake.receiving import RECEIVED_AT
from console.config import Channel, Format
from console.http.app import Door, application
from console.http.channels import Channels, token_digest
from console.rates import Rates
from estate.ids import ChannelId, ClusterId
from estate.records import write_time
from estate.subjects import Subjects
from tests.builders import INSTALLATION, START, TestClock
from tools.bus import streams
from tools.bus.memory import MemoryBroker, MemoryBus
from tools.bus.port import MAX_EVENT_BYTES
from tools.payloads.formats import FORMATS

SUBJECTS = Subjects(INSTALLATION)
EVENT = {"specversion": "1.0", "type": "placet.node.failed.v1", "source": "s", "id": "1", "data": {}}
BEARER = {"Authorization": "Bearer sesame"}


def channel(name: str = "eu-monitoring", token: str = "sesame", *formats: Format) -> Channel:
    return Channel(
        id=ChannelId(name),
        clusters=(ClusterId("eu-1"),),
        formats=formats or tuple(Format),
        token_sha256=token_digest(token),
    )


SLOW = channel("eu-slow", "slow", Format.KERNEL).model_copy(update={"per_second": 2, "burst": 3})
CHANNELS = (channel(), channel("eu-kernel", "open", Format.KERNEL), SLOW)


class Pace:
    """Monotonic seconds that a test moves."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


PACE = Pace()


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    made = MemoryBroker().connect(SUBJECTS)
    await made.declare(*streams.streams(SUBJECTS))
    yield made
    await made.close()


@pytest.fixture
async def http(bus: MemoryBus) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> bool:
        return True

    known = Channels(CHANNELS)
    app = application(Door(bus, SUBJECTS, known, Rates(PACE), ready, TestClock()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as client:
        yield client


BODIES = (streams.INTAKE, streams.INTAKE_DEVICE)


async def stored(bus: MemoryBus) -> list[tuple[str, bytes, dict[str, str]]]:
    return [(d.subject, d.data, dict(d.headers)) for name in BODIES for d in await bus.replay(name)]


async def post(http: httpx.AsyncClient, path: str, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {k.replace("_", "-"): v for k, v in headers.items()}
    return await http.post(f"/v1/channels/{path}", content=content, headers={**BEARER, **named})


async def test_a_structured_event_is_stored_raw_on_its_channel(http: httpx.AsyncClient, bus: MemoryBus) -> None:
    body = b'{ "specversion":"1.0", "x": 1.50 }'
    answer = await post(http, "eu-monitoring/cloudevents", body, content_type="application/cloudevents+json")
    assert answer.status_code == 202
    ((subject, data, headers),) = await stored(bus)
    assert subject == SUBJECTS.intake("eu-monitoring", "cloudevents")
    assert data == body
    assert headers[RECEIVED_AT] == write_time(START)


async def test_a_binary_event_keeps_its_attributes_in_the_headers(http: httpx.AsyncClient, bus: MemoryBus) -> None:
    attributes = {"ce_id": "1", "ce_source": "s%20t", "ce_type": "t", "ce_specversion": "1.0"}
    answer = await post(http, "eu-monitoring/cloudevents", b"{}", content_type="application/json", **attributes)
    assert answer.status_code == 202
    ((_, _, headers),) = await stored(bus)
    assert headers["ce-source"] == "s t"


async def test_the_same_body_is_stored_once_and_another_senders_copy_of_it_too(
    http: httpx.AsyncClient, bus: MemoryBus
) -> None:
    """A retry is harmless; two senders never swallow each other."""
    lines = b'{"lines": []}'
    first = await post(http, "eu-monitoring/kernel", lines, content_type="application/json")
    again = await post(http, "eu-monitoring/kernel", lines, content_type="application/json")
    other = await post(http, "eu-kernel/kernel", lines, content_type="application/json", Authorization="Bearer open")
    assert [a.json()["duplicate"] for a in (first, again, other)] == [False, True, False]
    assert len(await stored(bus)) == 2


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("eu-monitoring/kernel", {"Authorization": "Bearer wrong"}, b"{}", 401),
        ("nobody/kernel", {}, b"{}", 401),
        ("eu-monitoring/kernel", {"Authorization": "Basic sesame"}, b"{}", 401),
        ("eu-kernel/alertmanager", {"Authorization": "Bearer open"}, b"{}", 403),
        ("eu-monitoring/unheard-of", {}, b"{}", 404),
        ("eu-monitoring/kernel", {}, b"x" * (MAX_EVENT_BYTES + 1), 413),
        (
            "eu-monitoring/cloudevents",
            {"content_type": "application/cloudevents-batch+json"},
            b"[" + b"0," * 300 + b"0]",
            413,
        ),
        ("eu-monitoring/cloudevents", {"content_type": "text/html"}, b"{}", 415),
        ("eu-monitoring/alertmanager", {"content_type": "text/html"}, b"{}", 415),
        ("eu-monitoring/alertmanager", {"content_type": "application/json"}, b"{", 422),
        ("eu-monitoring/cloudevents", {"content_type": "application/cloudevents+json"}, b"[]", 422),
        ("eu-monitoring/cloudevents", {"ce_specversion": "1.0"}, b"{}", 422),
    ],
)
async def test_what_is_wrong_is_refused_with_its_own_status_and_nothing_is_stored(
    http: httpx.AsyncClient, bus: MemoryBus, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = await post(http, path, body, **headers)
    assert answer.status_code == status
    assert await stored(bus) == []


async def test_a_mistyped_path_is_told_which_there_are(http: httpx.AsyncClient) -> None:
    answer = await post(http, "eu-monitoring/alert-manager", {})
    assert answer.status_code == 404
    assert "<cloudevents|alertmanager|nvsentinel|kernel|fabric-manager|kubernetes|cloud>" in answer.json()["error"]


async def test_a_token_that_was_not_sent_is_asked_for(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/channels/eu-monitoring/kernel", content=b"{}")
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_an_endless_body_is_cut_off_at_the_limit(http: httpx.AsyncClient, bus: MemoryBus) -> None:
    """A sender that lies about the length, or gives none, costs no more memory than the limit."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * MAX_EVENT_BYTES:
            sent += 64 * 1024
            yield b"x" * 64 * 1024

    answer = await http.post("/v1/channels/eu-monitoring/kernel", content=endless(), headers=BEARER)
    assert answer.status_code == 413
    assert await stored(bus) == []


async def test_a_full_stream_pushes_back_and_loses_nothing(http: httpx.AsyncClient, bus: MemoryBus) -> None:
    """429 with Retry-After; what was answered with 202 is still there."""
    intake = next(s for s in streams.streams(SUBJECTS) if s.name == streams.INTAKE_DEVICE)
    await bus.declare(replace(intake, max_messages=2))
    answers = [await post(http, "eu-monitoring/kernel", f"line {n}".encode()) for n in range(3)]
    assert [a.status_code for a in answers] == [202, 202, 429]
    assert int(answers[2].headers["Retry-After"]) > 0
    assert [data for _, data, _ in await stored(bus)] == [b"line 0", b"line 1"]


async def test_health_needs_no_token(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz")).status_code == 200
    assert (await http.get("/readyz")).status_code == 200


async def test_a_host_that_the_sender_names_in_a_header_goes_with_the_body(
    http: httpx.AsyncClient, bus: MemoryBus
) -> None:
    """A log says nothing of its host: without the header, every line of it would be refused behind the door."""
    log = b"[Nov 26 2026 12:00:01] [ERROR] [tid 2] failed to train a link\n"
    answer = await post(http, "eu-monitoring/fabric-manager", log, content_type="text/plain", placet_host="gpu-7")
    assert answer.status_code == 202
    ((subject, body, headers),) = await stored(bus)
    assert (subject.rpartition(".")[2], body) == ("fabric-manager", log)
    assert headers["placet-host"] == "gpu-7"
    (observed,) = FORMATS["fabric-manager"](body, headers).observations
    assert observed.whereabouts.node_name == "gpu-7"


async def test_a_header_that_is_no_name_is_refused_at_the_door(http: httpx.AsyncClient) -> None:
    answer = await post(http, "eu-monitoring/kernel", b"line", content_type="text/plain", placet_host="x" * 300)
    assert answer.status_code == 422
    assert "`placet-host` is not a name" in answer.json()["error"]


async def test_a_channel_that_posts_too_fast_is_told_when_to_come_back_and_no_other_notices(
    http: httpx.AsyncClient, bus: MemoryBus
) -> None:
    """Its burst is taken, the rest is refused before it is read, and its pace is given back with time."""

    async def slow(number: int) -> httpx.Response:
        return await post(http, "eu-slow/kernel", {"lines": [number]}, Authorization="Bearer slow")

    answers = [await slow(n) for n in range(5)]
    assert [a.status_code for a in answers] == [202, 202, 202, 429, 429]
    assert answers[3].headers["Retry-After"] == "1"
    assert "channel `eu-slow` posts more than 2 a second; send it again in 1 s" in answers[3].json()["error"]
    other = await post(http, "eu-kernel/kernel", {"lines": []}, Authorization="Bearer open")
    assert other.status_code == 202
    assert len(await stored(bus)) == 4
    PACE.seconds += 1
    assert [(await slow(n)).status_code for n in (3, 4, 5)] == [202, 202, 429]


async def test_a_channel_with_its_share_waiting_is_refused_by_name(http: httpx.AsyncClient, bus: MemoryBus) -> None:
    """Nothing is lost: it is told what waits, and where to look."""
    device = next(s for s in streams.streams(SUBJECTS) if s.name == streams.INTAKE_DEVICE)
    await bus.declare(replace(device, max_per_subject=1))
    codes = [(await post(http, "eu-monitoring/kernel", {"lines": [n]})).status_code for n in range(2)]
    assert codes == [202, 429]
    told = await post(http, "eu-monitoring/kernel", {"lines": [1]})
    assert "channel `eu-monitoring` has as many `kernel` bodies waiting as it may" in told.json()["error"]
    other = await post(http, "eu-kernel/kernel", {"lines": [1]}, Authorization="Bearer open")
    assert other.status_code == 202
