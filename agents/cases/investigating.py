"""What a case knows before it thinks: findings about the failing nodes, through the tools that a model would use.

Pure. A finding is evidence for people and minds; the gate never reads it.
"""

from __future__ import annotations

from collections.abc import Iterator

from agents import folding
from estate.errors import BadInput
from estate.events import Event
from estate.hardware import Health
from estate.ids import NodeId, RackId
from estate.incidents import Incident
from estate.observations import EventType
from estate.proposals import Evidence
from estate.snapshots import Snapshot
from tools.catalogue.nodes import DESCRIBE_NODE, RACK_POWER, WORKLOADS_ON_NODE, NodeQuestion, RackQuestion, Resident
from tools.catalogue.registry import Catalogue
from tools.catalogue.xids import XID_MEANING, XidQuestion

FINDINGS_KEPT = 24


def findings(incident: Incident, tools: Catalogue) -> tuple[Evidence, ...]:
    """What the tools say of the nodes and codes that the incident's events name."""
    nodes = dict.fromkeys(e.place.node for e in incident.events if e.place.node is not None)
    codes = dict.fromkeys(e.code for e in incident.events if e.code.startswith("xid-"))
    found = [e for code in codes for e in _meaning(code, tools)]
    found += [e for node in nodes for e in _about(node, tools)]
    companions = incident.events_seen - sum(1 for e in incident.events if folding.material(e))
    counted = f"{incident.events_seen} events so far, {companions} of them companions"
    return (*found[: FINDINGS_KEPT - 1], Evidence(source="incident", claim=counted))


def symptom(incident: Incident, snapshot: Snapshot) -> tuple[str, ...]:
    """What is still wrong with the nodes of the incident, one line each; empty when the symptom is gone.

    A sender's word that a device recovered counts only when the inventory does not contradict it.
    """
    lines = [f"{_device(e)} is still lost" for e in _unrecovered(incident)]
    for fence in incident.fences:
        node = snapshot.node(fence.node)
        if node is not None and node.health is not Health.HEALTHY:
            lines.append(f"{node.id} is {node.health.value}")
    return tuple(dict.fromkeys(lines))


def fences(incident: Incident, snapshot: Snapshot) -> tuple[str, ...]:
    """What is said of each fence at the end. The symptom decides whether it may go; a proposal of its own lifts it."""
    still = symptom(incident, snapshot)
    why = "; ".join(still) if still else "until it has been well for a while, which is proposed on its own"
    return tuple(_fence(f.node, why, snapshot) for f in incident.fences)


def _fence(name: NodeId, why: str, snapshot: Snapshot) -> str:
    node = snapshot.node(name)
    if node is None or not node.cordoned:
        return f"the fence of {name} is not in force; look at its verdict"
    return f"the fence of {name} stays: {why}"


def _about(name: NodeId, tools: Catalogue) -> Iterator[Evidence]:
    try:
        node = tools.ask(DESCRIBE_NODE, NodeQuestion(node=name))
    except BadInput as gone:
        yield Evidence(source=DESCRIBE_NODE.name, claim=str(gone))
        return
    state = "cordoned" if node.cordoned else "not cordoned"
    yield Evidence(source=DESCRIBE_NODE.name, claim=f"{name} in rack {node.rack} is {node.health.value} and {state}")
    for resident in tools.ask(WORKLOADS_ON_NODE, NodeQuestion(node=name)).workloads:
        held = f"{resident.workload} of {resident.tenant} ({resident.work.value}) holds {_devices(resident)} of {name}"
        yield Evidence(source=WORKLOADS_ON_NODE.name, claim=held)
    if node.rack is not None:
        yield _power(node.rack, tools)


def _devices(resident: Resident) -> str:
    """Where devices are only counted, any failed one of the node may be the workload's."""
    indexes = resident.accelerators_here
    if resident.counted:
        return f"{len(indexes)} accelerators, nobody says which,"
    return f"accelerators {', '.join(map(str, indexes))}"


def _power(rack: RackId, tools: Catalogue) -> Evidence:
    power = tools.ask(RACK_POWER, RackQuestion(rack=rack))
    claim = f"rack {rack} draws {power.drawn_watts} W of {power.budget_watts} W"
    return Evidence(source=RACK_POWER.name, claim=claim)


def _meaning(code: str, tools: Catalogue) -> Iterator[Evidence]:
    number = code.removeprefix("xid-")
    if not (number.isdecimal() and 1 <= int(number) <= 999):
        return
    told = tools.ask(XID_MEANING, XidQuestion(code=int(number)))
    yield Evidence(source=XID_MEANING.name, claim=f"xid {told.code}: {told.name}; {told.action.value} ({told.reason})")


def _unrecovered(incident: Incident) -> list[Event]:
    lost: dict[tuple[NodeId | None, int | None], Event] = {}
    for event in sorted(incident.events, key=lambda e: e.received_at):
        key = (event.place.node, event.place.accelerator)
        if event.type is EventType.ACCELERATOR_RECOVERED or event.resolved:
            lost.pop(key, None)
        elif folding.material(event) and event.place.node is not None:
            lost[key] = event
    return list(lost.values())


def _device(event: Event) -> str:
    index = event.place.accelerator
    return f"{event.place.node}" if index is None else f"{event.place.node} accelerator {index}"
