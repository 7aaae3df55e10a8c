"""Objects of a cluster, by group and kind: one, a list, or several YAML documents.

Pods, owners and budgets are the cluster source's (`tools.kubernetes`), which watches them; they are refused here, as is
any kind that nobody reads. A bad object of a list costs no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from estate.errors import BadInput
from tools.payloads import contexts, documents, reading
from tools.payloads.clusters import devices, events, k0rdent, lifecycles, machines, nodes, remedies
from tools.payloads.clusters.sheets import Sheet, maybe
from tools.payloads.contexts import Context
from tools.payloads.parsed import Fault, Headers, Parsed

MOST_OBJECTS = 10_000
_API, _CONTROL_PLANE = "cluster.x-k8s.io", "controlplane.cluster.x-k8s.io"
_K0RDENT, _VIRT, _DRA = "k0rdent.mirantis.com", "kubevirt.io", "resource.k8s.io"
_FENCE, _SELF = "fence-agents-remediation.medik8s.io", "self-node-remediation.medik8s.io"

type Reader = Callable[[Sheet, reading.Fields], None]

READERS: Mapping[tuple[str, str], Reader] = MappingProxyType(
    {
        ("", "Event"): events.event,
        ("", "Node"): nodes.node,
        (_API, "Cluster"): lifecycles.cluster,
        (_API, "Machine"): lifecycles.machine,
        (_API, "MachineDeployment"): lifecycles.replicated,
        (_API, "MachineHealthCheck"): lifecycles.health_check,
        (_API, "MachinePool"): lifecycles.replicated,
        (_API, "MachineSet"): lifecycles.replicated,
        (_CONTROL_PLANE, "KubeadmControlPlane"): lifecycles.replicated,
        (_API, "KubeadmControlPlane"): lifecycles.replicated,
        (_DRA, "DeviceClass"): devices.device_class,
        (_DRA, "ResourceClaim"): devices.resource_claim,
        (_DRA, "ResourceClaimTemplate"): devices.claim_template,
        (_DRA, "ResourceSlice"): devices.resource_slice,
        ("events.k8s.io", "Event"): events.event,
        (_FENCE, "FenceAgentsRemediation"): remedies.remediation,
        (_FENCE, "FenceAgentsRemediationTemplate"): remedies.remediation_template,
        (_K0RDENT, "ClusterDeployment"): k0rdent.deployment,
        (_K0RDENT, "ClusterTemplate"): k0rdent.template,
        (_K0RDENT, "Credential"): k0rdent.credential,
        (_K0RDENT, "MultiClusterService"): k0rdent.services,
        (_K0RDENT, "ProviderTemplate"): k0rdent.template,
        (_K0RDENT, "ServiceTemplate"): k0rdent.template,
        (_VIRT, "VirtualMachine"): machines.machine,
        (_VIRT, "VirtualMachineInstance"): machines.instance,
        ("nodemaintenance.medik8s.io", "NodeMaintenance"): remedies.maintenance,
        ("remediation.medik8s.io", "NodeHealthCheck"): remedies.health_check,
        (_SELF, "SelfNodeRemediation"): remedies.remediation,
        (_SELF, "SelfNodeRemediationTemplate"): remedies.remediation_template,
    }
)
"""Who reads which kind. A new kind is a function beside the others and a row here."""


def parse(body: bytes, headers: Headers) -> Parsed:
    """What the objects state. `placet-cluster` is the cluster that they are of.

    Raises:
        BadInput: it holds no object, or none that can be read.
    """
    context = contexts.of(headers, "kubernetes")
    facts, observations, faults = [], [], []
    for number, value in enumerate(_objects(documents.load(body))):
        if number >= MOST_OBJECTS:
            raise BadInput(f"over {MOST_OBJECTS} objects in one body; send fewer at once")
        try:
            sheet = read(value, f"object {number}", context)
        except BadInput as error:
            faults.append(Fault(f"object {number}", str(error)))
        else:
            facts += sheet.facts
            observations += sheet.observations
    if faults and not facts and not observations:
        raise BadInput("; ".join(str(f) for f in faults[:3]))
    return Parsed(tuple(observations), tuple(faults), facts=tuple(facts))


def read(value: object, at: str, context: Context) -> Sheet:
    """What one object states.

    Raises:
        BadInput: it is no object, of a kind that nobody reads here, or a field of it is wrong.
    """
    raw = reading.Fields(value, at)
    kind = reading.name(raw.text("kind"))
    group = reading.name(raw.text("apiVersion")).rpartition("/")[0]
    reader = READERS.get((group, kind))
    if reader is None:
        raise BadInput(f"{raw.place('kind')}: `{kind}` of group `{group or 'core'}` is not read here")
    about = raw.within("metadata", required=True)
    sheet = Sheet(context, group, kind, maybe(about, "namespace"), maybe(about, "name"))
    if not sheet.name:
        raise BadInput(f"{about.place('name')}: required, and missing")
    reader(sheet, raw)
    return sheet


def _objects(values: list[object]) -> Iterator[object]:
    """Each object; those of a list take its kind, which an API server writes once for all of them."""
    for value in values:
        if isinstance(value, dict) and isinstance(value.get("items"), list):
            yield from (_whole(item, value) for item in value["items"])
        elif value is not None:
            yield value


def _whole(item: object, holder: Mapping[str, object]) -> object:
    kind = holder.get("kind")
    if not isinstance(item, dict) or not isinstance(kind, str) or kind == "List" or not kind.endswith("List"):
        return item
    return {"kind": kind.removesuffix("List"), "apiVersion": holder.get("apiVersion"), **item}
