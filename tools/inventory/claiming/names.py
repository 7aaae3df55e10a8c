"""Who is meant: senders' mentions to things of the estate. Pure; an index that only ever grows another.

By what an administrator wrote of a target; else by a strong alias (UUID, serial number, the cloud's own id); else by
the name that exactly one thing has. What fits two things fits none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from immutables import Map

from estate.aliases import Alias, AliasKind
from estate.fabrics.links import Link
from estate.hardware import Node
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.neighbours import accelerator
from estate.references import Ref
from estate.snapshots import Snapshot
from tools.payloads.facts import mentions
from tools.payloads.facts.mentions import Mention, MentionKind
from tools.payloads.facts.statements import Fact, Relation, Tie

_SUFFIXES = 2
"""What a ReplicaSet's pod has behind its owner's name: a hash and a word."""
_ROOT = "/redfish/v1/"
_WHOLE = 2
"""Steps below the root at which a chassis or system stands."""
_SINGLE = ("pdu", "feed", "ups", "transformer", "cdu", "loop")


class Place(NamedTuple):
    """A thing of the estate, and which part of it is meant; empty: all of it."""

    ref: Ref
    part: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """What is known of names beside what a snapshot finds by itself."""

    _named: Map[str, frozenset[Ref]] = field(default_factory=Map)
    """Who has a strong name of the machine's or the board's maker, or of the cloud's."""
    _of: Map[NodeId, tuple[tuple[str, Ref], ...]] = field(default_factory=Map)
    _paths: Map[tuple[str, str], Ref] = field(default_factory=Map)
    """What a path of a Redfish service is; under the empty one, what all of it is."""

    def seen(self, nodes: Iterable[Node], gone: Iterable[NodeId] = ()) -> Self:
        """With the strong names of these nodes, and without those of others."""
        named, of = self._named, self._of
        for name in gone:
            named, of = _forgotten(named, of.get(name, ())), of.delete(name) if name in of else of
        for node in nodes:
            before, now = of.get(node.id, ()), tuple(_strong(node))
            if before != now:
                named = _learned(_forgotten(named, before), now)
                of = of.set(node.id, now) if now else of.delete(node.id) if node.id in of else of
        return self if named is self._named else replace(self, _named=named, _of=of)

    def told(self, target: str, facts: Iterable[Fact], written: Mapping[str, Ref], snapshot: Snapshot) -> Self:
        """With what a Redfish service's paths are, as `written` by its administrator and by their strong names."""
        told = self._told(target, facts, snapshot)
        if "" in written:
            told = {key: ref for key, ref in told.items() if ref.kind == "accelerator"}
        told |= {(target, path): ref for path, ref in written.items()}
        fresh = {key: ref for key, ref in told.items() if self._paths.get(key) != ref}
        return replace(self, _paths=self._paths.update(fresh)) if fresh else self

    def place(self, mention: Mention, snapshot: Snapshot) -> Place | None:
        """What a sender means; None where nothing, or more than one thing, answers."""
        if mention.kind is MentionKind.CHASSIS:
            return self._chassis(mention, snapshot)
        if mention.kind is MentionKind.SWITCH_PORT:
            return _switch_port(mention, snapshot)
        found = self._thing(mention, snapshot)
        own = mention.kind in (MentionKind.MODEL_SERVER, MentionKind.OFFER)  # their part tells one of several apart
        return Place(found, "" if own else mention.part) if found is not None else None

    def _thing(self, mention: Mention, snapshot: Snapshot) -> Ref | None:
        match mention.kind:
            case MentionKind.GPU_UUID:
                device = snapshot.accelerator(mention.value)
                return accelerator(device.node, device.index) if device is not None else None
            case MentionKind.GPU_INDEX | MentionKind.PCI_ADDRESS:
                return _device(mention, snapshot)
            case MentionKind.NODE:
                named = snapshot.named(ClusterId(mention.scope), mention.value)
                return Ref("node", named) if named is not None else None
            case MentionKind.HOSTNAME:
                return _host(mention.value, snapshot)
            case MentionKind.PORT:
                host = _host(mention.scope, snapshot)
                return Ref("port", f"{host.id}/{mention.value}") if host is not None else None
            case MentionKind.MODEL_SERVER:
                return _server(mention, snapshot)
            case MentionKind.SERIAL | MentionKind.SYSTEM_UUID | MentionKind.PROVIDER_ID:
                return self._strongly(mention, snapshot)
            case MentionKind.OFFER:
                value = f"{mention.scope}/{mention.value}"
                return snapshot.stock.known_as(Alias(kind=AliasKind.PROVIDER_ID, value=value))
            case _:
                return None

    def _strongly(self, mention: Mention, snapshot: Snapshot) -> Ref | None:
        found = set(self._named.get(_key(mention), frozenset()))
        item = snapshot.stock.known_as(Alias(kind=AliasKind(mention.kind.value), value=mention.value))
        found |= {item} if item is not None else set()
        return found.pop() if len(found) == 1 else None

    def _chassis(self, mention: Mention, snapshot: Snapshot) -> Place | None:
        service, path = mention.scope, mention.whole().value
        for prefix in _prefixes(path):
            ref = self._paths.get((service, prefix))
            if ref is not None:
                return Place(ref, _part(path.removeprefix(prefix), mention.part))
        whole = self._paths.get((service, "")) or _called(service, snapshot)
        if whole is None:
            return None
        steps = path.removeprefix(_ROOT).split("/")
        return Place(whole, _part("" if len(steps) <= _WHOLE else "/".join(steps), mention.part))

    def _told(self, target: str, facts: Iterable[Fact], snapshot: Snapshot) -> dict[tuple[str, str], Ref]:
        """By what its systems, boards and processors say of themselves. Two answers for one path are none."""
        ties = [f for f in facts if isinstance(f, Relation) and f.subject.kind is MentionKind.CHASSIS]
        same: dict[str, set[Ref]] = {}
        for tie in ties:
            if tie.tie is Tie.SAME_AS and not tie.subject.part and tie.other.strong:
                ref = self._thing(tie.other, snapshot)
                same.setdefault(tie.subject.value, set()).update({ref} if ref is not None else ())
        for tie in ties:
            if tie.tie is Tie.CONTAINED_BY and tie.other.kind is MentionKind.CHASSIS and same.get(tie.subject.value):
                same.setdefault(tie.other.value, set()).update(same[tie.subject.value])
        return {(target, path): next(iter(refs)) for path, refs in same.items() if len(refs) == 1}


