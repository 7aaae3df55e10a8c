"""List a cluster once and turn it into an estate: gets and lists, nothing else, and no watch.

Called by `contact.meeting`. A kind that these credentials may not list is left out and named; an object that cannot be
read is kept out and named, as the inventory does. Node labels are kept beside the estate, for people: nothing of them
is a fact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from console.contact.grounds import Ground
from estate.errors import Denied
from estate.frozen import FrozenEstate
from estate.ids import InstallationId, Uid
from estate.snapshots import SnapshotVersion
from tools.inventory.kubernetes.modelling import ClusterModel
from tools.kubernetes import faults, identifying, resources
from tools.kubernetes.connecting import Connection
from tools.kubernetes.resources import Resource

VISITOR = InstallationId("visitor")
"""The installation that snapshots of a first contact name: none, until `placet init` makes one."""
_LISTS = 3
"""How often one kind is begun again because its list took too long for the API server."""
_SETTLED_AT_ONCE = 500

type Say = Callable[[str, int], None]
"""Told the kind and how many of it were read so far."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a cluster is: the uid of its `kube-system`, and what its API server calls itself."""

    uid: Uid
    version: str


@dataclass(slots=True)
class Sight:
    """What was seen."""

    estate: FrozenEstate
    counts: dict[str, int] = field(default_factory=dict)
    """How many objects of each kind were listed."""
    requests: int = 0
    kept_out: dict[str, str] = field(default_factory=dict)
    """Objects that cannot be read, and kinds that may not be, each with the reason."""
    labels: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Of each node, by its name in the cluster."""


async def identify(connection: Connection) -> Identity:
    """Who the cluster is.

    Raises:
        Denied: these credentials are not accepted, or may not even read that.
        RetryLater: the API server does not answer.
    """
    return Identity(await identifying.cluster_uid(connection), await _version(connection))


async def look(connection: Connection, ground: Ground, say: Say) -> Sight:
    """Everything that the inventory would watch, listed once. Raises RetryLater when the API server goes away."""
    looking = _Looking(connection, ClusterModel(f"kubernetes/{ground.cluster}", ground.cluster, ground.facts), say)
    version = SnapshotVersion(installation=VISITOR, epoch=0, sequence=0)
    for resource in resources.WATCHED:
        await looking.kind(resource)
    while looking.model.settle(_SETTLED_AT_ONCE):
        pass
    seen = looking.model.everything()
    return Sight(
        FrozenEstate.of(version, ground.facts, seen.nodes, seen.workloads),
        looking.counts,
        looking.requests,
        {**looking.model.refused, **looking.denied},
        looking.labels,
    )


async def _version(connection: Connection) -> str:
    try:
        return str((await connection.request("GET", "/version")).get("gitVersion") or "unknown")
    except Denied:
        return "unknown"


@dataclass(slots=True)
class _Looking:
    """One look, kind by kind."""

    connection: Connection
    model: ClusterModel
    say: Say
    counts: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    denied: dict[str, str] = field(default_factory=dict)
    labels: dict[str, Mapping[str, str]] = field(default_factory=dict)

    async def kind(self, resource: Resource) -> None:
        """List one kind; begin again where the list was too slow for the API server to remember."""
        for left in reversed(range(_LISTS)):
            try:
                return await self._list(resource)
            except (faults.Forbidden, faults.NotFound) as error:
                self.denied[f"every {resource.kind}"] = str(error)
                return None
            except faults.Gone:
                if not left:
                    raise
        return None

    async def _list(self, resource: Resource) -> None:
        self.model.relist(resource)
        self.counts[resource.plural] = 0
        seen: set[str] = set()
        async for page in self.connection.pages(resource.path()):
            self.requests += 1
            for raw in page.items:
                seen.add(self.model.put(resource, raw))
                if resource is resources.NODES:
                    self._keep_labels(raw)
            self.counts[resource.plural] += len(page.items)
            self.say(resource.plural, self.counts[resource.plural])
        self.model.keep_only(resource, seen)

    def _keep_labels(self, raw: Mapping[str, object]) -> None:
        about = raw.get("metadata")
        if isinstance(about, dict) and isinstance(about.get("labels"), dict):
            words = {str(k): str(v) for k, v in about["labels"].items()}
            self.labels[str(about.get("name"))] = words
