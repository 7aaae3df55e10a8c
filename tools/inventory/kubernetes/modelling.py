"""What is known of one cluster, and what changed in the estate when an object did. In memory, no I/O.

Called by `source`, event by event. The cost of an event is that of the one node or workload it touches: everything is
found by index. An object that cannot be read is kept out (of a node only what cannot be read is) and reported once with
its reason; it never raises.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from estate import canonical
from estate.errors import BadInput
from estate.hands import Hand
from estate.ids import ClusterId, NodeId, WorkloadId
from estate.items import Item
from estate.law import Facts
from estate.observations import Observation
from estate.references import Ref
from estate.workloads import Workload
from tools.drift import holders
from tools.drift.objects import Setting
from tools.drift.schemas import Schemas
from tools.inventory.kubernetes import crowding
from tools.inventory.kubernetes.decoding import DECODED, Objects
from tools.inventory.kubernetes.drifting import DriftBook
from tools.inventory.kubernetes.equipment import Equipment, Touched
from tools.inventory.kubernetes.families import Families, Key
from tools.inventory.kubernetes.node_events import NodeEvents
from tools.inventory.kubernetes.nodes import NodeBook
from tools.inventory.kubernetes.provisioning import Provisions
from tools.inventory.port import Observed
from tools.kubernetes import naming, nodes, objects, resources, workloads
from tools.kubernetes.connecting import Written
from tools.kubernetes.fields import Raw
from tools.kubernetes.numbering import Numbering
from tools.kubernetes.objects import Budget, Owner, Pod
from tools.kubernetes.resources import Resource

log = structlog.get_logger(__name__)

_OWNERS = frozenset(r.name for r in resources.OWNERS)
_DEVICES = frozenset(r.name for r in resources.DEVICES)
_PROVISIONED = frozenset(r.name for r in resources.PROVISIONED)
UNEXPECTED = "could not be read, which is a fault of placet"
"""How the reason begins where an object met with an error that nobody foresaw."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Which object was seen: its uid, empty where it has none or is kept out, and its version where it says one."""

    uid: str
    version: str


@dataclass(slots=True)
class _News:
    """What changed since it was last taken."""

    workloads: dict[WorkloadId, Workload | None] = field(default_factory=dict)
    items: dict[Ref, Item | None] = field(default_factory=dict)
    observations: list[Observation] = field(default_factory=list)
    hands: dict[WorkloadId, Hand] = field(default_factory=dict)


