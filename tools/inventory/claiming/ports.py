"""What is said of ports and links to claims: a machine's ports (`Node.nics`), and links between switches. Pure.

Called by `claims`. Nobody declares by this what is not there: a link is claimed only where its owner declares it, and
only whether it carries. Of GPUs' links those count that carry nothing while others of the same GPU do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from estate.fabrics.links import Link
from estate.ids import NodeId
from estate.machines import LinkState, Nic, NicUse, worst
from estate.origins import Layer, Origin
from estate.references import Ref
from estate.snapshots import Snapshot
from estate.units import MegabitsPerSecond
from tools.inventory.claiming.names import Place
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.metrics import Metric
from tools.payloads.facts.readings import Presence, Readings
from tools.payloads.facts.statements import Attribute, Condition, Fact, Relation, Statement, Status, Tie, Witness

MOST = 256
"""Of one machine, as a node holds them."""
_BMC_PORT = re.compile(r"(?:.*/)?NetworkAdapters/[^/]+/(?:Network)?Ports/(?P<port>[^/]{1,64})")
_STATES = {
    # InfiniBand's, logical and physical
    "ACTIVE": LinkState.UP,
    "ACTIVE_DEFER": LinkState.DEGRADED,
    "ARMED": LinkState.DOWN,
    "INIT": LinkState.DOWN,
    "DOWN": LinkState.DOWN,
    "LinkErrorRecovery": LinkState.DEGRADED,
    "Disabled": LinkState.DOWN,
    "Polling": LinkState.DOWN,
    "Sleep": LinkState.DOWN,
    # Redfish's
    "LinkUp": LinkState.UP,
    "Starting": LinkState.DOWN,
    "Training": LinkState.DOWN,
    "LinkDown": LinkState.DOWN,
    "NoLink": LinkState.DOWN,
}
"""What senders call it; any other word says nothing."""
_BITS_OF_MEGABITS = 8 / 1e6

type Measured = tuple[Place, Readings, int]
"""What a row of readings is about."""


@dataclass(slots=True)
class _Port:
    """What is said of one port or link."""

    states: list[LinkState] = field(default_factory=list)
    speed: int = 0
    use: NicUse = NicUse.RDMA
    switch: str = ""
    port: str = ""

    def hear(self, fact: Fact) -> None:
        match fact:
            case Statement(attribute=Attribute.LINK_STATE | Attribute.PHYSICAL_STATE):
                self.states.append(_STATES.get(str(fact.value), LinkState.UNKNOWN))
            case Statement(attribute=Attribute.LINK_LAYER) if fact.subject.kind is MentionKind.CHASSIS:
                self.use = NicUse.RDMA if fact.value == "InfiniBand" else NicUse.DATA
            case Relation(tie=Tie.LINKED_TO) if fact.other.kind is MentionKind.SWITCH_PORT:
                self.switch, self.port = fact.other.scope[:128], fact.other.value[:64]
            case _:
                pass

    def read(self, readings: Readings, row: int) -> None:
        if readings.presence[row] != Presence.MEASURED:
            return
        if readings.metric[row] == Metric.PORT_UP.code:
            self.states.append(LinkState.UP if readings.value[row] else LinkState.DOWN)
        elif readings.metric[row] == Metric.PORT_CAPACITY.code:
            self.speed = max(0, int(readings.value[row] * _BITS_OF_MEGABITS))

    @property
    def state(self) -> LinkState:
        return worst(self.states)


@dataclass(slots=True)
class Ports:
    """What a target said of ports in one round."""

    _of: dict[tuple[Ref, str], _Port] = field(default_factory=dict)
    """Of a node by the port's name; of a link by nothing."""
    _lanes: dict[Ref, dict[Mention, tuple[Place, bool]]] = field(default_factory=dict)

    @classmethod
    def told(cls, facts: Iterable[tuple[Place, Fact]], measured: Iterable[Measured]) -> Ports:
        """Of all that is said those things that are about ports."""
        ports = cls()
        for place, fact in facts:
            if (key := _key(place)) is not None:
                ports._of.setdefault(key, _Port()).hear(fact)
        for place, readings, row in measured:
            if (key := _key(place)) is not None:
                ports._of.setdefault(key, _Port()).read(readings, row)
            elif place.ref.kind == "accelerator" and place.part.startswith("link/"):
                ports._lane(place, readings, row)
        return ports

    def _lane(self, place: Place, readings: Readings, row: int) -> None:
        if readings.metric[row] == Metric.PORT_UP.code and readings.presence[row] == Presence.MEASURED:
            mention = readings.subjects[int(readings.subject[row])]
            self._lanes.setdefault(place.ref, {})[mention] = place, bool(readings.value[row])

    def nics(self) -> Mapping[NodeId, tuple[Nic, ...]]:
        """The ports of machines of which it is said whether they carry, how much, or where they lead."""
        found: dict[NodeId, list[Nic]] = {}
        for (ref, name), port in sorted(self._of.items()):
            says = port.state is not LinkState.UNKNOWN or port.speed or port.switch
            if ref.kind == "node" and says and len(found.setdefault(NodeId(ref.id), [])) < MOST:
                found[NodeId(ref.id)].append(_nic(name, port))
        return {node: tuple(nics) for node, nics in found.items() if nics}

    def links(self, estate: Snapshot, source: str, at: datetime) -> Iterator[Link]:
        """The links of which it is said whether they carry; one that is slower than it is declared is degraded."""
        for (ref, _), port in sorted(self._of.items()):
            link = estate.stock.get(ref)
            if not isinstance(link, Link):
                continue
            slow = [LinkState.DEGRADED] if 0 < port.speed < link.capacity else []
            state = worst([port.state, *slow])
            if state is not LinkState.UNKNOWN:
                origin = Origin(layer=Layer.HEALTH, source=source, observed_at=at, fields=("state",))
                yield link.model_copy(update={"state": state, "origins": (origin,)})

    def silent_lanes(self, witness: Witness) -> Iterator[tuple[Place, Fact]]:
        """The links of GPUs that carry nothing beside others that do, as conditions of these parts."""
        for lanes in self._lanes.values():
            if any(up for _, up in lanes.values()):
                for mention, (place, up) in lanes.items():
                    if not up:
                        says = "it carries nothing, others of the device do"
                        yield place, Condition(mention, "Healthy", Status.FALSE, witness, "Warning", says)


def down(readings: Readings) -> list[int]:
    """The rows that say of a port that it carries nothing."""
    silent = (readings.metric == Metric.PORT_UP.code) & (readings.value == 0)
    rows: list[int] = np.flatnonzero(silent & (readings.presence == Presence.MEASURED)).tolist()
    return rows


def _key(place: Place) -> tuple[Ref, str] | None:
    match place.ref.kind:
        case "link" if not place.part or place.part == "back":
            return place.ref, ""
        case "port" if not place.part:
            node, _, name = place.ref.id.partition("/")
            return (Ref("node", node), name.removesuffix("/1")[:64]) if "/" in name else None
        case "node" if (found := _BMC_PORT.fullmatch(place.part)) is not None:
            return place.ref, found["port"]
        case _:
            return None


def _nic(name: str, port: _Port) -> Nic:
    return Nic(
        name=name,
        use=port.use,
        switch=port.switch,
        port=port.port,
        speed=MegabitsPerSecond(port.speed),
        state=port.state,
    )
