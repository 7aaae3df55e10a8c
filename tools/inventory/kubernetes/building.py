"""Items of the estate out of what objects of Cluster API, k0rdent and KubeVirt state. Pure; called by `provisioning`.

Ids are scoped by the cluster that holds the objects (`cluster.namespace.name`): two clusters may describe things of one
name. A cluster's id may hold no dots: it carries a digest, so that no other thing, and no fact, is ever called so. The
object's uid, and a machine's provider id, are strong aliases by which other sources may mean the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from estate import names
from estate.aliases import Alias, AliasKind
from estate.facilities.machines import Machine, Stage
from estate.ids import (
    ClusterId,
    MachineId,
    NodeId,
    TemplateId,
    VirtualMachineId,
)
from estate.itemkinds import State
from estate.things import AcceleratorRef
from estate.units import Mebibytes
from estate.uses.clusters import (
    ClusterState,
    Deployed,
    Revision,
    Template,
    TemplateSort,
    VirtualMachine,
)
from tools.kubernetes import resources
from tools.kubernetes.requirements import Selector
from tools.payloads.facts import mentions
from tools.payloads.facts.mentions import MentionKind
from tools.payloads.facts.statements import Attribute, Condition, Fact, Relation, Statement, Status, Tie

_SORTS = {
    resources.CLUSTER_TEMPLATES.kind: TemplateSort.CLUSTER,
    resources.SERVICE_TEMPLATES.kind: TemplateSort.SERVICE,
}
_STAGES = {"running": Stage.BURN_IN, "provisioned": Stage.BURN_IN, "failed": Stage.SPARE}
"""Of what is no node (any more)."""
_ENDING = frozenset({"deleting", "deleted"})
_LACKS = {"BootstrapConfigReady": "bootstrap", "InfrastructureReady": "infrastructure", "NodeHealthy": "healthy-node"}
_MOST_SERVICES = 256
_MOST_TRIGGERS = 256
_REPAIRS = Attribute.REPAIRS_AFTER
_CLUSTER_LABEL = "cluster.x-k8s.io/cluster-name"


@dataclass(frozen=True, slots=True)
class Told:
    """What one object states."""

    uid: str
    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    facts: tuple[Fact, ...]
    provider_id: str = ""
    """What a cloud calls the machine, as it is written."""
    created_at: datetime | None = None
    selector: Selector | None = None
    """Which clusters it selects by their labels; None selects none."""

    def said(self, attribute: Attribute, part: str = "") -> str:
        """An attribute of it, or of a part, as text; empty where nothing is said."""
        return next((str(s.value) for s in self._statements(part) if s.attribute is attribute), "")

    def number(self, attribute: Attribute) -> int | None:
        """An attribute that is a number."""
        found = next((s.value for s in self._statements("") if s.attribute is attribute), None)
        return found if isinstance(found, int) else None

    def parts(self, kind: str) -> list[str]:
        """The names of its parts of one kind, in their order."""
        named = (f.subject.part for f in self.facts if f.subject.part.startswith(f"{kind}/"))
        return list(dict.fromkeys(named))

    def status(self, *types: str) -> Status | None:
        """The first of these conditions that it has."""
        held = {f.type: f.status for f in self.facts if isinstance(f, Condition)}
        return next((held[t] for t in types if t in held), None)

    def tied(self, tie: Tie, kind: MentionKind) -> str:
        """The name of the first such thing that it hangs on."""
        ties = (f.other for f in self.facts if isinstance(f, Relation) and f.tie is tie)
        return next((other.value for other in ties if other.kind is kind), "")

    def triggers(self) -> list[str]:
        """Its parts that say after how long they are repaired, in their order."""
        told = (s.subject.part for s in self.facts if isinstance(s, Statement) and s.attribute is _REPAIRS)
        return [part for part in dict.fromkeys(told) if part.partition("=")[0]][:_MOST_TRIGGERS]

    @property
    def owner(self) -> str:
        """The Cluster of its namespace that it belongs to: as it says, else as Cluster API labels it."""
        said = self.tied(Tie.MEMBER_OF, MentionKind.OBJECT).rpartition("/")[2]
        return said or self.labels.get(_CLUSTER_LABEL, "")

    @property
    def claims(self) -> tuple[str, ...]:
        """The claims of its namespace that hold devices for it."""
        ties = (f for f in self.facts if isinstance(f, Relation) and f.tie is Tie.ALLOCATED_TO)
        return tuple(t.subject.value.rpartition("/")[2] for t in ties if t.subject.kind is MentionKind.OBJECT)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The PCI addresses, on its node, of the devices that it holds."""
        ties = (f.other for f in self.facts if isinstance(f, Relation) and f.tie is Tie.SAME_AS)
        return tuple(other.value for other in ties if other.kind is MentionKind.PCI_ADDRESS)

    @property
    def provider(self) -> str:
        """What a cloud calls the machine, however the zone is written; empty where none does."""
        return str(mentions.provider(self.provider_id)) if self.provider_id else ""

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it is about a cluster of these labels."""
        return self.selector is not None and self.selector.selects(labels)

    def _statements(self, part: str) -> Iterator[Statement]:
        return (f for f in self.facts if isinstance(f, Statement) and f.subject.part == part)


type Holds = Callable[[str, str, Collection[str], Collection[str]], tuple[int, ...]]
"""The indexes of a node's devices by the claims of a namespace that hold them, and by their addresses."""
type Find = Callable[[str, str, str], Told | None]
"""A template by its kind, namespace and name."""


