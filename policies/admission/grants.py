"""Who may do what in a cluster: one table from change kinds to verbs. RBAC is written from it, `doctor` proves it.

`docs/decisions/0009` says what the reader looks at. Never granted to either: secrets, any write of the policies that
bind Placet, `bind`, `escalate`, `impersonate`, `exec`, and the subresources `scale` and `binding` (a workload is scaled
and placed by writing the workload, where old and new warrant can be compared).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

LOOK: Final = ("get", "list", "watch")
READ_VERBS: Final = frozenset(LOOK)
_TUNNELS: Final = frozenset({"exec", "attach", "portforward", "proxy", "*"})
"""Subresources through which a mere `get` runs commands: `get nodes/proxy` is a shell in every pod."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """Verbs on resources of one API group; `names` limits it to objects of these names."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()
    tenants: bool = False
    """Held by a binding in each namespace of a tenant, and nowhere cluster-wide."""

    def each(self) -> Iterator[Access]:
        """Every single access that this gives."""
        for resource in self.resources:
            for verb in self.verbs:
                for name in self.names or ("",):
                    yield Access(verb, self.group, resource, name)


@dataclass(frozen=True, slots=True, order=True)
class Access:
    """One verb on one resource (`pods/eviction` for a subresource), everywhere or by name."""

    verb: str
    group: str
    resource: str
    name: str = ""

    @property
    def writes(self) -> bool:
        """Whether it changes anything, or reaches into something."""
        return self.verb not in READ_VERBS or self.resource.partition("/")[2] in _TUNNELS

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {resource}{f' {self.name}' if self.name else ''}"


OWNERS: Final = ("deployments", "replicasets", "statefulsets")
"""The controllers that Placet writes."""
LOOKED_AT: Final = (
    Grant("", ("namespaces",), ("get",), ("kube-system",)),
    Grant("", ("namespaces",), ("list",)),
    Grant("", ("nodes", "pods"), LOOK),
    Grant("apps", ("deployments", "replicasets", "statefulsets"), LOOK),
    Grant("batch", ("cronjobs", "jobs"), LOOK),
    Grant("policy", ("poddisruptionbudgets",), LOOK),
    Grant("resource.k8s.io", ("resourceclaims", "resourceslices"), LOOK),
)
"""What source and executor read to know nodes and workloads; and the names of namespaces, in each of which it is asked
what the account may do there."""
LOOKED_ON: Final = (
    Grant("", ("events",), LOOK),
    Grant("cluster.x-k8s.io", ("clusters", "machinedeployments", "machinehealthchecks", "machines"), LOOK),
    Grant("controlplane.cluster.x-k8s.io", ("kubeadmcontrolplanes",), LOOK),
    Grant("coordination.k8s.io", ("leases",), LOOK),
    Grant(
        "k0rdent.mirantis.com",
        ("clusterdeployments", "clustertemplates", "multiclusterservices", "servicetemplates"),
        LOOK,
    ),
    Grant("kubevirt.io", ("virtualmachineinstances", "virtualmachines"), LOOK),
    Grant("resource.k8s.io", ("deviceclasses", "resourceclaimtemplates"), LOOK),
)
"""What the source alone follows where a cluster serves it. A group that a cluster does not have may be granted all the
same."""
NAMESPACES: Final = Access("list", "", "namespaces")
"""Without it nobody knows what an account may do in single namespaces."""

_NODE: Final = (Grant("", ("nodes",), ("patch",)),)
_EVICT: Final = (Grant("", ("pods/eviction",), ("create",)),)
_DOOR: Final = (
    Grant(
        "admissionregistration.k8s.io", ("validatingadmissionpolicies", "validatingadmissionpolicybindings"), ("get",)
    ),
)
"""Whether the law stands at the door decides whether a pod may be evicted whose next one could land anywhere."""
_OWNER: Final = (Grant("apps", OWNERS, ("patch",)),)
_CHOICE: Final = (Grant("", ("pods",), ("patch",)),)
"""Which of equal pods stops, or stops first, is said by a mark on the pod itself; and where a gated one may go."""
_HELD: Final = (
    Grant("batch", ("jobs",), ("patch",), tenants=True),
    Grant("resource.k8s.io", ("resourceclaims",), ("patch", "create", "delete"), tenants=True),
    Grant("kueue.x-k8s.io", ("workloads",), ("get", "list", "patch"), tenants=True),
    Grant("kueue.x-k8s.io", ("workloads/status",), ("patch",), tenants=True),
    Grant("kueue.x-k8s.io", ("admissionchecks",), ("list",)),
    Grant("resource.k8s.io", ("deviceclasses", "resourceclaimtemplates"), ("list",)),
)
"""What holds pods back until they are placed: marks of Jobs, claims of the chosen devices, answers to Kueue's check."""
_RIVALS: Final = (Grant("autoscaling", ("horizontalpodautoscalers",), ("list",)),)
"""Whoever scales a workload too would undo it."""

OBJECTS: Final = tuple(
    Grant(group, resources, ("get", "patch", "create", "delete"), tenants=True)
    for group, resources in (
        ("", ("configmaps", "limitranges", "resourcequotas", "services")),
        ("networking.k8s.io", ("networkpolicies",)),
        ("policy", ("poddisruptionbudgets",)),
    )
)
"""Server-side apply of what is not there needs `create`; either kind of change undoes the other."""

