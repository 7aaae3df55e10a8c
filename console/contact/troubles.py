"""What is observed now and is an incident by itself, each as the event that a sender would report. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from console.contact.describing import running
from estate.events import Event, Place, event_id
from estate.hardware import Health, Node
from estate.ids import ChannelId, ClusterId, SiteId
from estate.observations import EventType, Severity
from estate.snapshots import Snapshot
from estate.verdicts import Dimension
from estate.workloads import Workload
from policies.reviewing import Review

CHANNEL: Final = ChannelId("first-contact")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong now."""

    about: str
    """The failure domain, e.g. `node/eu-1.a1`."""
    told: str
    type: EventType
    severity: Severity
    place: Place

    def event(self, now: datetime) -> Event:
        """As a sender would report it."""
        source, sender_id = f"kubernetes/{self.place.cluster}", f"{self.type.value} {self.about} {self.told}"
        return Event(
            id=event_id(CHANNEL, source, sender_id),
            type=self.type,
            severity=self.severity,
            channel=CHANNEL,
            source=source,
            sender_id=sender_id,
            occurred_at=None,
            received_at=now,
            place=self.place,
            message=self.told,
        )


def troubles(snapshot: Snapshot, reviews: Iterable[Review]) -> tuple[Trouble, ...]:
    """Failed nodes first, then failed devices, nodes that are being emptied, broken promises, unlawful placements."""
    nodes, workloads = tuple(snapshot.nodes()), tuple(snapshot.workloads())
    found = [t for n in nodes for t in _of_node(snapshot, n)]
    found += [t for n in nodes for t in _cordoned(snapshot, n)]
    found += [t for w in workloads for t in _below(snapshot, w)]
    found += [t for r in reviews for t in _unlawful(snapshot, r)]
    return tuple(found)


def _of_node(snapshot: Snapshot, node: Node) -> Iterator[Trouble]:
    """A lost node is one trouble, whatever its devices say; on any other, each lost device is one."""
    if node.health in (Health.FAILED, Health.UNKNOWN):
        told = "the node is not ready" if node.health is Health.FAILED else "its kubelet is silent or not readable"
        yield _at_node(snapshot, node, EventType.NODE_FAILED, told)
        return
    if failed := [a.index for a in node.accelerators if a.health is Health.FAILED]:
        devices = f"{len(failed)} of {len(node.accelerators)} accelerators"
        yield _at_node(snapshot, node, EventType.ACCELERATOR_FAILED, f"{devices} cannot be allotted", failed[0])


def _at_node(
    snapshot: Snapshot, node: Node, type: EventType, told: str, device: int | None = None, fatal: bool = True
) -> Trouble:
    place = Place(
        site=snapshot.site_of(node.id),
        cluster=node.cluster,
        rack=snapshot.rack_of(node.id),
        node=node.id,
        accelerator=device,
    )
    return Trouble(f"node/{node.id}", told, type, Severity.FATAL if fatal else Severity.WARNING, place)


def _cordoned(snapshot: Snapshot, node: Node) -> Iterator[Trouble]:
    residents = snapshot.workloads_on(node.id)
    if node.cordoned and residents and node.health not in (Health.FAILED, Health.UNKNOWN):
        told = f"the node is cordoned, and {len(residents)} workloads still run there"
        yield _at_node(snapshot, node, EventType.NODE_DEGRADED, told, fatal=False)


def _below(snapshot: Snapshot, workload: Workload) -> Iterator[Trouble]:
    runs, promised = running(snapshot, workload), workload.contract.min_available
    if runs < promised:
        told = f"{runs} replicas run, {promised} are promised"
        yield _at_workload(snapshot, workload, EventType.CONTRACT_BREACHED, told)


def _unlawful(snapshot: Snapshot, review: Review) -> Iterator[Trouble]:
    workload = snapshot.workload(review.workload)
    if workload is not None and not review.lawful and workload.bindings:
        dimensions = {f.dimension for f in review.failures}
        type = EventType.ISOLATION_VIOLATED if dimensions == {Dimension.TENANT} else EventType.SOVEREIGNTY_VIOLATED
        told = f"unlawful where it runs: {', '.join(sorted(d.value for d in dimensions))}"
        yield _at_workload(snapshot, workload, type, told)


def _at_workload(snapshot: Snapshot, workload: Workload, type: EventType, told: str) -> Trouble:
    place = Place(site=_site(snapshot, workload.cluster), cluster=workload.cluster, workload=workload.id)
    return Trouble(f"workload/{workload.id}", told, type, Severity.CRITICAL, place)


def _site(snapshot: Snapshot, cluster: ClusterId) -> SiteId | None:
    known = snapshot.facts.cluster.get(cluster)
    return known.site if known else None