class ClusterModel:
    """One cluster under one law base. One task alone uses it."""

    def __init__(
        self, source: str, cluster: ClusterId, facts: Facts, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`source` is what batches say they are from; `clock` tells seconds and never goes back."""
        self._source = source
        self._cluster = cluster
        self._facts = facts
        self._equipment = Equipment()
        self._numbering = Numbering(self._equipment.allotments)
        self._families = Families()
        self._clock = clock
        self._nodes = NodeBook(source, self._equipment, self._numbering, self._touch_on, self._meet)
        self._budgets: defaultdict[str, dict[str, Budget]] = defaultdict(dict)
        self._uids: defaultdict[str, set[str]] = defaultdict(set)
        self._workloads: defaultdict[str, dict[Key, Workload]] = defaultdict(dict)
        self._touched: dict[Key, None] = {}
        self._crowded: dict[str, None] = {}
        """The nodes on which pods request otherwise than they did."""
        self._hands: dict[Key, Hand] = {}
        """Who wrote an object of these families since they were worked out."""
        self._shown = False
        """Whether all was told once: of what was there before us nobody asks who made it."""
        self._news = _News()
        self._refused: dict[str, str] = {}
        self._decoded = {kind.name: Objects(kind, self._read_node) for kind in DECODED}
        self._drifts = DriftBook(Setting(cluster, facts))
        self._events = NodeEvents(cluster)
        self._provisions = Provisions(cluster, self._node_called, self._nodes.of_provider, self._equipment.indexes)

    @property
    def refused(self) -> Mapping[str, str]:
        """The objects that are kept out, and nodes that are known in part only, each with the reason."""
        return self._refused

    @property
    def dirty(self) -> bool:
        """Whether something changed that was not taken yet."""
        news = self._news
        told = self._nodes.dirty or news.workloads or news.items or news.observations
        return bool(self._touched or self._crowded or told or self._drifts.dirty or self._provisions.dirty)

    def learn(self, schemas: Schemas) -> None:
        """The shapes by which objects are compared with what was applied."""
        self._drifts.learn(schemas)

    def declare(self, objects: Mapping[str, Raw]) -> None:
        """Files declare these objects, by what people call them."""
        self._drifts.declare(objects)

    def see(self, resource: Resource, written: Written) -> Sight:
        """As `put`, of an object as it came: read whole only where more of it changed than can be told at once.

        Raises what `written` raises where it is no object at all.
        """
        known = self._decoded.get(resource.name)
        look = known.look(written.raw) if known is not None else None
        if look is not None and look.facts is not None and not self._drifts.keeps(look.uid):
            self._nodes.amend(look.uid, look.facts)
            return Sight(look.uid, look.version)
        raw = written.form
        uid = self.put(resource, raw)
        if known is not None and look is not None and uid and f"{resource.kind} {_called(raw)}" not in self._refused:
            known.know(look)
        return Sight(uid, said(raw, "resourceVersion"))

    def put(self, resource: Resource, raw: Raw) -> str:
        """An object is there, or is another one now. Its uid, empty where it has none."""
        uid = said(raw, "uid")
        self._forget(resource, uid, raw)
        called = f"{resource.kind} {_called(raw)}"
        self._drifts.put(resource, raw)
        try:
            faults = self._put(resource, uid, raw)
        except BadInput as error:
            return self._keep_out(resource, uid, called, str(error))
        except Exception as error:
            return self._keep_out(resource, uid, called, f"{UNEXPECTED} ({type(error).__name__}: {error!s:.200})")
        if faults:
            self._refuse(called, "; ".join(faults))
        else:
            self._refused.pop(called, None)
        self._uids[resource.name].add(uid)
        return uid

    def _keep_out(self, resource: Resource, uid: str, called: str, reason: str) -> str:
        self._drop(resource, uid)
        self._refuse(called, reason)
        return ""

    def drop(self, resource: Resource, raw: Raw) -> None:
        """An object is gone."""
        self._drifts.drop(resource, raw)
        self._forget(resource, said(raw, "uid"), raw)
        self._drop(resource, said(raw, "uid"))
        self._refused.pop(f"{resource.kind} {_called(raw)}", None)

    def relist(self, resource: Resource) -> None:
        """Everything of that kind is about to be listed: what is kept out will be told anew."""
        kind = f"{resource.kind} "
        self._refused = {called: why for called, why in self._refused.items() if not called.startswith(kind)}

    def keep_only(self, resource: Resource, uids: Collection[str]) -> None:
        """Everything of that kind was listed: what is not in it is gone."""
        self._drifts.keep_only(resource, uids)
        for uid in self._uids[resource.name] - set(uids):
            self._forget(resource, uid)
            self._drop(resource, uid)
        if resource.name == resources.EVENTS.name:
            self._events.begin()

    def listen(self) -> None:
        """Look who fell silent, and who is heard again. Called when time has passed."""
        self._nodes.listen()

    def obey(self, facts: Facts) -> None:
        """Other facts are in force: every id and tenant is read anew."""
        self._facts = facts
        self._drifts.obey(facts)
        self._nodes.rename(self._node_called)
        self._provisions.renew()
        self._touch(self._families.everyone())

    def settle(self, most: int) -> bool:
        """Work out at most that many touched workloads; whether there are more."""
        for _ in range(min(most, len(self._touched))):
            key = next(iter(self._touched))
            del self._touched[key]
            self._work_out(key)
        for name in () if self._touched else list(self._crowded)[:most]:
            del self._crowded[name]
            self._nodes.crowd(name, crowding.others(self._families, name, self._workload))
        self._news.items |= self._provisions.settle()
        return bool(self._touched or self._crowded)

    def take(self) -> Observed:
        """What changed since the last time, as far as it is worked out."""
        news, self._news = self._news, _News()
        nodes = self._nodes.take()
        return Observed(
            source=self._source,
            nodes=tuple(n for n in nodes.values() if n is not None),
            workloads=tuple(w for w in news.workloads.values() if w is not None),
            removed_nodes=tuple(i for i, n in nodes.items() if n is None),
            removed_workloads=tuple(i for i, w in news.workloads.items() if w is None),
            items=tuple(i for i in news.items.values() if i is not None),
            removed_items=tuple(r for r, i in news.items.items() if i is None),
            observations=tuple(news.observations),
            cluster=self._cluster,
            drifts=self._drifts.take(),
            hands=news.hands,
        )

    def everything(self) -> Observed:
        """All of it, as far as it is worked out."""
        told, self._news, self._shown = self._news.observations, _News(), True
        running = (w for held in self._workloads.values() for w in held.values())
        return Observed(
            self._source,
            nodes=self._nodes.everything(),
            workloads=tuple(running),
            items=tuple(self._provisions.everything()),
            observations=tuple(told),
            cluster=self._cluster,
            drifts=self._drifts.everything(),
            whole=True,
        )

    def _put(self, resource: Resource, uid: str, raw: Raw) -> tuple[str, ...]:
        """What of it could not be read, where the rest is taken in all the same."""
        if resource is resources.NODES:
            reading = self._read_node(raw)
            self._nodes.place(reading)
            return reading.faults
        if resource is resources.BUDGETS:
            self._put_budget(objects.budget(raw))
        elif resource is resources.PODS:
            pod = objects.pod(raw)
            if not (pod.counts and pod.node):
                self._numbering.forget(uid)
            if (before := self._families.known(uid)) != pod:
                self._crowd([pod, before])
            self._written(raw, self._families.put(pod))
        elif resource.name in _OWNERS:
            self._written(raw, self._families.put(objects.owner(raw, resource)))
        else:
            self._put_companion(resource, raw)
        return ()

    def _read_node(self, raw: Raw) -> nodes.Reading:
        return nodes.read(raw, self._facts, self._cluster)

    def _put_companion(self, resource: Resource, raw: Raw) -> None:
        if resource.name == resources.LEASES.name:
            self._nodes.heartbeats.put(raw, self._clock())
        elif resource.name in _DEVICES:
            self._equip(self._equipment.put(resource, raw))
        elif resource.name in _PROVISIONED:
            self._provisions.put(resource, raw)
        else:
            self._news.observations += self._events.put(resource, raw)

    def _forget(self, resource: Resource, uid: str, raw: Raw | None = None) -> None:
        """What comes of this object next is read whole."""
        if (known := self._decoded.get(resource.name)) is not None:
            known.forget(uid, *(said(raw or {}, word) for word in ("namespace", "name")))

    def _drop(self, resource: Resource, uid: str) -> None:
        self._uids[resource.name].discard(uid)
        if resource is resources.NODES:
            self._nodes.displace(uid)
        elif resource is resources.BUDGETS:
            for namespace in [n for n, held in self._budgets.items() if uid in held]:
                self._change_budgets(namespace, uid, None)
        elif resource.name in _OWNERS or resource is resources.PODS:
            self._numbering.forget(uid)
            self._crowd([self._families.known(uid)])
            self._touch(self._families.drop(uid))
        elif resource.name == resources.LEASES.name:
            self._nodes.heartbeats.drop(uid)
        elif resource.name in _DEVICES:
            self._equip(self._equipment.drop(resource, uid))
        elif resource.name in _PROVISIONED:
            self._provisions.drop(uid)
        else:
            self._events.drop(uid)

    def _equip(self, touched: Touched) -> None:
        """Devices that are known by name are others now, or are held by others."""
        self._nodes.renew(touched.nodes)
        self._provisions.equip(touched.nodes)
        for name in sorted(touched.nodes):
            self._touch_on(name)
        for namespace, claim in sorted(touched.claims):
            self._touch(self._families.claiming(namespace, claim))
        if touched.all or touched.spaces:
            everyone = self._families.everyone()
            self._touch({k for k in everyone if touched.all or k.namespace in touched.spaces})

    def _meet(self, provider: str) -> None:
        self._provisions.meet(provider)

    def _node_called(self, name: str) -> NodeId:
        return naming.node_id(self._facts, self._cluster, name)

    def _written(self, raw: Raw, keys: Collection[Key]) -> None:
        self._touch(keys)
        by = holders.last(raw) if keys and self._shown else None
        if by is not None:
            self._hands |= dict.fromkeys(keys, by)

    def _touch_on(self, node: str) -> None:
        self._touch(self._families.on(node))

    def _put_budget(self, budget: Budget) -> None:
        if self._budgets[budget.namespace].get(budget.uid) != budget:
            self._change_budgets(budget.namespace, budget.uid, budget)

    def _change_budgets(self, namespace: str, uid: str, budget: Budget | None) -> None:
        """A budget of that namespace is another one: only its workloads can have changed."""
        if budget is None:
            del self._budgets[namespace][uid]
        else:
            self._budgets[namespace][uid] = budget
        self._touch(set(self._workloads.get(namespace, ())))

    def _touch(self, keys: Collection[Key]) -> None:
        self._touched.update(dict.fromkeys(sorted(keys, key=lambda k: (k.namespace, k.kind, k.name))))

    def _work_out(self, key: Key) -> None:
        held = self._workloads[key.namespace]
        before, after, by = held.get(key), self._assembled(key), self._hands.pop(key, None)
        if not crowding.asks_alike(before, after):
            self._crowd(self._families.family(key)[1])
        if before is not None and (after is None or after.uid != before.uid):
            self._numbering.forget_owner(before.uid)
        if after is None:
            if before is not None:
                del held[key]
                self._news.workloads[before.id] = None
        elif after != before:
            held[key] = after
            self._news.workloads[after.id] = after
            if by is not None:
                self._news.hands[after.id] = by

    def _crowd(self, pods: Iterable[Owner | Pod | None]) -> None:
        self._crowded |= dict.fromkeys(p.node for p in pods if isinstance(p, Pod) and p.node)

    def _workload(self, key: Key) -> Workload | None:
        return self._workloads.get(key.namespace, {}).get(key)

    def _assembled(self, key: Key) -> Workload | None:
        owner, pods = self._families.family(key)
        if owner is None:
            return None
        called = f"workload {key.kind} {canonical.clean_text(f'{key.namespace}/{key.name}', limit=160)}"
        budgets = self._budgets.get(key.namespace, {}).values()
        try:
            found = workloads.assemble(owner, pods, budgets, self._facts, self._cluster, self._numbering)
        except BadInput as error:
            self._refuse(called, str(error))
            return None
        self._refused.pop(called, None)
        return found

    def _refuse(self, called: str, reason: str) -> None:
        if self._refused.get(called) != reason:
            self._refused[called] = reason
            log.warning("object not readable", source=self._source, object=called, reason=reason)


def said(raw: Raw, field: str) -> str:
    """A word of the metadata of an object that may be anything; empty where that is none."""
    about = raw.get("metadata")
    word = about.get(field) if isinstance(about, dict) else None
    return word if isinstance(word, str) else ""


def _called(raw: Raw) -> str:
    """What a report calls an object that may be anything."""
    about = raw.get("metadata")
    parts = [about.get(k) for k in ("namespace", "name")] if isinstance(about, dict) else []
    return canonical.clean_text("/".join(p for p in parts if isinstance(p, str) and p), limit=160) or "without a name"
