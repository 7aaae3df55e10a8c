"""From the estate's names to the objects of the clusters in reach, read live and mapped as the source maps them.

Called before every write and for every condition; keeps nothing but the uid of each cluster, so that no answer is
ever a cache's. A cluster whose `kube-system` is not the one that the signed facts know is refused before anything is
read.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from estate import hardware, manifests, pooling
from estate.conditions import Condition, Field
from estate.errors import Denied, RetryLater
from estate.frozen import FrozenEstate
from estate.ids import ClusterId, InstallationId, MachineGroupId, NodeId, ObjectId, Uid, WorkloadId
from estate.law import Facts
from estate.objects import Sighting
from estate.snapshots import SnapshotVersion
from estate.things import ThingKind
from estate.workloads import Workload
from tools.execution.kubernetes import allotting, groups
from tools.execution.kubernetes.listing import listed, listing
from tools.execution.kubernetes.watching import Since
from tools.execution.kubernetes.writing import Address, Found, find
from tools.kubernetes import chains, fields, naming, nodes, objects, ownership, resources, workloads
from tools.kubernetes.allotments import Allotments
from tools.kubernetes.connecting import Connection, Object
from tools.kubernetes.fields import Raw
from tools.kubernetes.numbering import Numbering
from tools.kubernetes.objects import Owner
from tools.kubernetes.resources import Resource

_LIVE = SnapshotVersion(installation=InstallationId("live"), epoch=0, sequence=0)
_BETWEEN: Mapping[str, tuple[Resource, ...]] = {
    "Deployment": (resources.REPLICA_SETS,),
    "CronJob": (resources.JOBS,),
    "ReplicaSet": (),
    "StatefulSet": (),
    "Job": (),
    "Pod": (),
}
_ANY_BETWEEN = (resources.REPLICA_SETS, resources.STATEFUL_SETS, resources.JOBS)


@dataclass(frozen=True, slots=True)
class Household:
    """One workload as its cluster has it: its controller, its pods and what the estate makes of both."""

    owner: Found
    pods: tuple[Object, ...]
    workload: Workload
    since: tuple[Since, ...] = ()
    """What to watch for another sight of it: the controller and its pods, from the versions that were read."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a workload's id says: where its controller is."""

    cluster: ClusterId
    namespace: str
    kind: str
    name: str

    @property
    def resource(self) -> Resource | None:
        """The kind of its controller, where Placet reads it."""
        return next((r for r in resources.BY_KIND.values() if r.kind.lower() == self.kind), None)


