"""`FrozenEstate`: the Snapshot on persistent maps (HAMT); a change of one thing costs O(log n).

It stands on nothing (a twin's world, a live read) or on a ground (the inventory's columns), to which it adds what is
otherwise: the what-if of a rehearsal over a large estate costs what it changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter
from typing import Self

from immutables import Map

from estate.grounds import Ground
from estate.hardware import Health, Node
from estate.ids import ClusterId, GangId, NodeId, ObjectId, RackId, SiteId, TenantId, WorkloadId
from estate.items import Item
from estate.law import Facts
from estate.layers import Layer
from estate.neighbours import groups
from estate.objects import Sighting
from estate.readings import Reading, Table
from estate.references import Ref
from estate.snapshots import SnapshotVersion
from estate.stock import Stock
from estate.tallies import Share, Tally
from estate.things import AcceleratorRef
from estate.trails import Trail
from estate.units import Watts
from estate.workloads import Workload

type _Groups = Layer[Ref, frozenset[NodeId]]
type _Gangs = Layer[GangId, frozenset[WorkloadId]]
type _WorkloadNames = Layer[tuple[ClusterId, str, str], WorkloadId]


@dataclass(frozen=True, slots=True)
class FrozenEstate:
    """See `estate.snapshots.Snapshot` for what each method answers."""

    version: SnapshotVersion
    facts: Facts
    stock: Stock = field(default_factory=Stock)
    _ground: Ground | None = None
    _nodes: Layer[NodeId, Node] = field(default_factory=Layer)
    _workloads: Layer[WorkloadId, Workload] = field(default_factory=Layer)
    _on: Layer[NodeId, frozenset[WorkloadId]] = field(default_factory=Layer)
    _tally: Tally = field(default_factory=Tally)
    """Of racks and sites, only what the ground's sums lack."""
    _names: Layer[tuple[ClusterId, str], NodeId] = field(default_factory=Layer)
    _workload_names: _WorkloadNames = field(default_factory=Layer)
    _uuids: Layer[str, AcceleratorRef] = field(default_factory=Layer)
    _groups: _Groups = field(default_factory=Layer)
    _gangs: _Gangs = field(default_factory=Layer)
    _objects: Map[ObjectId, Sighting] = field(default_factory=Map)
    _complete: bool = False
    _measured: Table = field(default_factory=dict, compare=False)
    _trail: Trail = field(default_factory=Trail, compare=False)

    @classmethod
    def of(
        cls,
        version: SnapshotVersion,
        facts: Facts,
        nodes: Iterable[Node] = (),
        workloads: Iterable[Workload] = (),
        items: Iterable[Item] = (),
    ) -> Self:
        """A snapshot of these things."""
        estate = cls(version, facts, Stock.of(items))
        for node in nodes:
            estate = estate.with_node(node)
        for workload in workloads:
            estate = estate.with_workload(workload)
        return estate

    @classmethod
    def over(cls, ground: Ground, version: SnapshotVersion, facts: Facts, stock: Stock) -> Self:
        """The ground as it is, under the facts by which it places its nodes, with that stock."""
        return cls(
            version,
            facts,
            stock,
            ground,
            _nodes=Layer(ground.node),
            _workloads=Layer(ground.workload),
            _on=Layer(ground.residents),
            _tally=ground.tally(),
            _names=Layer(ground.named),
            _workload_names=Layer(ground.workload_named),
            _uuids=Layer(ground.accelerator),
            _groups=Layer(ground.holding),
            _gangs=Layer(ground.gang),
            _trail=Trail(start=ground),
        )

    @property
    def ground(self) -> Ground | None:
        """What it stands on, for engines that read it as arrays."""
        return self._ground

    def above(self) -> frozenset[NodeId] | None:
        """The nodes that may be otherwise than on its ground; None when that is not known (any more)."""
        return self._trail.nodes_since(self._ground)

    def node(self, node: NodeId) -> Node | None:
        return self._nodes.get(node)

    def workload(self, workload: WorkloadId) -> Workload | None:
        return self._workloads.get(workload)

    def nodes(self) -> Iterable[Node]:
        return self._nodes.values(self._ground.nodes() if self._ground else (), attrgetter("id"))

    def workloads(self) -> Iterable[Workload]:
        return self._workloads.values(self._ground.workloads() if self._ground else (), attrgetter("id"))

    def workloads_on(self, node: NodeId) -> tuple[Workload, ...]:
        found = (self._workloads.get(w) for w in sorted(self._on.get(node) or ()))
        return tuple(w for w in found if w is not None)

    def in_gang(self, gang: GangId) -> tuple[Workload, ...]:
        found = (self._workloads.get(w) for w in sorted(self._gangs.get(gang) or ()))
        return tuple(w for w in found if w is not None)

    def nodes_in(self, rack: RackId) -> tuple[Node, ...]:
        known = self.facts.rack.get(rack)
        members = sorted(known.nodes) if known else ()
        found = (self._nodes.get(n) for n in members)
        return tuple(n for n in found if n is not None)

    def rack_of(self, node: NodeId) -> RackId | None:
        return self.facts.rack_of.get(node)

    def site_of(self, node: NodeId) -> SiteId | None:
        rack = self.rack_of(node)
        return self.facts.rack[rack].site if rack else None

    def taken(self, node: NodeId) -> frozenset[int]:
        if self._ground is not None and not self._is_changed(node):
            return self._ground.taken(node)
        return frozenset(i for w in self._bound_to(node) for b in w.on(node) for i in b.accelerators)

    def node_watts(self, node: NodeId) -> Watts:
        if self._ground is not None and not self._is_changed(node):
            return self._ground.node_watts(node)
        found = self._nodes.get(node)
        return Watts(0) if found is None else self._load(found)[1]

    def rack_watts(self, rack: RackId) -> Watts:
        return Watts(self._tally.rack_watts.get(rack, 0) + (self._ground.rack_watts(rack) if self._ground else 0))

    def site_watts(self, site: SiteId) -> Watts:
        return Watts(self._tally.site_watts.get(site, 0) + (self._ground.site_watts(site) if self._ground else 0))

    def tenant_devices(self, tenant: TenantId) -> int:
        below = self._ground.tenant_devices(tenant) if self._ground else 0
        return below + self._tally.tenant_devices.get(tenant, 0)

    def tenant_watts(self, tenant: TenantId) -> Watts:
        below = self._ground.tenant_watts(tenant) if self._ground else 0
        return Watts(below + self._tally.tenant_watts.get(tenant, 0))

    def fenced_in(self, rack: RackId) -> int:
        return self._tally.rack_fenced.get(rack, 0) + (self._ground.fenced_in(rack) if self._ground else 0)

    def fenced_at(self, site: SiteId) -> int:
        return self._tally.site_fenced.get(site, 0) + (self._ground.fenced_at(site) if self._ground else 0)

    def stranded_accelerators(self) -> int:
        return self._tally.stranded

    def touched_since(self, earlier: Self) -> frozenset[NodeId] | None:
        if self.facts is not earlier.facts:
            return None
        found = self._trail.since(earlier._trail)
        return self._touched_below(earlier) if found is None else found

    def named(self, cluster: ClusterId, name: str) -> NodeId | None:
        return self._names.get((cluster, name))

    def holding(self, ref: Ref) -> frozenset[NodeId]:
        return self._groups.get(ref) or frozenset()

    def accelerator(self, uuid: str) -> AcceleratorRef | None:
        return self._uuids.get(uuid)

    def workload_named(self, cluster: ClusterId, namespace: str, name: str) -> WorkloadId | None:
        return self._workload_names.get((cluster, namespace, name))

    def readings(self, ref: Ref) -> tuple[Reading, ...]:
        if ref.kind != "accelerator":
            return self._measured.get(ref, ())
        name, _, index = ref.id.rpartition("/")
        found = self.node(NodeId(name)) if self._ground is not None else None
        devices = (a.uuid for a in found.accelerators if str(a.index) == index) if found is not None else ()
        return next((self._ground.measured(uuid) for uuid in devices if self._ground is not None), ())

    def told_at(self, ref: Ref) -> datetime | None:
        return self._ground.told_at(ref) if self._ground is not None else None

    def measuring(self, table: Table) -> Self:
        """The same with these readings of what is no device."""
        return replace(self, _measured=table)

    def object(self, object: ObjectId) -> Sighting | None:
        return self._objects.get(object) or (Sighting(id=object) if self._complete else None)

    def with_object(self, sighting: Sighting) -> Self:
        return replace(self, _objects=self._objects.set(sighting.id, sighting))

    def complete(self) -> Self:
        """The same, as a world that knows of every object: what it has not is not there."""
        return replace(self, _complete=True)

    def with_node(self, node: Node) -> Self:
        base = self if self._is_known_as(node) else self._forget_names(node.id)._learn_names(node)
        held = _connected(self._groups, self._nodes.get(node.id), node)
        return replace(base, _nodes=base._nodes.set(node.id, node), _groups=held)._settled(self, {node.id})

    def with_workload(self, workload: Workload) -> Self:
        before = self._workloads.get(workload.id)
        old, new = _nodes_of(before), _nodes_of(workload)
        on = self._on
        for node in old | new:
            others = (on.get(node) or frozenset()) - {workload.id}
            on = on.set(node, others | {workload.id} if node in new else others)
        names = self._workload_names
        if before is not None:
            names = _dropped(names, before)
        names = names.set(_name_of(workload), workload.id)
        changed = replace(
            self,
            _workloads=self._workloads.set(workload.id, workload),
            _on=on,
            _gangs=_regrouped(self._gangs, before, workload),
            _workload_names=names,
            _tally=self._tally.asked(before, workload),
        )
        return changed._settled(self, old | new)

    def without_node(self, node: NodeId) -> Self:
        before = self._nodes.get(node)
        if before is None:
            return self
        base = self._forget_names(node)
        left = _connected(self._groups, before, None)
        return replace(base, _nodes=base._nodes.delete(node), _groups=left)._settled(self, {node})

    def without_workload(self, workload: WorkloadId) -> Self:
        before = self._workloads.get(workload)
        if before is None:
            return self
        on = self._on
        for node in _nodes_of(before):
            on = on.set(node, (on.get(node) or frozenset()) - {workload})
        changed = replace(
            self,
            _workloads=self._workloads.delete(workload),
            _on=on,
            _gangs=_regrouped(self._gangs, before, None),
            _workload_names=_dropped(self._workload_names, before),
            _tally=self._tally.asked(before, None),
        )
        return changed._settled(self, _nodes_of(before))

    def with_stock(self, stock: Stock) -> Self:
        return replace(self, stock=stock)

    def with_facts(self, facts: Facts) -> Self:
        rebuilt = type(self).of(self.version, facts, self.nodes(), self.workloads())
        return replace(
            rebuilt,
            stock=self.stock,
            _names=self._names,
            _workload_names=self._workload_names,
            _uuids=self._uuids,
            _objects=self._objects,
            _complete=self._complete,
            _measured=self._measured,
        )

    def at(self, version: SnapshotVersion) -> Self:
        return replace(self, version=version)

    def _is_known_as(self, node: Node) -> bool:
        """Whether the node's names lead to it already: most changes of a node leave them, and its devices, alone."""
        before = self._nodes.get(node.id)
        return (
            before is not None
            and before.accelerators is node.accelerators
            and (before.cluster, before.name) == (node.cluster, node.name)
            and self._names.get((node.cluster, node.name)) == node.id
            and all((ref := self._uuids.get(a.uuid)) is not None and ref.node == node.id for a in node.accelerators)
        )

    def _learn_names(self, node: Node) -> Self:
        uuids = self._uuids.update({a.uuid: AcceleratorRef(node=node.id, index=a.index) for a in node.accelerators})
        return replace(self, _names=self._names.set((node.cluster, node.name), node.id), _uuids=uuids)

    def _forget_names(self, node: NodeId) -> Self:
        before = self._nodes.get(node)
        if before is None:
            return self
        uuids = self._uuids
        for accelerator in before.accelerators:
            if uuids.get(accelerator.uuid) == AcceleratorRef(node=node, index=accelerator.index):
                uuids = uuids.delete(accelerator.uuid)
        names = self._names
        if names.get((before.cluster, before.name)) == node:
            names = names.delete((before.cluster, before.name))
        return replace(self, _uuids=uuids, _names=names)

    def _is_changed(self, node: NodeId) -> bool:
        """Whether the node or what runs there may be otherwise than on the ground."""
        return node in self._nodes.changed or node in self._on.changed

    def _touched_below(self, earlier: FrozenEstate) -> frozenset[NodeId] | None:
        """Where they may differ if both stand on grounds of one line, each with what it adds."""
        if self._ground is None or earlier._ground is None:
            return None
        added, other = self._trail.nodes_since(self._ground), earlier._trail.nodes_since(earlier._ground)
        below = self._ground.touched_since(earlier._ground)
        return None if below is None or added is None or other is None else below | added | other

    def _settled(self, before: FrozenEstate, nodes: set[NodeId]) -> Self:
        """This copy, just made, with sums and trail once these nodes, or what runs on them, went on from `before`."""
        tally = self._tally
        for node in nodes:
            tally = tally.exchanged(before._share(node), self._share(node))
        # Nobody else has seen this copy: the sums are put in rather than all copied again.
        object.__setattr__(self, "_tally", tally)
        object.__setattr__(self, "_trail", self._trail.further(nodes))
        return self

    def _share(self, node: NodeId) -> Share | None:
        found = self._nodes.get(node)
        if found is None:
            return None
        if self._ground is not None and not self._is_changed(node):
            taken, watts = self._ground.taken(node), self._ground.node_watts(node)
        else:
            taken, watts = self._load(found)
        rack, fenced = self.facts.rack_of.get(node), found.fenced
        return Share(
            rack=rack,
            site=self.facts.rack[rack].site if rack else None,
            watts=watts,
            fenced=fenced,
            open=not fenced and found.health is Health.HEALTHY,
            free=sum(1 for a in found.accelerators if a.health is Health.HEALTHY and a.index not in taken),
        )

    def _load(self, node: Node) -> tuple[frozenset[int], Watts]:
        """The devices of a node that replicas hold, and what it draws with them, both in one pass."""
        held, drawn = list[int](), int(node.idle_watts)
        for workload in self._bound_to(node.id):
            for binding in workload.bindings:
                if binding.node == node.id:
                    held += binding.accelerators
                    drawn += workload.watts_per_accelerator * len(binding.accelerators)
        return frozenset(held), Watts(drawn if node.power_cap_watts is None else min(drawn, node.power_cap_watts))

    def _bound_to(self, node: NodeId) -> list[Workload]:
        """The workloads with a replica there, in no order."""
        return [w for name in self._on.get(node) or () if (w := self._workloads.get(name)) is not None]


