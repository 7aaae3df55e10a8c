"""Whether a drift matters, and to what: one table of kinds and paths, extended by a row. Pure.

The first row that fits speaks. `*` stands for anything; a path covers what is below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from estate.drifts import Matter
from tools.drift import paths

_POD: Final = "spec.template.spec"
_RUNS: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob")
_HOST: Final = ("hostNetwork", "hostPID", "hostIPC", "hostUsers")
_ROLLED_OUT: Final = ("ClusterDeployment", "MultiClusterService", "Cluster")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a field of some kinds bears on, and why."""

    kinds: tuple[str, ...]
    path: str
    matter: Matter
    why: str

    def fits(self, kind: str, path: str) -> bool:
        """Whether it speaks of that field."""
        return any(fnmatchcase(kind, k) for k in self.kinds) and (not self.path or paths.matches(path, self.path))


RULES: Final = (
    # what Placet itself relies on
    Rule(("*",), "metadata.annotations[placet.dev/*", Matter.SECURITY, "placet's own marks say what was allowed"),
    # isolation
    Rule(("NetworkPolicy",), "", Matter.ISOLATION, "it keeps tenants apart on the network"),
    Rule(("Node",), "spec.taints*", Matter.PLACEMENT, "it says what may come to the node"),
    Rule(("Node",), "spec.unschedulable", Matter.PLACEMENT, "it fences the node, or opens it"),
    Rule(("Node",), "metadata.labels[nvidia.com/mig.*", Matter.CAPACITY, "it says how the devices are cut"),
    Rule(("Node",), "metadata.labels*", Matter.PLACEMENT, "selectors and affinities find the node by it"),
    Rule(("Namespace",), "metadata.labels[pod-security.kubernetes.io/*", Matter.SECURITY, "it bounds what pods may do"),
    Rule(("Namespace",), "metadata.labels*", Matter.ISOLATION, "network policies and admission find the tenant by it"),
    # what runs, and with which rights
    Rule(_RUNS, f"{_POD}.*.image", Matter.SECURITY, "another program runs than the one that was approved"),
    Rule(_RUNS, f"{_POD}.*.securityContext", Matter.SECURITY, "it bounds what a process may do"),
    Rule(_RUNS, f"{_POD}.securityContext", Matter.SECURITY, "it bounds what a process may do"),
    *(Rule(_RUNS, f"{_POD}.{f}", Matter.SECURITY, "it reaches into the machine") for f in _HOST),
    Rule(_RUNS, f"{_POD}.serviceAccount*", Matter.SECURITY, "it says what the workload may ask of its cluster"),
    Rule(_RUNS, f"{_POD}.volumes*", Matter.SECURITY, "it says what data the workload reaches"),
    Rule(_RUNS, f"{_POD}.*.resources", Matter.CAPACITY, "it says how many devices each replica takes"),
    *(
        Rule(_RUNS, f"{_POD}.{field}*", Matter.PLACEMENT, "it says where replicas may run")
        for field in ("affinity", "nodeSelector", "tolerations", "topologySpreadConstraints", "nodeName")
    ),
    Rule(_RUNS, f"{_POD}.*ontainers*.env*", Matter.SECURITY, "it changes what the program does"),
    Rule(_RUNS, f"{_POD}.*ontainers*", Matter.SECURITY, "it changes what runs"),
    Rule(_RUNS, "spec.replicas", Matter.CAPACITY, "it says how much runs"),
    Rule(_RUNS, "spec.template.metadata*", Matter.ISOLATION, "policies and budgets find the pods by it"),
    # what bounds and keeps
    Rule(("ResourceQuota", "LimitRange"), "", Matter.CAPACITY, "it bounds what a tenant may take"),
    Rule(("PodDisruptionBudget",), "", Matter.CAPACITY, "it keeps as many replicas as were promised"),
    Rule(("Service",), "spec.type", Matter.SECURITY, "it opens the workload to the outside"),
    Rule(("Service",), "spec.externalIPs*", Matter.SECURITY, "it takes over others' addresses"),
    Rule(("Service",), "spec.externalName", Matter.SECURITY, "it leads where no fact says who rules"),
    Rule(("Service",), "spec.selector*", Matter.ISOLATION, "it says whose pods answer"),
    Rule(("Service",), "spec.ports*", Matter.SECURITY, "it says which ports are open"),
    Rule(("ConfigMap",), "data*", Matter.CAPACITY, "workloads are configured by it"),
    # k0rdent and Cluster API
    Rule(_ROLLED_OUT, "spec.template", Matter.SECURITY, "another revision is rolled out"),
    Rule(_ROLLED_OUT, "spec.*ervice*", Matter.SECURITY, "other services are rolled out"),
    Rule(("ClusterTemplate", "ServiceTemplate"), "", Matter.SECURITY, "what is rolled out comes from it"),
    Rule(("cluster",), "", Matter.SECURITY, "what runs there is not what its template says"),
    # the estate's own records
    Rule(("node",), "accelerators*.partitions*", Matter.CAPACITY, "it says how the device is cut"),
    Rule(("node",), "accelerators*", Matter.CAPACITY, "a device is another one, or missing"),
    Rule(("node",), "power_cap_watts", Matter.CAPACITY, "it bounds what the rack draws"),
    Rule(("node",), "cordoned", Matter.PLACEMENT, "it fences the node, or opens it"),
    Rule(("node",), "taints*", Matter.PLACEMENT, "it says what may come to the node"),
    Rule(("node",), "cluster", Matter.ISOLATION, "another control plane rules the machine"),
    Rule(("node",), "", Matter.CAPACITY, "the machine is not the one that stands in the files"),
    Rule(("workload",), "tenant", Matter.ISOLATION, "it is somebody else's work"),
    Rule(("workload",), "bindings*", Matter.PLACEMENT, "it runs elsewhere than planned"),
    Rule(("workload",), "contract*", Matter.CAPACITY, "it was promised something else"),
    Rule(("workload",), "replicas", Matter.CAPACITY, "it says how much runs"),
    Rule(("workload",), "datasets*", Matter.SECURITY, "it says what data the workload reaches"),
    Rule(("workload",), "attachments*", Matter.ISOLATION, "it says what storage and networks the workload reaches"),
    Rule(("workload",), "", Matter.CAPACITY, "the workload is not the one that stands in the files"),
    # everything else
    Rule(("*",), "metadata*", Matter.COSMETIC, "nothing in the table says that it matters"),
    Rule(("*",), "", Matter.CAPACITY, "it changes what the object does"),
)


def rule(kind: str, path: str) -> Rule:
    """The row that speaks of a field; an empty path is the whole thing."""
    return next(r for r in RULES if r.fits(kind, path))
