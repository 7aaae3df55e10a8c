"""What Placet keeps of pods, controllers and disruption budgets: a few typed fields of each raw object. Pure.

Everything else is dropped at the door (managedFields alone is half of an object), so that a whole cluster is small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from estate import canonical, names
from estate.devices import Vendor
from estate.errors import BadInput
from estate.ids import DatasetId
from estate.workloads import Toleration, WorkloadKind
from tools.kubernetes import fields, gangs, requirements, tainting
from tools.kubernetes.fields import Raw
from tools.kubernetes.resources import BY_KIND, Resource

KIND_LABEL = "placet.dev/kind"
DATASETS_ANNOTATION = "placet.dev/datasets"
_MIRROR = "kubernetes.io/config.mirror"
_GROUPS = {kind: group for group, kind in BY_KIND} | {"DaemonSet": "apps", "ReplicationController": ""}
_KINDS = {kind.value: kind for kind in WorkloadKind}
MOST_REPLICAS = 10_000
"""More than that cannot be told of one workload: whoever wants more is seen with so many, and is not written."""
MOST_PER_REPLICA = 64
"""More than that cannot be told of one pod, and no machine has it to give."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A controller as an object names it."""

    group: str
    kind: str
    name: str
    uid: str

    @property
    def word(self) -> str:
        """The kind as ids write it: with its group where it borrows the name of a kind of Kubernetes' own."""
        if self.kind in _GROUPS and _GROUPS[self.kind] != self.group:
            return f"{self.kind}-{self.group.replace('.', '-')}"
        return self.kind