def _strong(node: Node) -> Iterator[tuple[str, Ref]]:
    ref = Ref("node", node.id)
    names = (
        (MentionKind.SERIAL, node.serial),
        (MentionKind.SYSTEM_UUID, node.system_uuid),
        (MentionKind.PROVIDER_ID, mentions.provider(node.provider_id).value if node.provider_id else ""),
    )
    yield from ((f"{kind.value} {value.lower()}", ref) for kind, value in names if value)
    for device in node.accelerators:
        if device.serial:
            yield f"{MentionKind.SERIAL.value} {device.serial.lower()}", accelerator(node.id, device.index)


def _key(mention: Mention) -> str:
    return f"{mention.kind.value} {mention.value.lower()}"


def _learned(named: Map[str, frozenset[Ref]], names: Iterable[tuple[str, Ref]]) -> Map[str, frozenset[Ref]]:
    for key, ref in names:
        named = named.set(key, named.get(key, frozenset()) | {ref})
    return named


def _forgotten(named: Map[str, frozenset[Ref]], names: Iterable[tuple[str, Ref]]) -> Map[str, frozenset[Ref]]:
    for key, ref in names:
        left = named.get(key, frozenset()) - {ref}
        named = named.set(key, left) if left else named.delete(key)
    return named


def _prefixes(path: str) -> Iterator[str]:
    """The path and all above it, longest first."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def _part(*steps: str) -> str:
    return "/".join(s.strip("/") for s in steps if s.strip("/"))


def _device(mention: Mention, snapshot: Snapshot) -> Ref | None:
    host = _host(mention.scope, snapshot)
    node = snapshot.node(NodeId(host.id)) if host is not None else None
    for device in node.accelerators if node is not None else ():
        name = str(device.index) if mention.kind is MentionKind.GPU_INDEX else device.pci_address
        if name == mention.value and node is not None:
            return accelerator(node.id, device.index)
    return None


def _host(name: str, snapshot: Snapshot) -> Ref | None:
    """The node that exactly one cluster calls so."""
    found = {n for c in snapshot.facts.clusters if (n := snapshot.named(c.id, name)) is not None}
    return Ref("node", found.pop()) if len(found) == 1 else None


def _called(name: str, snapshot: Snapshot) -> Ref | None:
    """What a BMC is called by whoever configured it: a node's id or name, or a part of the power chain."""
    if snapshot.node(NodeId(name)) is not None:
        return Ref("node", name)
    parts = (Ref(kind, name) for kind in _SINGLE)
    return next((ref for ref in parts if snapshot.stock.get(ref) is not None), None) or _host(name, snapshot)


def _switch_port(mention: Mention, snapshot: Snapshot) -> Place | None:
    """The link at that port of the switch; of its other end only a part, so that nothing counts twice."""
    switch = Ref("switch", mention.scope.lower())
    found = [
        (link, number)
        for ref in snapshot.stock.naming(switch)
        if isinstance(link := snapshot.stock.get(ref), Link)
        for number, end in enumerate(link.ends)
        if end.of == switch and end.port == mention.value
    ]
    if len(found) != 1:
        return None
    ((link, number),) = found
    return Place(link.ref, _part("back" if number else "", mention.part))


def _server(mention: Mention, snapshot: Snapshot) -> Ref | None:
    """The workload of a model server's pod: of the pod's name, or of that without what its ReplicaSet added."""
    namespace, _, pod = mention.value.partition("/")
    clusters = [ClusterId(mention.scope)] if mention.scope else [c.id for c in snapshot.facts.clusters]
    name = pod
    for _ in range(_SUFFIXES + 1):
        found: set[WorkloadId] = {w for c in clusters if (w := snapshot.workload_named(c, namespace, name)) is not None}
        if found:
            return Ref("workload", found.pop()) if len(found) == 1 else None
        name = name.rpartition("-")[0]
    return None
