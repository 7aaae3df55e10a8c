"""The kinds of objects that Placet reads, and their paths in the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from estate.errors import BadInput
from estate.workloads import Workload


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of the API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As objects write it: `apps/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """The path of all, of a namespace's, or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        within = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{within}/{self.plural}{f'/{name}' if name else ''}"


NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod")
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
JOBS = Resource("batch", "v1", "jobs", "Job")
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob")

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
LIMIT_RANGES = Resource("", "v1", "limitranges", "LimitRange")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
SERVICES = Resource("", "v1", "services", "Service")

ADMISSION = Resource(
    "admissionregistration.k8s.io", "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False
)
ADMISSION_BINDINGS = Resource(
    ADMISSION.group, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False
)
"""Looked at before an eviction, never written."""

APPLIED = {r.kind: r for r in (BUDGETS, CONFIG_MAPS, LIMIT_RANGES, NETWORK_POLICIES, QUOTAS, SERVICES)}
"""The kinds of `estate.manifests.KINDS`: written whole, never watched."""
OWNERS = (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, JOBS, CRON_JOBS)
"""Controllers whose objects are watched."""
WATCHED = (NODES, BUDGETS, *OWNERS, PODS)
"""Everything that the source lists and watches: what its reader must be allowed to."""
IDENTITY = NAMESPACES.path(name="kube-system")
"""The object whose uid is the cluster's."""

BY_KIND = {(r.group, r.kind): r for r in (*OWNERS, PODS)}


def of_workload(workload: Workload) -> Resource | None:
    """The kind behind a workload of a cluster; None for a controller that Placet knows by its pods only."""
    kind = workload.id.removeprefix(f"{workload.cluster}.{workload.namespace}.").partition(".")[0]
    return next((r for r in BY_KIND.values() if r.kind.lower() == kind), None)


def of_object(raw: Mapping[str, object]) -> Resource:
    """The kind that a raw object says it is (one object of the API does; the items of a list do not).

    Raises:
        BadInput: it says none, or one that is no workload.
    """
    group = str(raw.get("apiVersion") or "").rpartition("/")[0]
    found = BY_KIND.get((group, str(raw.get("kind") or "")))
    if found is None:
        raise BadInput(f"kind: `{str(raw.get('kind'))[:63]}` of `{group[:63]}` is no workload's")
    return found