def cluster(within: ClusterId, found: Mapping[str, Told], laid_on: Iterable[Told], find: Find) -> ClusterState:
    """A cluster, by its Cluster, its ClusterDeployment, or both, and the services that are laid on it."""
    deployed, made = found.get(resources.DEPLOYED_CLUSTERS.kind), found.get(resources.CAPI_CLUSTERS.kind)
    first = next(t for t in (deployed, made) if t is not None)
    versions = (t.said(Attribute.VERSION) for t in (deployed, made) if t is not None)
    wanted = [] if deployed is None else [*_services(within, deployed, find, deployed.namespace)]
    wanted += [s for t in laid_on for s in _services(within, t, find, "")]
    services = {s.template: s for s in wanted}
    return ClusterState(
        id=cluster_id(within, first.namespace, first.name),
        aliases=aliases(t for t in (deployed, made) if t is not None),
        version=next((v for v in versions if v), "")[:64],
        provider="" if deployed is None else _provider(deployed, find),
        made_from=None if deployed is None else _made_from(within, deployed, find),
        services=tuple(services.values())[:_MOST_SERVICES],
        state=_worst(t for t in (deployed, made) if t is not None),
    )


def machine(within: ClusterId, told: Told, node: NodeId | None) -> Machine:
    """A machine of Cluster API: where in its life it is, and what keeps it from service."""
    phase = told.said(Attribute.PHASE).lower()
    ending = phase in _ENDING
    became = bool(told.tied(Tie.SAME_AS, MentionKind.NODE)) and phase not in ("failed", *_ENDING)
    waiting = _STAGES.get(phase, Stage.ORDERED)
    stage = Stage.RETIRED if ending else Stage.IN_SERVICE if became else waiting
    lacks = tuple(word for type_, word in _LACKS.items() if told.status(type_) is Status.FALSE)
    provider = told.provider_id[:512]
    return Machine(
        id=MachineId(_id(within, told)),
        aliases=(*aliases([told]), *([Alias(kind=AliasKind.PROVIDER_ID, value=provider)] if provider else [])),
        stage=stage,
        lacks=lacks,
        node=node if stage is Stage.IN_SERVICE else None,
    )


def template(within: ClusterId, told: Told) -> Template:
    """A template of k0rdent: one object is one version of a chart."""
    valid = told.status("Valid")
    return Template(
        id=_template_id(within, told.kind, told.namespace, told.name),
        aliases=aliases([told]),
        sort=_SORTS[told.kind],
        name=told.said(Attribute.CHART)[:253] or told.name,
        revisions=(
            Revision(version=_version(told), at=told.created_at, valid=None if valid is None else valid is Status.TRUE),
        ),
    )