@dataclass(frozen=True, slots=True)
class Ask:
    """What a pod, or the template of one, asks for and says of itself."""

    accelerators: int = 0
    models: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: WorkloadKind | None = None
    datasets: tuple[DatasetId, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    gang: str = ""
    """The gang that it names; see `gangs`."""
    vendors: tuple[Vendor, ...] = ()
    """Whose devices it asks for, sorted; empty: it says none."""
    templates: tuple[str, ...] = ()
    """The ResourceClaimTemplates by which it asks for devices by name, once for each time it does."""
    room: requirements.Room = field(default_factory=requirements.Room)
    """The processors and memory that it requests."""
    cut: str = ""
    """By which size's name it asks for devices, where they are slices."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod."""

    ref: Reference
    namespace: str
    controller: Reference | None
    node: str
    """The name of the node it is bound to; empty while it is pending."""
    finished: bool
    mirror: bool
    ask: Ask
    claims: tuple[str, ...] = ()
    """The ResourceClaims through which it holds devices by name."""
    extended: str = ""
    """The one of them that was made for what it asks for by number."""

    @property
    def counts(self) -> bool:
        """Whether it is a replica of something: it runs or will. What a node's own agents keep is none, unless it holds
        accelerators: those are nobody else's then.
        """
        return not self.finished and (self.ask.accelerators > 0 or bool(self.claims) or not self.kept_by_node)

    @property
    def kept_by_node(self) -> bool:
        """Whether it comes back to the same node whoever ends it: a mirror pod, or one of a DaemonSet."""
        return self.mirror or (self.controller is not None and self.controller.word == "DaemonSet")


@dataclass(frozen=True, slots=True)
class Owner:
    """One controller, or what is known of one by the pods that name it (`desired` and `ask` are then None)."""

    ref: Reference
    namespace: str
    controller: Reference | None = None
    desired: int | None = None
    finished: bool = False
    ask: Ask | None = None

    def gang_of(self, pod: Pod) -> str:
        """The gang of one of its pods: what the pod says itself goes before what its template does."""
        return pod.ask.gang or (self.ask.gang if self.ask is not None else "")


@dataclass(frozen=True, slots=True)
class Budget:
    """One disruption budget. A `selector` of None selects nothing, an empty one everything in its namespace."""

    uid: str
    namespace: str
    name: str
    selector: requirements.Selector | None
    min_available: int | str | None = None
    max_unavailable: int | str | None = None


def pod(raw: Raw) -> Pod:
    """What is kept of a raw Pod. Raises BadInput."""
    about, spec, status = (fields.mapping(raw.get(k), k) for k in ("metadata", "spec", "status"))
    return Pod(
        ref=_self(about, "", "Pod"),
        namespace=fields.needed(about.get("namespace"), "metadata.namespace"),
        controller=_controller(about),
        node=fields.text(spec.get("nodeName"), "spec.nodeName"),
        finished=fields.text(status.get("phase"), "status.phase") in {"Succeeded", "Failed"},
        mirror=_MIRROR in fields.mapping(about.get("annotations"), "metadata.annotations"),
        ask=_ask(about, spec),
        claims=_claims(spec, status),
        extended=_extended(status),
    )


def owner(raw: Raw, resource: Resource) -> Owner:
    """What is kept of a raw controller of that kind. Raises BadInput."""
    if resource.kind == "Pod":
        return bare(pod(raw))
    about, spec, status = (fields.mapping(raw.get(k), k) for k in ("metadata", "spec", "status"))
    running = spec
    if resource.kind == "CronJob":
        running = fields.mapping(fields.mapping(spec.get("jobTemplate"), "spec.jobTemplate").get("spec"), "spec")
    template = fields.mapping(running.get("template"), "spec.template")
    return Owner(
        ref=_self(about, resource.group, resource.kind),
        namespace=fields.needed(about.get("namespace"), "metadata.namespace"),
        controller=_controller(about),
        desired=_desired(resource.kind, spec, status),
        finished=resource.kind == "Job" and _is_over(status),
        ask=_owner_ask(resource.kind, about, running, template),
    )


def bare(of: Pod) -> Owner:
    """A pod as its own one replica; also one in the middle of a chain (the leader of a LeaderWorkerSet's group)."""
    return Owner(of.ref, of.namespace, of.controller, 1, of.finished, of.ask)


def budget(raw: Raw) -> Budget:
    """What is kept of a raw PodDisruptionBudget. Raises BadInput."""
    about, spec = (fields.mapping(raw.get(k), k) for k in ("metadata", "spec"))
    return Budget(
        uid=fields.needed(about.get("uid"), "metadata.uid"),
        namespace=fields.needed(about.get("namespace"), "metadata.namespace"),
        name=fields.needed(about.get("name"), "metadata.name"),
        selector=requirements.selector(spec.get("selector")),
        min_available=requirements.number_or_percent(spec.get("minAvailable"), "spec.minAvailable"),
        max_unavailable=requirements.number_or_percent(spec.get("maxUnavailable"), "spec.maxUnavailable"),
    )


def _self(about: Raw, group: str, kind: str) -> Reference:
    return Reference(group, kind, fields.needed(about.get("name"), "metadata.name"), _uid(about, "metadata.uid"))


def _controller(about: Raw) -> Reference | None:
    """The controller that an object names. API servers take any text there: what cannot be read names nobody, so that
    it hides no object.
    """
    for entry in fields.sequence(about.get("ownerReferences"), "metadata.ownerReferences"):
        named = fields.mapping(entry, "metadata.ownerReferences[]")
        if fields.flag(named.get("controller"), "controller"):
            try:
                return _reference(named)
            except BadInput:
                return None
    return None


def _reference(named: Raw) -> Reference:
    group, slash, _ = fields.text(named.get("apiVersion"), "apiVersion").rpartition("/")
    kind, name = (fields.needed(named.get(k), f"metadata.ownerReferences[].{k}") for k in ("kind", "name"))
    return Reference(group if slash else "", kind, name, _uid(named, "metadata.ownerReferences[].uid"))


def _uid(about: Raw, at: str) -> str:
    uid = fields.needed(about.get("uid"), at)
    if len(uid) > 128:
        raise BadInput(f"{at}: is longer than 128 characters")
    return uid


def _desired(kind: str, spec: Raw, status: Raw) -> int | None:
    """How many replicas there should be; None where the controller does not say (a CronJob: whatever its jobs run)."""
    if kind == "CronJob":
        return None
    if kind != "Job":
        return min(fields.integer(spec.get("replicas"), "spec.replicas", 1), MOST_REPLICAS)
    at_once = fields.integer(spec.get("parallelism"), "spec.parallelism", 1)
    if fields.flag(spec.get("suspend"), "spec.suspend"):
        return 0
    if spec.get("completions") is None:
        return min(at_once, MOST_REPLICAS)
    left = fields.integer(spec.get("completions"), "spec.completions", 1)
    left -= fields.integer(status.get("succeeded"), "status.succeeded", 0)
    return max(0, min(at_once, left, MOST_REPLICAS))


def _is_over(status: Raw) -> bool:
    conditions = (fields.mapping(c, "status.conditions[]") for c in fields.sequence(status.get("conditions"), "status"))
    return any(c.get("type") in ("Complete", "Failed") and c.get("status") == "True" for c in conditions)


def _owner_ask(kind: str, about: Raw, running: Raw, template: Raw) -> Ask:
    ask = _template_ask(about, template)
    if kind != "Job" or ask.gang:
        return ask
    return replace(ask, gang=gangs.of_job(fields.needed(about.get("name"), "metadata.name"), running, ask.kind))


def _template_ask(about: Raw, template: Raw) -> Ask:
    """What the template asks for; what it says of itself, the controller may say too (the controller first)."""
    inner = fields.mapping(template.get("metadata"), "spec.template.metadata")
    ask = _ask(inner, fields.mapping(template.get("spec"), "spec.template.spec"))
    kind, datasets = _said(about)
    return replace(ask, kind=kind or ask.kind, datasets=tuple(sorted({*datasets, *ask.datasets})))


def _ask(about: Raw, spec: Raw) -> Ask:
    wanted = min(requirements.accelerators(spec), MOST_PER_REPLICA)
    kind, datasets = _said(about)
    labels = fields.words(about.get("labels"), "metadata.labels")
    gang = gangs.told(about, spec)
    return Ask(
        accelerators=wanted,
        models=requirements.models(spec),
        labels=labels,
        kind=kind,
        datasets=datasets,
        tolerations=tainting.tolerations(spec),
        gang=gang,
        vendors=requirements.vendors_of(spec),
        templates=_templates(spec),
        room=requirements.room(spec),
        cut=requirements.cut(spec),
    )


def _claims(spec: Raw, status: Raw) -> tuple[str, ...]:
    """Those that it names itself, and those that were made for it."""
    named = [
        fields.text(fields.mapping(c, "spec.resourceClaims[]").get("resourceClaimName"), "resourceClaimName")
        for c in fields.sequence(spec.get("resourceClaims"), "spec.resourceClaims")
    ]
    made = [
        fields.text(fields.mapping(c, "status.resourceClaimStatuses[]").get("resourceClaimName"), "resourceClaimName")
        for c in fields.sequence(status.get("resourceClaimStatuses"), "status.resourceClaimStatuses")
    ]
    return tuple(dict.fromkeys(n for n in (*named, *made, _extended(status)) if n))


def _extended(status: Raw) -> str:
    told = fields.mapping(status.get("extendedResourceClaimStatus"), "status.extendedResourceClaimStatus")
    return fields.text(told.get("resourceClaimName"), "status.extendedResourceClaimStatus.resourceClaimName")


def _templates(spec: Raw) -> tuple[str, ...]:
    claims = (fields.mapping(c, "resourceClaims[]") for c in fields.sequence(spec.get("resourceClaims"), "spec"))
    names = (fields.text(c.get("resourceClaimTemplateName"), "resourceClaimTemplateName") for c in claims)
    return tuple(n for n in names if n)


def _said(about: Raw) -> tuple[WorkloadKind | None, tuple[DatasetId, ...]]:
    """What labels and annotations say. They never make a tenant; a dataset can only narrow where it may run."""
    kind = fields.words(about.get("labels"), "metadata.labels").get(KIND_LABEL, "")
    told = fields.mapping(about.get("annotations"), "metadata.annotations").get(DATASETS_ANNOTATION)
    return _KINDS.get(kind), tuple(sorted({DatasetId(names.slug(name)) for name in _named(told) if name}))


def _named(told: object) -> Iterable[str]:
    """The datasets that an annotation names. One that cannot be read is one that no fact knows: its pod is seen, and
    is lawful nowhere.
    """
    written = told if isinstance(told, str) else ""
    if len(written) > fields.LONGEST_TEXT or canonical.text_fault(written):
        return (written,)
    return (name.strip() for name in written.split(","))