_MAKING: Final = (*_OWNER, Grant("apps", OWNERS, ("create", "delete"), tenants=True))
"""A copy that is undone is deleted."""
_ENDING: Final = (*_OWNER, Grant("apps", OWNERS, ("delete",), tenants=True))
_NEEDED: Final = (
    Grant("", ("configmaps", "persistentvolumeclaims", "serviceaccounts"), ("get",), tenants=True),
    Grant("scheduling.k8s.io", ("priorityclasses",), ("get",)),
    Grant("node.k8s.io", ("runtimeclasses",), ("get",)),
)
"""What a copy's pods refer to is looked for by name. Secrets are not among it: `get` would read them."""

_MACHINES: Final = (
    Grant("cluster.x-k8s.io", ("machinedeployments",), ("get", "list", "watch", "patch")),
    Grant("cluster.x-k8s.io", ("machines",), ("get", "list", "patch")),
)
"""The number of a group, and the mark on the machine that shall leave: neither is made or deleted by us."""

BY_CHANGE: Final[Mapping[str, tuple[Grant, ...]]] = {
    "CordonNode": _NODE,
    "UncordonNode": _NODE,
    "TaintNode": _NODE,
    "UntaintNode": _NODE,
    "SetPowerCap": (),  # no field of Kubernetes: the hands refuse it
    "RepartitionAccelerator": _NODE,
    "EvictPod": (*_NODE, *_EVICT, *_DOOR),
    "DrainNode": (*_NODE, *_EVICT, *_DOOR),
    "ScaleWorkload": (*_OWNER, *_EVICT, *_CHOICE, *_RIVALS, *_HELD),
    "MoveWorkload": (*_OWNER, *_EVICT, *_CHOICE, *_HELD),
    "CopyWorkload": (*_MAKING, *_NEEDED, *_RIVALS),
    "RemoveWorkload": _ENDING,
    "ApplyManifest": OBJECTS,
    "DeleteObject": OBJECTS,
    "ReserveCapacity": (),  # a book of Placet's own holds it
    "ReleaseCapacity": (),
    "ScaleMachineGroup": _MACHINES,
}
"""What each kind of change needs beyond looking. A kind that is not here can be carried out on no cluster."""

DENIED: Final = (
    *(Access(v, "", "secrets") for v in (*LOOK, "create", "patch", "delete")),
    Access("create", "", "pods/exec"),
    Access("create", "", "pods/binding"),
    Access("create", "", "bindings"),
    Access("create", "", "serviceaccounts/token"),
    Access("delete", "", "nodes"),
    Access("patch", "", "configmaps"),
    Access("delete", "", "services"),
    Access("create", "networking.k8s.io", "networkpolicies"),
    Access("patch", "", "serviceaccounts"),
    Access("create", "networking.k8s.io", "ingresses"),
    Access("deletecollection", "", "configmaps"),
    Access("patch", "", "namespaces"),
    Access("patch", "apps", "deployments/scale"),
    Access("create", "apps", "deployments"),
    Access("delete", "apps", "statefulsets"),
    Access("create", "cluster.x-k8s.io", "machinedeployments"),
    Access("delete", "cluster.x-k8s.io", "machines"),
    Access("impersonate", "", "users"),
    Access("escalate", "rbac.authorization.k8s.io", "clusterroles"),
    Access("bind", "rbac.authorization.k8s.io", "clusterroles"),
    Access("patch", "rbac.authorization.k8s.io", "clusterroles"),
    Access("patch", "admissionregistration.k8s.io", "validatingadmissionpolicies"),
    Access("delete", "admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
    Access("*", "*", "*"),
)
"""What neither may do cluster-wide, and `doctor` asks for by name."""


def reader() -> tuple[Grant, ...]:
    """What the reader may do: look."""
    return merged((*LOOKED_AT, *LOOKED_ON))


def writer(kinds: Iterable[str] = BY_CHANGE) -> tuple[Grant, ...]:
    """What the writer may do cluster-wide to carry out changes of these kinds, and to see what came of it."""
    wanted = {g for kind in kinds for g in BY_CHANGE[kind] if not g.tenants}
    return (*LOOKED_AT, *merged(wanted))


def in_tenants() -> tuple[Grant, ...]:
    """What the writer may do in the namespaces of tenants."""
    return merged(g for granted in BY_CHANGE.values() for g in granted if g.tenants)


def merged(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """The same accesses with one grant for each set of verbs, sorted."""
    verbs: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    for grant in grants:
        for resource in grant.resources:
            verbs.setdefault((grant.group, resource, grant.names), set()).update(grant.verbs)
    alike: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (group, resource, names), held in verbs.items():
        alike.setdefault((group, tuple(sorted(held)), names), []).append(resource)
    return tuple(sorted(Grant(g, tuple(sorted(r)), v, n) for (g, v, n), r in alike.items()))


def allowed(grants: Iterable[Grant]) -> frozenset[Access]:
    """Every single access of these grants."""
    return frozenset(a for g in grants for a in g.each())