class Reach:
    """The clusters of one executor."""

    def __init__(
        self,
        clusters: Mapping[ClusterId, Connection],
        facts: Callable[[], Facts],
        uids: dict[ClusterId, str] | None = None,
    ) -> None:
        """`uids` are those of clusters that were asked already."""
        self._clusters = clusters
        self._facts = facts
        self._uids = {} if uids is None else uids

    def once(self) -> Reach:
        """The same clusters, each node read once: for a rehearsal, which is one look at them and writes nothing."""
        return _Once(self._clusters, self._facts, self._uids)

    @property
    def facts(self) -> Facts:
        """The signed facts in force."""
        return self._facts()

    def holds(self, cluster: ClusterId) -> bool:
        """Whether that cluster is one of them."""
        return cluster in self._clusters

    async def connection(self, cluster: ClusterId) -> Connection:
        """The connection to that cluster, which is the one that the facts know.

        Raises:
            Denied: it is another cluster, or not in reach.
        """
        if (connection := self._clusters.get(cluster)) is None:
            raise Denied(f"cluster `{cluster}` is not in this executor's reach; give it its credentials")
        if cluster not in self._uids:
            identity = await connection.request("GET", resources.IDENTITY)
            self._uids[cluster] = str(identity["metadata"]["uid"])
        naming.recognise(self.facts, cluster, self._uids[cluster])
        return connection

    async def node(self, node: NodeId, uid: Uid | None = None) -> Found | None:
        """The node object behind that id, in whichever cluster it is; where two clusters have one, that of this uid,
        else the first. A cluster that cannot be asked hides no node of another, and leaves open whether it has this
        one.

        Raises:
            RetryLater, Denied: no cluster that answers has it, and one does not answer, or is not the one it should be.
        """
        asked = [asyncio.create_task(self._node_in(c, n), name=f"node {n} of {c}") for c, n in self._called(node)]
        try:
            return await _first_found(asked, uid)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _node_in(self, cluster: ClusterId, name: str) -> Found | None:
        return await find(await self.connection(cluster), Address(resources.NODES, name))

    def _called(self, node: NodeId) -> Iterator[tuple[ClusterId, str]]:
        """Where a node of that id could be, and what its cluster would call it."""
        for cluster in self._clusters:
            for name in dict.fromkeys((node.removeprefix(f"{cluster}."), str(node))):
                if naming.node_id(self.facts, cluster, name) == node:
                    yield cluster, name

    async def object(self, address: manifests.Address) -> Found | None:
        """The object at that address, read live."""
        return await self.object_at(await self.connection(address.cluster), self.address(address))

    async def object_at(self, connection: Connection, address: Address) -> Found | None:
        """The same, where its connection is known."""
        return await find(connection, address)

    def address(self, address: manifests.Address) -> Address:
        """Where the API has it."""
        return Address(resources.APPLIED[address.kind], address.name, address.namespace)

    def sighting(self, address: manifests.Address, found: Found | None) -> Sighting:
        """What the estate makes of what was found at that address."""
        place = ObjectId(str(address))
        return Sighting(id=place) if found is None else self._sighted(place, found)

    def sighting_of(self, found: Found) -> Sighting:
        """What the estate makes of an object that is there."""
        where = found.address
        place = manifests.Address(
            self.cluster_of(found), where.resource.api_version, where.resource.kind, where.namespace, where.name
        )
        return self._sighted(ObjectId(str(place)), found)

    def _sighted(self, place: ObjectId, found: Found) -> Sighting:
        return Sighting(
            id=place,
            uid=Uid(found.uid),
            form=ownership.held_form(found.raw),
            others=ownership.strangers(found.raw),
            ending=bool(found.raw["metadata"].get("deletionTimestamp")),
        )

    def node_of(self, found: Found) -> hardware.Node:
        """What the estate makes of a node object."""
        return nodes.node(found.raw, self.facts, self.cluster_of(found))

    def cluster_of(self, found: Found) -> ClusterId:
        """The cluster that an object was read from."""
        return next(c for c, connection in self._clusters.items() if connection is found.connection)

    def place(self, workload: WorkloadId) -> Place | None:
        """Where the controller of that workload is; None when its cluster is not in reach."""
        cluster, _, rest = workload.partition(".")
        parts = rest.split(".", 2)
        if ClusterId(cluster) not in self._clusters or len(parts) != 3:
            return None
        return Place(ClusterId(cluster), *parts)

    async def household(self, workload: WorkloadId) -> Household | None:
        """A workload whose controller Placet reads, with its pods (finished ones left out)."""
        place = self.place(workload)
        if place is None or place.resource is None:
            return None
        connection = await self.connection(place.cluster)
        owner = await find(connection, Address(place.resource, place.name, place.namespace))
        if owner is None:
            return None
        pods, change = await self._pods_of(owner)
        budgets = await listed(connection, resources.BUDGETS, place.namespace)
        allotments = await allotting.allotments(connection, place.namespace, pods)
        made = workloads.workload(owner.raw, pods, budgets, self.facts, place.cluster, Numbering(allotments))
        since = (Since.of(connection, place.resource, place.namespace, place.name, owner.version), change)
        return Household(owner, tuple(p for p in pods if objects.pod(p).counts), made, since) if made else None

    async def residents(self, node: Found) -> dict[WorkloadId, list[Object]]:
        """The pods on a node that are replicas of the estate's workloads, by workload."""
        pods = await listed(node.connection, resources.PODS, fields=f"spec.nodeName={node.address.name}")
        return await self.by_workload(node, pods)

    async def by_workload(self, node: Found, pods: Sequence[Object]) -> dict[WorkloadId, list[Object]]:
        """Pods of the cluster that the node is in, by the estate's workload; nothing is read where there are none."""
        cluster = self.cluster_of(node)
        found: dict[WorkloadId, list[Object]] = {}
        for namespace in sorted({p["metadata"]["namespace"] for p in pods}):
            here = [p for p in pods if p["metadata"]["namespace"] == namespace]
            allotments = await allotting.allotments(node.connection, namespace, here)
            for owner, mine in (await self.families(node.connection, namespace, here)).values():
                if (made := self._partly(owner, mine, cluster, allotments)) is not None:
                    found[made.id] = mine
        return found

    async def sight(self, conditions: Iterable[Condition], *read: hardware.Node | Workload | Sighting) -> FrozenEstate:
        """The estate as far as these conditions speak of it, read now; what was `read` a moment ago is not read
        again.
        """
        sight = self.estate(*read)
        for about, field, uid in dict.fromkeys((c.about, c.field, c.uid) for c in conditions):
            match about.kind:
                case ThingKind.WORKLOAD | ThingKind.RESIDENT:
                    name = WorkloadId(about.id.partition("@")[0])
                    sight = await self._with_workload(sight, name)
                case ThingKind.NODE:
                    sight = await self._with_node(sight, NodeId(about.id), uid, residents=field is Field.BINDINGS)
                case ThingKind.MACHINE_GROUP:
                    sight = await self._with_group(sight, MachineGroupId(about.id))
                case ThingKind.OBJECT:
                    sight = await self._with_object(sight, ObjectId(about.id))
                case _:
                    continue
        return sight

    def estate(self, *things: hardware.Node | Workload | Sighting) -> FrozenEstate:
        """An estate of just these."""
        estate = FrozenEstate(_LIVE, self.facts)
        for thing in things:
            match thing:
                case Workload():
                    estate = estate.with_workload(thing)
                case Sighting():
                    estate = estate.with_object(thing)
                case hardware.Node():
                    estate = estate.with_node(thing)
        return estate

    async def group(self, home: pooling.Home) -> Found | None:
        """The object of a group of machines, read live."""
        return await groups.group_at(await self.connection(home.cluster), home)

    async def _with_group(self, sight: FrozenEstate, name: MachineGroupId) -> FrozenEstate:
        home = pooling.home(name)
        found = await self.group(home) if home is not None and self.holds(home.cluster) else None
        if home is None or found is None:
            return sight
        return sight.with_stock(sight.stock.with_(groups.read(name, home.cluster, found)))

    async def _with_object(self, sight: FrozenEstate, name: ObjectId) -> FrozenEstate:
        """What is no address of the closed list is nothing that is there."""
        address = manifests.Address.parse(name)
        if sight.object(name) is not None:
            return sight
        found = await self.object(address) if address is not None else None
        return sight.with_object(Sighting(id=name) if address is None else self.sighting(address, found))

    async def _with_node(self, sight: FrozenEstate, node: NodeId, uid: Uid, *, residents: bool) -> FrozenEstate:
        if sight.node(node) is not None and not residents:
            return sight
        found = await self.node(node, uid)
        if found is None:
            return sight
        known = self.node_of(found)
        if residents and not known.accelerators:
            known = await self._equipped(found)
        sight = sight.with_node(known)
        if residents:
            for workload in await self.residents(found):
                sight = await self._with_workload(sight, workload)
        return sight

    async def _equipped(self, found: Found) -> hardware.Node:
        """A node that counts no devices, with those that drivers offer on it by name."""
        reading = nodes.read(found.raw, self.facts, self.cluster_of(found))
        devices = await allotting.devices(found.connection, reading)
        return reading.node.model_copy(update={"accelerators": devices})

    async def _with_workload(self, sight: FrozenEstate, workload: WorkloadId) -> FrozenEstate:
        if sight.workload(workload) is not None:
            return sight
        found = await self.workload(workload)
        return sight.with_workload(found) if found else sight

    async def workload(self, workload: WorkloadId) -> Workload | None:
        """What the estate makes of that workload now, also of one whose controller only its pods know."""
        place = self.place(workload)
        if place is None:
            return None
        if place.resource is not None:
            household = await self.household(workload)
            return household.workload if household else None
        connection = await self.connection(place.cluster)
        pods = await listed(connection, resources.PODS, place.namespace)
        allotments = await allotting.allotments(connection, place.namespace, pods)
        for owner, mine in (await self.families(connection, place.namespace, pods)).values():
            made = self._partly(owner, mine, place.cluster, allotments)
            if made is not None and made.id == workload:
                return made
        return None

    async def _pods_of(self, owner: Found) -> tuple[list[Object], Since]:
        """Every pod that belongs to the controller in the end, and what to watch for another answer."""
        connection, address = owner.connection, owner.address
        found = await listing(connection, resources.PODS, address.namespace)
        pods, since = found.items, _narrowed(found.since, owner.raw["spec"].get("selector"))
        if address.resource is resources.PODS:
            return [p for p in pods if p["metadata"]["uid"] == owner.uid], since
        between: list[tuple[Resource, Raw]] = [
            (kind, raw)
            for kind in _BETWEEN.get(address.resource.kind, _ANY_BETWEEN)
            for raw in await listed(connection, kind, address.namespace)
        ]
        mine = {
            str(fields.mapping(p["metadata"], "metadata")["uid"]) for p in chains.belonging(owner.raw, pods, between)
        }
        return [p for p in pods if p["metadata"]["uid"] in mine], since

    async def families(
        self, connection: Connection, namespace: str, pods: Sequence[Object]
    ) -> dict[str, tuple[Owner, list[Object]]]:
        """Pods of one namespace by the controller that they belong to in the end. Those that are no replicas are
        left.
        """
        known: dict[str, Owner | objects.Pod] = {}
        for kind in _ANY_BETWEEN:
            for raw in await listed(connection, kind, namespace):
                owner = objects.owner(raw, kind)
                known[owner.ref.uid] = owner
        parsed = [(raw, objects.pod(raw)) for raw in pods]
        known.update((pod.ref.uid, pod) for _, pod in parsed)
        groups: dict[str, tuple[Owner, list[Object]]] = {}
        for raw, pod in parsed:
            if pod.counts:
                root = chains.root(pod, known.get)
                groups.setdefault(root.ref.uid, (root, []))[1].append(raw)
        return groups

    def _partly(
        self, owner: Owner, pods: Sequence[Object], cluster: ClusterId, allotments: Allotments
    ) -> Workload | None:
        found = [objects.pod(p) for p in pods]
        return workloads.assemble(owner, found, (), self.facts, cluster, Numbering(allotments))

    async def free(self, node: NodeId) -> int:
        """How many usable accelerators of a node no pod holds."""
        found = await self.node(node)
        if found is None:
            return 0
        reading = nodes.read(found.raw, self.facts, self.cluster_of(found))
        devices = await allotting.devices(found.connection, reading)
        usable = sum(1 for a in devices if a.health is hardware.Health.HEALTHY)
        held = 0
        for pods in (await self.residents(found)).values():
            allotments = await allotting.allotments(found.connection, pods[0]["metadata"]["namespace"], pods)
            held += sum(allotments.held(objects.pod(p)).count for p in pods)
        return usable - held

    def node_called(self, workload: WorkloadId, name: str) -> NodeId:
        """What the estate calls a node of the workload's cluster."""
        return naming.node_id(self.facts, ClusterId(workload.partition(".")[0]), name)

    def seats(self, household: Household) -> Counter[NodeId]:
        """How many of its pods are bound to each node; pods that are on their way out count as long as they are
        there.
        """
        bound = (p["spec"].get("nodeName") for p in household.pods)
        return Counter(self.node_called(household.workload.id, name) for name in bound if name)


