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
    older: tuple[str, ...] = ()
    """Versions that mean the same to us, the newest first, for clusters that do not serve `version`."""
    within: str = ""
    """The one namespace that is listed; empty: all."""
    where: str = ""
    """A field selector of what is listed."""

    @property
    def name(self) -> str:
        """What it is called whatever its version: `leases.coordination.k8s.io`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

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
"""Everything that every cluster serves and the source cannot do without."""

EVENTS = Resource("", "v1", "events", "Event", where="involvedObject.kind=Node")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", within="kube-node-lease")
"""Each node's heartbeat."""
_DRA = ("v1beta2", "v1beta1")
SLICES = Resource("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", namespaced=False, older=_DRA)
CLASSES = Resource("resource.k8s.io", "v1", "deviceclasses", "DeviceClass", namespaced=False, older=_DRA)
CLAIMS = Resource("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim", older=_DRA)
CLAIM_TEMPLATES = Resource("resource.k8s.io", "v1", "resourceclaimtemplates", "ResourceClaimTemplate", older=_DRA)
MACHINES = Resource("kubevirt.io", "v1", "virtualmachines", "VirtualMachine")
INSTANCES = Resource("kubevirt.io", "v1", "virtualmachineinstances", "VirtualMachineInstance")
_CAPI, _BETA = "cluster.x-k8s.io", ("v1beta1",)
CAPI_CLUSTERS = Resource(_CAPI, "v1beta2", "clusters", "Cluster", older=_BETA)
CAPI_MACHINES = Resource(_CAPI, "v1beta2", "machines", "Machine", older=_BETA)
CAPI_GROUPS = Resource(_CAPI, "v1beta2", "machinedeployments", "MachineDeployment", older=_BETA)
CAPI_CONTROL_PLANES = Resource(
    "controlplane.cluster.x-k8s.io", "v1beta2", "kubeadmcontrolplanes", "KubeadmControlPlane", older=_BETA
)
CAPI_HEALTH_CHECKS = Resource(_CAPI, "v1beta2", "machinehealthchecks", "MachineHealthCheck", older=_BETA)
_K0RDENT, _ALPHA = "k0rdent.mirantis.com", ("v1alpha1",)
DEPLOYED_CLUSTERS = Resource(_K0RDENT, "v1beta1", "clusterdeployments", "ClusterDeployment", older=_ALPHA)
CLUSTER_TEMPLATES = Resource(_K0RDENT, "v1beta1", "clustertemplates", "ClusterTemplate", older=_ALPHA)
SERVICE_TEMPLATES = Resource(_K0RDENT, "v1beta1", "servicetemplates", "ServiceTemplate", older=_ALPHA)
CLUSTER_SERVICES = Resource(
    _K0RDENT, "v1beta1", "multiclusterservices", "MultiClusterService", namespaced=False, older=_ALPHA
)
DEVICES = (SLICES, CLASSES, CLAIM_TEMPLATES, CLAIMS)
PROVISIONED = (
    *(MACHINES, INSTANCES, CAPI_CLUSTERS, CAPI_MACHINES, CAPI_GROUPS, CAPI_CONTROL_PLANES, CAPI_HEALTH_CHECKS),
    *(CLUSTER_TEMPLATES, SERVICE_TEMPLATES, DEPLOYED_CLUSTERS, CLUSTER_SERVICES),
)
"""What becomes an item of the estate."""
COMPANIONS = (EVENTS, LEASES, *DEVICES, *PROVISIONED)
"""What the source follows where a cluster serves it and the reader may read it."""
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
