"""Raw bodies to events: what is placed by facts, what is refused, and that a bad neighbour costs nobody anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from agents.intake.channels import ChannelConfig
from agents.intake.receiving import RECEIVED_AT, Intake
from agents.intake.resolving import resolve
from estate import canonical
from estate.changes import CordonNode
from estate.errors import NeverRetry
from estate.events import Event
from estate.ids import ChannelId, ClusterId, NodeId, RackId, TenantId
from estate.observations import EventType, Whereabouts
from estate.proposals import Lane
from tests import builders
from tests.agents.staging import (
    CHANNELS,
    SUBJECTS,
    Stage,
    alert_body,
    kernel_body,
    proposal_body,
    request_body,
)
from tools.bus import streams
from tools.bus.port import Delivery
from tools.payloads.formats import FORMATS

EU = CHANNELS[ChannelId("eu-monitoring")]
BOTH = ChannelConfig(id=ChannelId("both"), clusters=(ClusterId("eu-1"), ClusterId("us-1")), formats=("kernel",))


def found(channel: ChannelConfig = EU, **named: Any) -> Any:
    return resolve(Whereabouts(**named), builders.estate(), channel)


def test_a_node_name_is_looked_up_in_the_channels_cluster_and_facts_say_where_it_stands() -> None:
    place = found(node_name="eu-a1.eu.example").place
    assert (place.site, place.cluster, place.rack, place.node) == ("eu-de", "eu-1", "eu-a", "eu-a1")


def test_every_alias_of_a_device_finds_it() -> None:
    node = {"node_name": "eu-a1.eu.example"}
    assert found(gpu_uuid="GPU-eu-a1-3").place.accelerator == 3
    assert found(**node, pci_address="0000:1a:00.0").place.accelerator == 3
    assert found(**node, gpu_index=3).place.accelerator == 3


def test_a_name_outside_the_channels_clusters_is_nobodys() -> None:
    place = found(cluster="us-1", node_name="us-a1.us.example").place
    assert (place.site, place.node) == (None, None)
    assert place.unresolved == ("cluster/us-1", "node/us-a1.us.example")
    assert found(gpu_uuid="GPU-us-a1-0").place.unresolved == ("gpu/GPU-us-a1-0",)


def test_names_that_contradict_each_other_are_not_believed() -> None:
    seen = found(node_name="eu-a1.eu.example", gpu_uuid="GPU-eu-b1-0")
    assert seen.place.node is None
    assert seen.findings
    device = found(node_name="eu-a1.eu.example", gpu_index=1, pci_address="0000:1a:00.0")
    assert (device.place.node, device.place.accelerator) == ("eu-a1", None)
    assert device.findings


def test_a_node_that_no_fact_places_has_no_site() -> None:
    estate = builders.estate().with_node(builders.node("eu-z9"))
    place = resolve(Whereabouts(node_name="eu-z9.eu.example"), estate, EU).place
    assert (place.site, place.node) == (None, "eu-z9")


def test_a_site_that_the_sender_claims_never_overrules_facts() -> None:
    seen = found(node_name="eu-a1.eu.example", site="us-east")
    assert seen.place.site == "eu-de"
    assert seen.findings


def test_a_rack_is_known_by_facts_and_only_at_the_channels_sites() -> None:
    assert found(rack="eu-b").place.rack == RackId("eu-b")
    assert found(rack="us-a").place.rack is None


def test_a_workload_is_known_by_its_namespace_and_a_pod_is_only_recorded() -> None:
    assert found(namespace="tenant-a", workload="a-serve").place.workload == "a-serve"
    assert found(namespace="tenant-a", pod="a-serve-0").place.unresolved == ("pod/tenant-a/a-serve-0",)


def test_an_ambiguous_node_name_is_a_finding() -> None:
    twins = [builders.node(n).model_copy(update={"name": "same"}) for n in ("eu-a1", "us-a1")]
    seen = resolve(Whereabouts(node_name="same"), builders.estate(nodes=twins, workloads=()), BOTH)
    assert seen.place.node is None
    assert seen.findings


def test_only_the_front_door_may_be_given_commands() -> None:
    with pytest.raises(ValidationError, match="front-door"):
        ChannelConfig(id=ChannelId("elsewhere"), formats=("request",))


async def receive(stage: Stage, channel: str, format: str, body: bytes, **headers: str) -> list[Event]:
    await stage.bus.declare(*streams.streams(SUBJECTS))
    intake = Intake(stage.bus, stage.reader, FORMATS, CHANNELS, stage.clock, SUBJECTS)
    try:
        await intake.on_body(Delivery(SUBJECTS.intake(channel, format), body, headers, "id", "INTAKE", 1, 1))
    finally:
        seen = await events(stage)
    return seen


async def events(stage: Stage) -> list[Event]:
    """Everything published, on either lane."""
    return [Event.read(d.data) for lane in Lane for d in await stage.bus.replay(streams.events(lane))]


async def test_a_kernel_line_becomes_an_event_on_its_site(stage: Stage) -> None:
    (event,) = await receive(stage, "eu-monitoring", "kernel", kernel_body(builders.node("eu-a1"), 3))
    assert event.type is EventType.ACCELERATOR_FAILED
    assert (event.place.node, event.place.accelerator) == ("eu-a1", 3)
    assert event.channel == "eu-monitoring"


async def test_a_body_received_twice_is_one_event(stage: Stage) -> None:
    body = kernel_body(builders.node("eu-a1"))
    await receive(stage, "eu-monitoring", "kernel", body)
    stage.clock.advance(60)
    assert len(await receive(stage, "eu-monitoring", "kernel", body)) == 1


async def test_a_door_may_say_when_it_took_the_body_in(stage: Stage) -> None:
    told = {RECEIVED_AT: "2026-11-21T07:59:00+00:00"}
    (event,) = await receive(stage, "eu-monitoring", "kernel", kernel_body(builders.node("eu-a1")), **told)
    assert event.received_at.isoformat() == told[RECEIVED_AT]


async def test_the_good_items_of_a_batch_are_published_before_the_body_is_refused(stage: Stage) -> None:
    form = json.loads(alert_body(builders.node("eu-a1"), 2))
    form["alerts"].append("not an alert")
    with pytest.raises(NeverRetry, match="alerts"):
        await receive(stage, "eu-monitoring", "alertmanager", json.dumps(form).encode())
    assert len(await events(stage)) == 2


async def test_what_no_fact_places_is_refused_with_its_name(stage: Stage) -> None:
    stage.reader.estate = stage.reader.estate.with_node(builders.node("eu-z9"))
    with pytest.raises(NeverRetry, match="no fact places `node/eu-z9`"):
        await receive(stage, "eu-monitoring", "kernel", kernel_body(builders.node("eu-z9")))


@pytest.mark.parametrize(
    ("channel", "format", "said"),
    [
        ("nobody", "kernel", "not configured"),
        ("eu-monitoring", "smoke-signals", "unknown format"),
        ("eu-monitoring", "request", "only `front-door`"),
        ("front-door", "kernel", "may not send"),
    ],
)
async def test_a_channel_is_held_to_what_it_may_send(stage: Stage, channel: str, format: str, said: str) -> None:
    with pytest.raises(NeverRetry, match=said):
        await receive(stage, channel, format, b"{}")


async def test_a_request_is_kept_at_its_tenants_home_and_speaks_for_it(stage: Stage) -> None:
    (event,) = await receive(stage, "front-door", "request", request_body("cordon eu-a1", "tenant-a"))
    assert event.type is EventType.REQUEST_RECEIVED
    assert event.place.site == "eu-de"
    assert event.request is not None
    assert event.request.tenants == (TenantId("tenant-a"),)


async def test_a_proposal_is_kept_where_its_first_change_is(stage: Stage) -> None:
    (event,) = await receive(stage, "front-door", "proposal", proposal_body(CordonNode(node=NodeId("us-a1"))))
    assert event.place.site == "us-east"
    assert event.proposal is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"id":"x"}', b'{"id":"x","text":1,"requester":{},"tenants":[]}', b'{"id":"a","id":"b"}'],
)
async def test_a_malformed_command_is_refused_for_good(stage: Stage, body: bytes) -> None:
    with pytest.raises(NeverRetry):
        await receive(stage, "front-door", "request", body)


async def test_one_person_sending_one_command_twice_is_one_event(stage: Stage) -> None:
    body = request_body("cordon eu-a1", "tenant-a")
    await receive(stage, "front-door", "request", body)
    assert len(await receive(stage, "front-door", "request", body)) == 1
    assert len(await receive(stage, "front-door", "request", request_body("cordon eu-a1", id="req-2"))) == 2


async def test_the_tenant_of_an_event_is_the_channels_and_never_the_payloads(stage: Stage) -> None:
    form = json.loads(kernel_body(builders.node("eu-a1")))
    form["tenant"] = "tenant-b"
    for channel, tenant in (("eu-monitoring", None), ("a-alerts", TenantId("tenant-a"))):
        (*_, event) = await receive(stage, channel, "kernel", canonical.dumps(form))
        assert (event.channel, event.tenant) == (channel, tenant)
