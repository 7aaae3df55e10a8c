"""What is copied of a controller, by closed lists: a field that nobody thought of refuses the copy. Pure.

Never copied: status, uid, versions, owners, field managers, finalizers, our own marks and placement, and whatever hands
a pod its node (host namespaces, `hostPath`, `privileged`, `nodeName`). Called by `copying`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from estate.results import Refusal, RefusalCode
from tools.execution.kubernetes import templates
from tools.kubernetes import ownership
from tools.kubernetes.connecting import Object
from tools.kubernetes.contracts import ANNOTATION
from tools.kubernetes.objects import DATASETS_ANNOTATION, KIND_LABEL

_ANY_OWNER: Final = frozenset({"replicas", "selector", "template", "minReadySeconds", "revisionHistoryLimit"})
OWNER_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "Deployment": _ANY_OWNER | {"strategy", "progressDeadlineSeconds"},
    "ReplicaSet": _ANY_OWNER,
    "StatefulSet": _ANY_OWNER
    | {"serviceName", "podManagementPolicy", "updateStrategy", "ordinals", "persistentVolumeClaimRetentionPolicy"},
}
POD_FIELDS: Final = frozenset(
    {
        "affinity",
        "automountServiceAccountToken",
        "containers",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "hostAliases",
        "hostname",
        "imagePullSecrets",
        "initContainers",
        "nodeSelector",
        "os",
        "overhead",
        "preemptionPolicy",
        "priorityClassName",
        "readinessGates",
        "resources",
        "restartPolicy",
        "runtimeClassName",
        "schedulerName",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "subdomain",
        "terminationGracePeriodSeconds",
        "tolerations",
        "volumes",
    }
)
_OURS: Final = "placet.dev/"
_LEFT: Final = (_OURS, "deployment.kubernetes.io/", "kubectl.kubernetes.io/", "meta.helm.sh/")
"""Labels and annotations by which whoever wrote the original knows it."""
_KEPT: Final = frozenset({ANNOTATION, DATASETS_ANNOTATION, KIND_LABEL})
_SYNCHRONISERS: Final = ("argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/")
"""Whose marks say that what is removed here is made again here."""


def blueprint(raw: Object, about: str) -> Object | Refusal:
    """The controller as it may be made elsewhere (labels, annotations and spec), or why it may not."""
    if why := next(_faults(raw), None):
        return Refusal(code=RefusalCode.NOT_SUPPORTED, about=about, message=f"`{about}` is not copied: {why}")
    spec = deepcopy(raw["spec"])
    spec["template"] = {
        "metadata": _told(raw["spec"]["template"].get("metadata") or {}),
        "spec": _unplaced(raw),
    }
    return {"metadata": _told(raw["metadata"]), "spec": spec}


def _faults(raw: Object) -> Iterator[str]:
    about, spec, pod = raw["metadata"], raw["spec"], raw["spec"]["template"]["spec"]
    if owners := about.get("ownerReferences"):
        yield f"it belongs to {owners[0].get('kind')} `{owners[0].get('name')}`, which would make it again; move that"
    for mark in (*(about.get("labels") or {}), *(about.get("annotations") or {})):
        if mark.startswith(_SYNCHRONISERS):
            yield f"`{mark}` says who keeps it as it is written elsewhere, and would make it again; move it there"
    if spec.get("volumeClaimTemplates"):
        yield "its volumes would stay behind with their data (`volumeClaimTemplates`); move the data first"
    if spec.get("paused"):
        yield "it is paused; resume its rollout"
    for field in sorted(spec.keys() - OWNER_FIELDS[raw["kind"]]):
        yield f"nobody decided whether `spec.{field}` may come along; leave it out"
    for field in sorted(_unplaced(raw).keys() - POD_FIELDS):
        yield f"nobody decided whether `spec.template.spec.{field}` may come along; leave it out"
    if "nodeAffinity" in (_unplaced(raw).get("affinity") or {}):
        yield "its owner's own node affinity speaks of the nodes here; leave it out"
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        if (container.get("securityContext") or {}).get("privileged"):
            yield f"container `{container['name']}` is privileged; have an administrator make it there"


def _unplaced(raw: Object) -> Object:
    """The pod spec without the placement that we wrote into it: the copy gets one of its own."""
    spec: Object = deepcopy(raw["spec"]["template"]["spec"])
    ours = templates.placement(ownership.owned(raw))
    if spec.get("topologySpreadConstraints") == ours.get("topologySpreadConstraints"):
        spec.pop("topologySpreadConstraints", None)
    affinity = spec.get("affinity") or {}
    if affinity.get("nodeAffinity") == (ours.get("affinity") or {}).get("nodeAffinity"):
        affinity.pop("nodeAffinity", None)
    if not affinity:
        spec.pop("affinity", None)
    return spec


def _told(about: Mapping[str, Any]) -> Object:
    """Labels and annotations, without those by which whoever wrote the original knows it."""
    told = {field: {k: v for k, v in (about.get(field) or {}).items() if _comes(k)} for field in _BOTH}
    return {field: pairs for field, pairs in told.items() if pairs}


_BOTH: Final = ("labels", "annotations")


def _comes(key: str) -> bool:
    return key in _KEPT or not key.startswith(_LEFT)