def _connected(held: _Groups, before: Node | None, after: Node | None) -> _Groups:
    """Who is on which NVLink domain and switch, once a node went from `before` to `after`."""
    old, new = (frozenset() if node is None else groups(node) for node in (before, after))
    for node, refs, joins in ((before, old - new, False), (after, new - old, True)):
        for ref in refs:
            assert node is not None
            members = held.get(ref) or frozenset()
            members = members | {node.id} if joins else members - {node.id}
            held = held.set(ref, members) if members else held.delete(ref)
    return held


def _nodes_of(workload: Workload | None) -> set[NodeId]:
    return {b.node for b in workload.bindings} if workload else set()


def _regrouped(gangs: _Gangs, before: Workload | None, after: Workload | None) -> _Gangs:
    """Who is in which gang once a workload went from `before` to `after`; a gang without members has no entry."""
    old, new = ({g.id: w.id for g in w.gangs} if w is not None else {} for w in (before, after))
    for gang in old.keys() - new.keys():
        left = (gangs.get(gang) or frozenset()) - {old[gang]}
        gangs = gangs.set(gang, left) if left else gangs.delete(gang)
    for gang in new.keys() - old.keys():
        gangs = gangs.set(gang, (gangs.get(gang) or frozenset()) | {new[gang]})
    return gangs


def _name_of(workload: Workload) -> tuple[ClusterId, str, str]:
    return (workload.cluster, workload.namespace, workload.name)


def _dropped(names: _WorkloadNames, workload: Workload) -> _WorkloadNames:
    key = _name_of(workload)
    return names.delete(key) if names.get(key) == workload.id else names
