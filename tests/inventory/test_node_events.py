"""Events of nodes: what their watchers tell while we look is told on once, through intake, like anybody's word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from estate.ids import ClusterId, InstallationId
from estate.observations import Severity
from tests import builders
from tests.kubernetes.raws import Raw, metadata
from tools.inventory.kubernetes.modelling import ClusterModel
from tools.kubernetes import resources
from tools.payloads import cloudevents
from tools.sensors.telling import passed_on

EU = ClusterId("eu-1")


def event(name: str, at: str = "2026-11-26T10:00:00Z", **over: Any) -> Raw:
    """An event of node-problem-detector's about a node."""
    told = {
        "metadata": metadata(name, "default"),
        "involvedObject": {"kind": "Node", "name": "eu-a1"},
        "source": {"component": "kernel-monitor", "host": "eu-a1"},
        "type": "Warning",
        "reason": "XIDError",
        "message": "NVRM: Xid (PCI:0000:17:00): 79, GPU has fallen off the bus.",
        "lastTimestamp": at,
    }
    return told | over


def test_an_event_is_told_on_once_and_again_when_it_is_counted_up() -> None:
    model = ClusterModel("kubernetes/eu-1", EU, builders.facts())
    model.put(resources.EVENTS, event("old"))
    model.keep_only(resources.EVENTS, {"uid-default-old"})
    assert model.take().observations == ()
    model.put(resources.EVENTS, event("new"))
    model.put(resources.EVENTS, event("new"))
    model.put(resources.EVENTS, event("quiet", type="Normal", message="all is well", reason="Well"))
    model.put(resources.EVENTS, event("a-pods", involvedObject={"kind": "Pod", "name": "p"}))
    (told,) = model.take().observations
    assert (told.severity, told.code, told.whereabouts.node_name) == (Severity.CRITICAL, "xid-79", "eu-a1")
    model.put(resources.EVENTS, event("new", at="2026-11-26T10:05:00Z", count=2))
    (more,) = model.take().observations
    assert more.sender_id != told.sender_id
    model.relist(resources.EVENTS)
    model.put(resources.EVENTS, event("new", at="2026-11-26T10:05:00Z", count=2))
    model.keep_only(resources.EVENTS, {"uid-default-new"})
    assert not model.dirty


def test_what_is_passed_on_is_read_by_intake_as_what_was_told() -> None:
    """The same words under the same identity, whoever lists the events again."""
    model = ClusterModel("kubernetes/eu-1", EU, builders.facts())
    model.keep_only(resources.EVENTS, ())
    model.put(resources.EVENTS, event("new"))
    (told,) = model.take().observations
    now = datetime(2026, 11, 26, 10, tzinfo=UTC)
    sent = passed_on(told, InstallationId("test"), now)
    (read,) = cloudevents.parse(sent.body, {"content-type": "application/cloudevents+json"}).observations
    kept = ("type", "severity", "sender_id", "occurred_at", "whereabouts", "code", "message")
    assert [getattr(read, k) for k in kept] == [getattr(told, k) for k in kept]
    assert read.source.endswith(told.source)
    assert passed_on(told, InstallationId("test"), now).id == sent.id