def virtual_machine(
    within: ClusterId, found: Mapping[str, Told], node_called: Callable[[str], NodeId], holds: Holds
) -> VirtualMachine:
    """A machine of KubeVirt, wanted (VirtualMachine), running (VirtualMachineInstance), or both. It says which devices
    it holds where they were allocated by name.
    """
    wanted, running = found.get(resources.MACHINES.kind), found.get(resources.INSTANCES.kind)
    first = next(t for t in (wanted, running) if t is not None)
    shapes = [t for t in (running, wanted) if t is not None]
    cpus = next((n for t in shapes if (n := t.number(Attribute.VCPUS)) is not None), None)
    memory = next((n for t in shapes if (n := t.number(Attribute.MEMORY_BYTES)) is not None), None)
    node = running.tied(Tie.RUNS_ON, MentionKind.NODE) if running is not None else ""
    migratable = running.status("LiveMigratable") if running is not None else None
    held = holds(node, running.namespace, running.claims, running.addresses) if running is not None and node else ()
    return VirtualMachine(
        id=VirtualMachineId(_id(within, first)),
        aliases=aliases([first]),
        cluster=within,
        namespace=first.namespace[:63],
        name=first.name,
        node=node_called(node) if node else None,
        accelerators=tuple(AcceleratorRef(node=node_called(node), index=index) for index in held),
        cpus=None if cpus is None else min(cpus, 100_000),
        memory_mebibytes=None if memory is None else Mebibytes(memory // 2**20),
        migratable=None if migratable is None else migratable is Status.TRUE,
        state=state_of(running or first),
    )


def _services(within: ClusterId, told: Told, find: Find, namespace: str) -> Iterator[Deployed]:
    kind = resources.SERVICE_TEMPLATES.kind
    for part in told.parts("service"):
        name = told.said(Attribute.TEMPLATE, part)
        known = find(kind, namespace, name)
        yield Deployed(
            template=_template_id(within, kind, known.namespace if known else namespace, name),
            version=_version(known) if known else "",
        )


def _made_from(within: ClusterId, told: Told, find: Find) -> Deployed:
    kind, name = resources.CLUSTER_TEMPLATES.kind, told.said(Attribute.TEMPLATE)
    known = find(kind, told.namespace, name)
    return Deployed(
        template=_template_id(within, kind, told.namespace, name),
        version=_version(known) if known else "",
        state=state_of(told),
        upgrades_to=tuple(told.said(Attribute.UPGRADE, part) for part in told.parts("upgrade")),
    )


def _provider(told: Told, find: Find) -> str:
    known = find(resources.CLUSTER_TEMPLATES.kind, told.namespace, told.said(Attribute.TEMPLATE))
    return known.said(Attribute.PROVIDERS)[:128] if known is not None else ""


def _version(told: Told) -> str:
    """Of a chart; one that k0rdent takes from elsewhere is known by its object."""
    return (told.said(Attribute.VERSION) or told.name)[:128]


def _worst(told: Iterable[Told]) -> State:
    """Of two that speak of one thing: trouble before peace, and peace before silence."""
    order = (State.FAILED, State.DEGRADED, State.MAINTENANCE, State.OK, State.UNKNOWN)
    return min((state_of(t) for t in told), key=order.index)


def state_of(told: Told) -> State:
    """What its phase and conditions say of it."""
    if told.said(Attribute.PHASE).lower() == "failed":
        return State.FAILED
    if told.status("Paused") is Status.TRUE:
        return State.MAINTENANCE
    match told.status("Available", "Ready", "MachineReady"):
        case Status.TRUE:
            return State.OK
        case Status.FALSE:
            return State.DEGRADED
        case _:
            return State.UNKNOWN


def aliases(told: Iterable[Told]) -> tuple[Alias, ...]:
    """The objects' uids: by them other sources may mean the same thing."""
    return tuple(Alias(kind=AliasKind.UID, value=t.uid) for t in told)


def _id(within: ClusterId, told: Told) -> str:
    return names.slug(f"{within}.{told.namespace}.{told.name}")


def cluster_id(within: ClusterId, namespace: str, name: str) -> ClusterId:
    """What a cluster is called that another one describes under that name."""
    full = f"{within}/{namespace}/{name}"
    stem = full.replace("/", "-").replace(".", "-").replace(":", "-")[:46].strip("-")
    return ClusterId(f"{stem}-{hashlib.sha256(full.encode()).hexdigest()[:16]}")


def _template_id(within: ClusterId, kind: str, namespace: str, name: str) -> TemplateId:
    return TemplateId(names.slug(f"{within}.{namespace}.{_SORTS[kind].value}.{name}"))