class _Once(Reach):
    """One look at the clusters of a `Reach`. Keep it no longer than that look takes."""

    def __init__(
        self, clusters: Mapping[ClusterId, Connection], facts: Callable[[], Facts], uids: dict[ClusterId, str]
    ) -> None:
        super().__init__(clusters, facts, uids)
        self._seen: dict[tuple[NodeId, Uid | None], Found | None] = {}

    async def node(self, node: NodeId, uid: Uid | None = None) -> Found | None:
        """As `Reach.node`, read at the first call."""
        if (node, uid) not in self._seen:
            self._seen[node, uid] = await super().node(node, uid)
        return self._seen[node, uid]


async def _first_found(asked: Iterable[asyncio.Task[Found | None]], uid: Uid | None) -> Found | None:
    """The first answer of that uid; so a cluster that never answers holds up none that does."""
    fault: RetryLater | Denied | None = None
    other: Found | None = None
    for answered in asyncio.as_completed(asked):
        try:
            found = await answered
        except (RetryLater, Denied) as error:
            fault = error
            continue
        if found is not None and uid in (None, found.uid):
            return found
        other = other or found
    if fault is not None:
        raise fault
    return other


def _narrowed(since: Since, selector: object) -> Since:
    """Only the pods with a controller's labels, where its selector is nothing but labels."""
    told = fields.mapping(selector, "spec.selector")
    labels = fields.words(told.get("matchLabels"), "spec.selector.matchLabels")
    if not labels or told.get("matchExpressions"):
        return since
    return replace(since, labels=",".join(f"{k}={v}" for k, v in sorted(labels.items())))
