"""What a sender calls a place, resolved to things of the estate on one snapshot. Pure.

Names are looked up only within the clusters of the sender's channel. What nothing answers to is recorded, never
guessed; where two names contradict each other neither is believed, and the contradiction is a finding. Site and rack
come from signed facts: what a sender says of them may contradict, never decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agents.intake.channels import ChannelConfig
from estate.events import Place
from estate.hardware import Node
from estate.ids import ClusterId, NodeId, RackId, SiteId, WorkloadId
from estate.observations import Whereabouts
from estate.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Resolved:
    """The place, and what contradicted itself on the way to it."""

    place: Place
    findings: tuple[str, ...] = ()


def resolve(named: Whereabouts, snapshot: Snapshot, channel: ChannelConfig) -> Resolved:
    """The place that `named` speaks of, as far as facts and aliases carry."""
    return _Search(named, snapshot, channel).result()


class _Search:
    """One resolution: the names tried so far, what answered, what did not."""

    def __init__(self, named: Whereabouts, snapshot: Snapshot, channel: ChannelConfig) -> None:
        self._named = named
        self._snapshot = snapshot
        self._unresolved: list[str] = []
        self._findings: list[str] = []
        self._clusters = self._candidates(channel)

    def result(self) -> Resolved:
        """Look everything up, strongest alias first."""
        node = self._node()
        accelerator = self._accelerator(node) if node else None
        if node is None and self._named.pci_address:
            self._unresolved.append(f"pci/{self._named.pci_address}")
        workload = self._workload(node)
        cluster = node.cluster if node else (self._clusters[0] if len(self._clusters) == 1 else None)
        rack = self._snapshot.rack_of(node.id) if node else self._rack()
        site = self._site(node, rack, cluster)
        place = Place(
            site=site,
            cluster=cluster,
            rack=rack,
            node=node.id if node else None,
            accelerator=accelerator,
            workload=workload,
            unresolved=tuple(self._unresolved),
        )
        return Resolved(place, tuple(self._findings))

    def _candidates(self, channel: ChannelConfig) -> tuple[ClusterId, ...]:
        wanted, facts = self._named.cluster, self._snapshot.facts.cluster
        known = tuple(facts) if channel.everywhere else channel.clusters
        if not wanted:
            return known
        found = tuple(c for c in known if wanted == c or (c in facts and wanted == facts[c].uid))
        if not found:
            self._unresolved.append(f"cluster/{wanted}")
        return found

    def _node(self) -> Node | None:
        by_uuid, by_name = self._by_uuid(), self._by_name()
        if by_uuid is not None and by_name is not None and by_uuid != by_name:
            gpu, name = self._named.gpu_uuid, self._named.node_name
            self._contradiction(f"gpu `{gpu}` is on `{by_uuid}`, the sender says node `{name}` (`{by_name}`)")
            self._unresolved.append(f"node/{name}")
            return None
        found = by_uuid or by_name
        return self._snapshot.node(found) if found else None

    def _by_uuid(self) -> NodeId | None:
        uuid = self._named.gpu_uuid
        if not uuid:
            return None
        device = self._snapshot.accelerator(uuid)
        node = self._snapshot.node(device.node) if device else None
        if node is None or node.cluster not in self._clusters:
            self._unresolved.append(f"gpu/{uuid}")
            return None
        return node.id

    def _by_name(self) -> NodeId | None:
        name = self._named.node_name
        if not name:
            return None
        found = {n for c in self._clusters if (n := self._snapshot.named(c, name)) is not None}
        if len(found) != 1:
            self._unresolved.append(f"node/{name}")
            if found:
                self._contradiction(f"node `{name}` is known in {len(found)} clusters, the sender names none")
            return None
        return found.pop()

    def _accelerator(self, node: Node) -> int | None:
        named = self._named
        claims = {
            "uuid": _index((a.index for a in node.accelerators if a.uuid == named.gpu_uuid), named.gpu_uuid),
            "pci": _index(
                (a.index for a in node.accelerators if a.pci_address == named.pci_address), named.pci_address
            ),
            "index": _index((a.index for a in node.accelerators if a.index == named.gpu_index), named.gpu_index),
        }
        told = {alias: found for alias, found in claims.items() if found is not None}
        for alias in [a for a, found in told.items() if found == _NOBODY]:
            self._unresolved.append(f"accelerator/{alias}")
            del told[alias]
        if len(set(told.values())) > 1:
            self._contradiction(f"the aliases of one accelerator of `{node.id}` differ: {sorted(told.items())}")
            self._unresolved.append("accelerator")
            return None
        return next(iter(told.values()), None)

    def _workload(self, node: Node | None) -> WorkloadId | None:
        named = self._named
        if not named.workload or not named.namespace:
            if named.pod:
                self._unresolved.append(f"pod/{named.namespace}/{named.pod}")
            return None
        clusters = (node.cluster,) if node else self._clusters
        lookups = (self._snapshot.workload_named(c, named.namespace, named.workload) for c in clusters)
        found = {w for w in lookups if w is not None}
        if len(found) == 1:
            return found.pop()
        self._unresolved.append(f"workload/{named.namespace}/{named.workload}")
        return None

    def _rack(self) -> RackId | None:
        name = RackId(self._named.rack)
        if not name:
            return None
        rack = self._snapshot.facts.rack.get(name)
        if rack is not None and rack.site in self._sites():
            return name
        self._unresolved.append(f"rack/{name}")
        return None

    def _site(self, node: Node | None, rack: RackId | None, cluster: ClusterId | None) -> SiteId | None:
        facts = self._snapshot.facts
        if node is not None:
            found = self._snapshot.site_of(node.id)
            if found is None:
                self._unresolved.append(f"node/{node.id}")
            return self._agreed(found)
        if rack is not None:
            return self._agreed(facts.rack[rack].site)
        if cluster is not None and cluster in facts.cluster:
            return self._agreed(facts.cluster[cluster].site)
        named = SiteId(self._named.site)
        return named if named in self._sites() else None

    def _agreed(self, by_fact: SiteId | None) -> SiteId | None:
        if self._named.site and by_fact and self._named.site != by_fact:
            self._contradiction(f"the sender says site `{self._named.site}`, facts say `{by_fact}`")
        return by_fact

    def _sites(self) -> set[SiteId]:
        facts = self._snapshot.facts
        return {facts.cluster[c].site for c in self._clusters if c in facts.cluster}

    def _contradiction(self, text: str) -> None:
        self._findings.append(text)


_NOBODY = -1


def _index(found: Iterable[int], claimed: object) -> int | None:
    """The one device that an alias names; `_NOBODY` when it names none here, None when nothing was claimed."""
    if claimed is None or claimed == "":
        return None
    return next(iter(found), _NOBODY)
