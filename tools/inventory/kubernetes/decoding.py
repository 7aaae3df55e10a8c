"""Nodes and pods straight off the API server's JSON: one fact that changed is one, the rest is left to be read whole.

Called by whoever feeds an `Inventory` from a cluster. Most of what a watch brings is a kubelet's heartbeat, or one fact
about an object that is known: for those no dictionary and no model is made. Everything else stays what it is, raw, and
is read whole by `tools.kubernetes`; so nothing is decided here that is not decided there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec
import orjson

from estate.errors import BadInput
from estate.hardware import Health, Node
from estate.ids import NodeId, WorkloadId
from estate.workloads import Binding
from tools.inventory.columns.changes import Bound, Change, Cordoned, NodeJudged, Tainted, Unbound
from tools.kubernetes.fields import Raw
from tools.kubernetes.nodes import Reading

_NOTHING: Final = msgspec.Raw(b"null")
_MOST_HEALTHS: Final = 4096
_OVER: Final = frozenset({"Succeeded", "Failed"})


class _About(msgspec.Struct, gc=False):
    name: str
    uid: str
    labels: msgspec.Raw = _NOTHING
    annotations: msgspec.Raw = _NOTHING
    ownerReferences: msgspec.Raw = _NOTHING


class _Condition(msgspec.Struct, gc=False):
    type: str
    status: str


class _NodeSpec(msgspec.Struct, gc=False):
    unschedulable: bool | None = None
    taints: msgspec.Raw = _NOTHING


class _NodeStatus(msgspec.Struct, gc=False):
    capacity: msgspec.Raw = _NOTHING
    allocatable: msgspec.Raw = _NOTHING
    nodeInfo: msgspec.Raw = _NOTHING
    conditions: list[_Condition] | None = None


class NodeObject(msgspec.Struct, gc=False):
    """A node, as far as watches change it; the rest is kept as it came."""

    metadata: _About
    spec: _NodeSpec | None = None
    status: _NodeStatus | None = None

    def build(self) -> int:
        """Stands for everything that is no single fact: its name, what it is made of, and what labels say of it."""
        about, status = self.metadata, self.status or _NodeStatus()
        parts = (about.labels, about.annotations, status.capacity, status.allocatable, status.nodeInfo)
        return hash((about.name, *map(bytes, parts)))


class _PodStatus(msgspec.Struct, gc=False):
    phase: str | None = None


class PodObject(msgspec.Struct, gc=False):
    """A pod, as far as watches change it."""

    metadata: _About
    spec: msgspec.Raw = _NOTHING
    status: _PodStatus | None = None


class _Place(msgspec.Struct, gc=False):
    nodeName: str | None = None


_node = msgspec.json.Decoder(NodeObject)
_pod = msgspec.json.Decoder(PodObject)
_place = msgspec.json.Decoder(_Place)


class _List(msgspec.Struct, gc=False):
    items: list[NodeObject] | None = None


listed: Final[Callable[[bytes], _List]] = msgspec.json.Decoder(_List).decode
"""The nodes of one page of a list. Raises msgspec.ValidationError."""


@dataclass(slots=True)
class _Known:
    """A node as it was told last."""

    id: NodeId
    build: int
    taints: bytes
    cordoned: bool
    health: Health


@dataclass(frozen=True, slots=True)
class Seat:
    """What a pod has that Kubernetes does not say: its number in its workload, and its devices on a node."""

    workload: WorkloadId
    replica: int
    node: str
    """As the cluster calls it."""
    accelerators: tuple[int, ...]


@dataclass(slots=True)
class _Seated:
    """A pod as it was told last."""

    asked: int
    """Stands for all of it but its place and its status."""
    said: int
    """Stands for all of it but its status."""
    seat: Seat | None


type Seats = Callable[[str, str], Seat | None]
"""The seat of the pod of that uid on the node of that name; None where it must be worked out with all its family."""
type Named = Callable[[str], NodeId]
"""What the estate calls a node of the cluster."""


@dataclass(slots=True)
class Told:
    """What became of objects: the facts that changed, and the objects that must be read whole."""

    changes: list[Change] = field(default_factory=list)
    whole: list[bytes] = field(default_factory=list)


class Nodes:
    """The nodes of one cluster. One task alone uses it."""

    def __init__(self, read: Callable[[Raw], Reading]) -> None:
        """`read` is how a node is read whole, whatever is missing: what conditions and taints mean it alone decides."""
        self._read = read
        self._known: dict[str, _Known] = {}
        self._healths: dict[tuple[tuple[str, str], ...], Health] = {}

    def know(self, raw: bytes) -> Reading:
        """Read a node whole, and know it from now on, unless something of it cannot be read. Raises BadInput."""
        reading = self._read(orjson.loads(raw))
        node = reading.node
        if reading.faults:
            self.forget(node.uid)
        else:
            found = _node.decode(raw)
            taints = bytes(found.spec.taints) if found.spec is not None else b"null"
            self._known[node.uid] = _Known(node.id, found.build(), taints, node.cordoned, node.health)
        return reading

    def forget(self, uid: str) -> None:
        """The node is gone, or can only be read in part."""
        self._known.pop(uid, None)

    def take(self, objects: Iterable[bytes]) -> Told:
        """What changed in nodes as a watch brings them, in their order."""
        told = Told()
        for raw in objects:
            try:
                found = _node.decode(raw)
                known = self._known.get(found.metadata.uid)
                if known is None or known.build != found.build():
                    told.whole.append(raw)
                else:
                    self._compare(known, found, told.changes)
            except (msgspec.MsgspecError, BadInput):
                told.whole.append(raw)  # whoever reads it whole says what is wrong with it
        return told

    def _compare(self, known: _Known, found: NodeObject, changes: list[Change]) -> None:
        spec, status = found.spec or _NodeSpec(), found.status or _NodeStatus()
        cordoned, raw_taints, health = bool(spec.unschedulable), bytes(spec.taints), self._health(status.conditions)
        taints = None if raw_taints == known.taints else self._alone(spec={"taints": orjson.loads(raw_taints)}).taints
        if cordoned != known.cordoned:
            changes.append(Cordoned(known.id, cordoned))
        if taints is not None:
            changes.append(Tainted(known.id, taints))
        if health is not known.health:
            changes.append(NodeJudged(known.id, health))
        known.cordoned, known.taints, known.health = cordoned, raw_taints, health

    def _health(self, conditions: list[_Condition] | None) -> Health:
        told = tuple([(c.type, c.status) for c in conditions or ()])
        found = self._healths.get(told)
        if found is None:
            form = [{"type": kind, "status": status} for kind, status in told]
            found = self._healths[told] = self._alone(status={"conditions": form}).health
            if len(self._healths) > _MOST_HEALTHS:
                self._healths.clear()
        return found

    def _alone(self, **parts: Raw) -> Node:
        """A node of which nothing else is known. Raises BadInput where a part cannot be read."""
        about: Raw = {"name": "alone", "uid": "alone"}
        reading = self._read({"metadata": about, **parts})
        if reading.faults:
            raise BadInput("; ".join(reading.faults))
        return reading.node


class Pods:
    """The pods of one cluster. One task alone uses it."""

    def __init__(self, seats: Seats, named: Named) -> None:
        self._seats, self._named = seats, named
        self._known: dict[str, _Seated] = {}

    def know(self, raw: bytes) -> None:
        """The pod was read whole off this object."""
        found = _pod.decode(raw)
        name = _place.decode(found.spec).nodeName if found.spec != _NOTHING else None
        seat = self._seats(found.metadata.uid, name) if name and not _over(found) else None
        self._known[found.metadata.uid] = _Seated(_asked(found, name), _said(found), seat)

    def take(self, objects: Iterable[bytes]) -> Told:
        """What changed in pods as a watch brings them, in their order: they are bound, and they end."""
        told = Told()
        for raw in objects:
            try:
                found = _pod.decode(raw)
                if not self._compare(found, told.changes):
                    told.whole.append(raw)
            except msgspec.MsgspecError:
                told.whole.append(raw)
        return told

    def drop(self, uid: str) -> Change | None:
        """The pod of that uid is gone; what that changed."""
        known = self._known.pop(uid, None)
        if known is None or known.seat is None:
            return None
        return Unbound(known.seat.workload, known.seat.replica)

    def _compare(self, found: PodObject, changes: list[Change]) -> bool:
        """Take one in; False where it must be read whole."""
        uid = found.metadata.uid
        known, said = self._known.get(uid), _said(found)
        if known is None:
            return False
        before = seat = known.seat
        if said != known.said:  # else it is where it was: most lines tell of its status alone
            name = _place.decode(found.spec).nodeName
            if known.asked != _asked(found, name):
                return False
            seat = self._seats(uid, name) if name else None
            if name and seat is None and not _over(found):
                return False
        seat = None if _over(found) else seat
        if before is None and seat is not None:
            binding = Binding.model_construct(
                replica=seat.replica, node=self._named(seat.node), accelerators=seat.accelerators
            )
            changes.append(Bound(seat.workload, binding))
        elif before is not None and seat is None:
            changes.append(Unbound(before.workload, before.replica))
        known.said, known.seat = said, seat
        return True


def _over(found: PodObject) -> bool:
    return found.status is not None and found.status.phase in _OVER


def _said(found: PodObject) -> int:
    about = found.metadata
    return hash((about.name, *map(bytes, (found.spec, about.labels, about.annotations, about.ownerReferences))))


def _asked(found: PodObject, node: str | None) -> int:
    about, spec = found.metadata, bytes(found.spec)
    if node:
        named = b'"nodeName":"%b"' % node.encode()
        spec = spec.replace(b"," + named, b"", 1) if b"," + named in spec else spec.replace(named + b",", b"", 1)
    return hash((about.name, spec, *map(bytes, (about.labels, about.annotations, about.ownerReferences))))
