"""The devices of one cluster that are known by name: what drivers offer, and who holds which. In memory, no I/O.

Called by `modelling` for each object of dynamic resource allocation; it says which nodes and which pods' workloads that
touches. Everything is found by index: a slice costs its node, a claim its devices.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from tools.kubernetes import claims, equipping, resources, slices
from tools.kubernetes.allotments import Allotments
from tools.kubernetes.claims import Claim, Claims, DeviceClass, Wanted
from tools.kubernetes.fields import Raw
from tools.kubernetes.resources import Resource
from tools.kubernetes.slices import Board, Device, Name, Slice


@dataclass(slots=True)
class Touched:
    """What may be another now."""

    nodes: set[str] = field(default_factory=set)
    """By name."""
    claims: set[tuple[str, str]] = field(default_factory=set)
    """Whoever names one of these claims."""
    spaces: set[str] = field(default_factory=set)
    """Every workload of these namespaces."""
    all: bool = False
    """Every workload."""


class Equipment:
    """One cluster's. One task alone uses it."""

    def __init__(self) -> None:
        self._slices: dict[str, Slice] = {}
        self._on: defaultdict[str, set[str]] = defaultdict(set)
        self._homes: dict[Name, str] = {}
        self._boards: dict[str, list[Board]] = {}
        self._places: dict[str, dict[Name, int]] = {}
        self._called: dict[str, tuple[str, str]] = {}
        self._claims = Claims()
        self._templates: dict[tuple[str, str], Wanted] = {}
        self._classes: dict[str, DeviceClass] = {}
        self._allotted: Counter[Name] = Counter()
        self.allotments = Allotments(self._claims, self._templates, self._classes, self._places, self._allotted)
        """What a workload is read with."""

    def boards(self, node: str) -> list[Board]:
        """What drivers offer on that node; nothing where nobody does."""
        return self._boards.get(node, [])

    def indexes(
        self, node: str, namespace: str, claims: Collection[str], addresses: Collection[str]
    ) -> tuple[int, ...]:
        """The devices of that node that these claims of the namespace hold, or that have one of these addresses."""
        places = self._places.get(node, {})
        held = [c for name in claims if (c := self._claims.held.get((namespace, name))) is not None]
        named = [b.device.name for b in self.boards(node) if b.device.pci_address in addresses]
        found = (*(device for claim in held for device in claim.devices), *named)
        return tuple(sorted({places[device] for device in found if device in places}))

    def put(self, resource: Resource, raw: Raw) -> Touched:
        """An object is there, or is another one now. Raises BadInput."""
        match resource.plural:
            case resources.SLICES.plural:
                return self._put_slice(slices.read(raw, resource.api_version))
            case resources.CLAIMS.plural:
                return self._put_claim(claims.claim(raw, resource.api_version))
            case resources.CLAIM_TEMPLATES.plural:
                wanted = claims.template(raw, resource.api_version)
                return self._put_template(wanted)
            case _:
                return self._put_class(claims.device_class(raw, resource.api_version))

    def drop(self, resource: Resource, uid: str) -> Touched:
        """An object is gone."""
        if resource.plural == resources.SLICES.plural:
            return self._settled(self._without_slice(uid))
        called = self._called.pop(uid, None)
        if called is None:
            return Touched()
        if resource.plural == resources.CLAIMS.plural:
            return self._without(called)
        if resource.plural == resources.CLAIM_TEMPLATES.plural:
            self._templates.pop(called, None)
            return Touched(spaces={called[0]})
        self._classes.pop(called[1], None)
        return Touched(all=True)

    def _put_slice(self, found: Slice) -> Touched:
        before = self._without_slice(found.uid)
        self._slices[found.uid] = found
        for device in found.devices:
            self._on[device.node].add(found.uid)
        return self._settled((*found.devices, *before))

    def _without_slice(self, uid: str) -> tuple[Device, ...]:
        before = self._slices.pop(uid, None)
        devices = before.devices if before is not None else ()
        for node in {d.node for d in devices}:
            self._on[node].discard(uid)
            if not self._on[node]:
                del self._on[node]
        return devices

    def _settled(self, devices: Iterable[Device]) -> Touched:
        """Lay out anew the nodes of these devices."""
        nodes = {d.node for d in devices if d.node}
        for node in nodes:
            self._lay_out(node)
        return Touched(nodes=nodes)

    def _lay_out(self, node: str) -> None:
        here = [self._slices[uid] for uid in sorted(self._on.get(node, ()))]
        boards = slices.boards(d for d in slices.newest(here) if d.node == node)
        for name in self._places.pop(node, {}):
            self._homes.pop(name, None)
        self._boards.pop(node, None)
        if boards:
            self._boards[node] = boards
            self._places[node] = equipping.places(boards)
            self._homes.update(dict.fromkeys(self._places[node], node))

    def _put_claim(self, found: Claim) -> Touched:
        called = found.namespace, found.name
        if self._claims.held.get(called) == found:
            return Touched()
        touched = self._without(called)
        self._called[found.uid], self._claims.held[called] = called, found
        self._allotted.update(found.devices)
        touched.nodes |= self._nodes_of(found.devices)
        return touched

    def _without(self, called: tuple[str, str]) -> Touched:
        before = self._claims.held.pop(called, None)
        devices = before.devices if before is not None else ()
        for name in devices:
            self._allotted[name] -= 1
            if self._allotted[name] <= 0:
                del self._allotted[name]
        return Touched(nodes=self._nodes_of(devices), claims={called})

    def _nodes_of(self, devices: Iterable[Name]) -> set[str]:
        return {self._homes[d] for d in devices if d in self._homes}

    def _put_template(self, found: Wanted) -> Touched:
        called = found.namespace, found.name
        self._called[found.uid], self._templates[called] = called, found
        return Touched(spaces={found.namespace})

    def _put_class(self, found: DeviceClass) -> Touched:
        if self._classes.get(found.name) == found:
            return Touched()
        self._called[found.uid], self._classes[found.name] = ("", found.name), found
        return Touched(all=True)
