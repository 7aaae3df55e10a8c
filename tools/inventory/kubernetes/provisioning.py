"""Clusters, machines, templates and virtual machines that one cluster's objects describe, as items of the estate.

Called by `modelling`. Objects of Cluster API, k0rdent and KubeVirt are kept as the facts that `tools.payloads.clusters`
reads of them, and an item is built anew when one of its objects changed: a Cluster and the ClusterDeployment of its
name are one thing. In memory, no I/O. An item permits nothing; which cluster facts speak of is never read from a name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from estate.ids import ClusterId, NodeId
from estate.items import Item
from estate.references import Ref
from tools.inventory.kubernetes import building, grouping
from tools.inventory.kubernetes.building import Holds, Told
from tools.kubernetes import fields, requirements, resources
from tools.kubernetes.fields import Raw
from tools.kubernetes.resources import Resource
from tools.payloads import reading
from tools.payloads.clusters import objects
from tools.payloads.contexts import Context
from tools.payloads.facts.mentions import MentionKind
from tools.payloads.facts.statements import Tie

log = structlog.get_logger(__name__)

type Named = tuple[str, str]
"""Namespace and name."""

CLUSTER, MACHINE, TEMPLATE, VIRTUAL = "cluster", "machine", "template", "virtual-machine"
GROUP, CHECK = "machine-group", "health-check"
_APART: Final = frozenset({TEMPLATE, GROUP})
"""Of these two objects of one name and different kinds are two items."""
_BUILT: Final[Mapping[str, str]] = {
    resources.CAPI_CLUSTERS.kind: CLUSTER,
    resources.DEPLOYED_CLUSTERS.kind: CLUSTER,
    resources.CAPI_MACHINES.kind: MACHINE,
    resources.CAPI_GROUPS.kind: GROUP,
    resources.CAPI_CONTROL_PLANES.kind: GROUP,
    resources.CAPI_HEALTH_CHECKS.kind: CHECK,
    resources.CLUSTER_TEMPLATES.kind: TEMPLATE,
    resources.SERVICE_TEMPLATES.kind: TEMPLATE,
    resources.MACHINES.kind: VIRTUAL,
    resources.INSTANCES.kind: VIRTUAL,
}
_SELECTING: Final = frozenset({resources.CLUSTER_SERVICES.kind})


@dataclass(frozen=True, slots=True)
class _Key:
    """One item: of which kind, and the objects of which name make it."""

    item: str
    kind: str
    """Of the object, where two kinds of one name are two items."""
    at: Named


@dataclass(slots=True)
class Provisions:
    """What is described in one cluster. One task alone uses it."""

    cluster: ClusterId
    node_called: Callable[[str], NodeId]
    """What the estate calls a node of the cluster."""
    node_of: Callable[[str], NodeId | None]
    """The node of the cluster with that provider id."""
    holds: Holds
    _told: dict[str, dict[Named, Told]] = field(default_factory=lambda: defaultdict(dict))
    _at: dict[str, tuple[str, Named]] = field(default_factory=dict)
    _items: dict[_Key, Item] = field(default_factory=dict)
    _touched: dict[_Key, None] = field(default_factory=dict)
    _providers: dict[str, Named] = field(default_factory=dict)

    @property
    def dirty(self) -> bool:
        """Whether something is to be built anew."""
        return bool(self._touched)

    def put(self, resource: Resource, raw: Raw) -> None:
        """An object is there, or is another one now. Raises BadInput."""
        told = self._read(resource, raw)
        at = told.namespace, told.name
        before = self._told[told.kind].get(at)
        if before == told:
            return
        if before is not None and before.uid != told.uid:
            self._at.pop(before.uid, None)
        self._told[told.kind][at], self._at[told.uid] = told, (told.kind, at)
        if told.kind == resources.CAPI_MACHINES.kind and told.provider:
            self._providers[told.provider] = at
        self._touch(told.kind, at)

    def drop(self, uid: str) -> None:
        """An object is gone."""
        kind, at = self._at.pop(uid, ("", ("", "")))
        if kind:
            gone = self._told[kind].pop(at)
            self._providers.pop(gone.provider, None)
            self._touch(kind, at)

    def meet(self, provider: str) -> None:
        """A node of that provider id came, or went: it may be one of the machines."""
        if provider and (at := self._providers.get(provider)) is not None:
            self._touch(resources.CAPI_MACHINES.kind, at)

    def equip(self, nodes: Collection[str]) -> None:
        """Devices of these nodes are others, or are held by others: machines on them may hold others."""
        for at, told in self._told[resources.INSTANCES.kind].items():
            if told.tied(Tie.RUNS_ON, MentionKind.NODE) in nodes:
                self._touch(resources.INSTANCES.kind, at)

    def renew(self) -> None:
        """Other names are in force: everything is built anew."""
        for kind, held in self._told.items():
            for at in held:
                self._touch(kind, at)

    def settle(self) -> dict[Ref, Item | None]:
        """What changed since the last time; None for what is gone."""
        news: dict[Ref, Item | None] = {}
        for key in list(self._touched):
            before, after = self._items.pop(key, None), self._tried(key)
            if after is not None:
                self._items[key] = after
            if before is not None and (after is None or after.ref != before.ref):
                news[before.ref] = None
            if after is not None and after != before:
                news[after.ref] = after
        self._touched.clear()
        return news

    def everything(self) -> Iterator[Item]:
        """All of it, as far as it is built."""
        return iter(self._items.values())

    def _read(self, resource: Resource, raw: Raw) -> Told:
        about = fields.mapping(raw.get("metadata"), "metadata")
        uid = fields.needed(about.get("uid"), "metadata.uid")
        labels = fields.words(about.get("labels"), "metadata.labels")
        whole = {**raw, "apiVersion": resource.api_version, "kind": resource.kind}
        sheet = objects.read(whole, "", Context("kubernetes", cluster=self.cluster))
        spec = fields.mapping(raw.get("spec"), "spec")
        selector = requirements.selector(spec.get("clusterSelector")) if resource.kind in _SELECTING else None
        return Told(
            uid=uid,
            kind=resource.kind,
            namespace=sheet.namespace,
            name=sheet.name,
            labels=labels,
            facts=tuple(sheet.facts),
            provider_id=fields.text(spec.get("providerID"), "spec.providerID"),
            created_at=_created(about),
            selector=selector,
        )

    def _touch(self, kind: str, at: Named) -> None:
        item = _BUILT.get(kind)
        if item is not None:
            self._touched[_Key(item, kind if item in _APART else "", at)] = None
        if item in (None, TEMPLATE):  # what is laid on clusters, and what they are made from
            for deployed in self._told[resources.DEPLOYED_CLUSTERS.kind]:
                self._touched[_Key(CLUSTER, "", deployed)] = None

    def _tried(self, key: _Key) -> Item | None:
        try:
            return self._built(key)
        except ValueError as error:  # a value that the estate cannot hold, which no reader of it refused
            log.warning(
                "item not built", cluster=self.cluster, item=key.item, object="/".join(key.at), error=str(error)
            )
            return None

    def _built(self, key: _Key) -> Item | None:
        found = {kind: held[key.at] for kind, held in self._told.items() if key.at in held and _makes(kind, key)}
        if not found:
            return None
        match key.item:
            case "cluster":
                return building.cluster(self.cluster, found, self._laid_on(found), self._template)
            case "machine":
                machine = found[resources.CAPI_MACHINES.kind]
                return building.machine(self.cluster, machine, self.node_of(machine.provider))
            case "machine-group":
                return grouping.machine_group(self.cluster, found[key.kind])
            case "health-check":
                return grouping.health_check(self.cluster, found[resources.CAPI_HEALTH_CHECKS.kind])
            case "template":
                return building.template(self.cluster, found[key.kind])
            case _:
                return building.virtual_machine(self.cluster, found, self.node_called, self.holds)

    def _laid_on(self, found: Mapping[str, Told]) -> list[Told]:
        """Whatever is laid on a cluster by its labels."""
        deployed = found.get(resources.DEPLOYED_CLUSTERS.kind)
        services = self._told[resources.CLUSTER_SERVICES.kind].values()
        return [s for s in services if deployed is not None and s.selects(deployed.labels)]

    def _template(self, kind: str, namespace: str, name: str) -> Told | None:
        """The template of that name there; of what names no namespace, the only one."""
        held = self._told[kind]
        if namespace:
            return held.get((namespace, name))
        alike = [t for (_, called), t in held.items() if called == name]
        return alike[0] if len(alike) == 1 else None


def _created(about: Raw) -> datetime | None:
    written = fields.text(about.get("creationTimestamp"), "metadata.creationTimestamp")
    return reading.time(written, "metadata.creationTimestamp") if written else None


def _makes(kind: str, key: _Key) -> bool:
    return _BUILT.get(kind) == key.item and (not key.kind or key.kind == kind)
