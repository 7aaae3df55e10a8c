"""What others legitimately own: one table, extended by a row. Pure.

A drift is somebody's change of what was desired; what an autoscaler, a controller of the cluster or another applier
holds of its own is none. Status and other subresources are never compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from estate.drifts import Basis
from estate.hands import Hand
from estate.manifests import KINDS
from tools.drift import paths
from tools.drift.holders import APPLY, UPDATE

PLACET: Final = "placet"
_CLUSTER: Final = "kube-controller-manager"


_PLACED: Final = (
    "spec.replicas",
    "spec.template.spec.affinity",
    "spec.template.spec.topologySpreadConstraints",
    "spec.unschedulable",
    "metadata.annotations[placet.dev/*",
)
"""What Placet says of nodes and of what runs; whatever else it holds there is somebody's that it took over."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who may write what beside or over what was desired, and why. `*` stands for anything."""

    manager: str
    path: str
    why: str
    subresource: str = "*"
    kind: str = "*"

    def owns(self, hand: Hand, kind: str, path: str) -> bool:
        """Whether this is that owner's field."""
        return (
            fnmatchcase(hand.manager, self.manager)
            and fnmatchcase(hand.subresource, self.subresource)
            and fnmatchcase(kind, self.kind)
            and paths.matches(path, self.path)
        )


OWNERS: Final = (
    Owner("*", "status", "status is what is, not what should be"),
    Owner("*", "*", "the kubelet and controllers report through it", subresource="status"),
    # HorizontalPodAutoscaler: its controller writes the scale subresource as the controller manager does.
    Owner(_CLUSTER, "spec.replicas", "a HorizontalPodAutoscaler scales it", subresource="scale"),
    Owner("keda*", "spec.replicas", "KEDA scales it to and from zero", subresource="scale"),
    Owner("kueue*", "spec.suspend", "Kueue admits the job", kind="Job"),
    Owner("kueue*", "spec.parallelism", "Kueue admits the job in part", kind="Job"),
    Owner("vpa-*", "spec.template.spec.containers*.resources", "a VerticalPodAutoscaler sizes it"),
    Owner(_CLUSTER, "metadata.annotations*", "the deployment controller counts revisions"),
    Owner(_CLUSTER, "metadata.labels*", "controllers of the cluster label what they made"),
    Owner(_CLUSTER, "spec.taints[effect=*,key=node.kubernetes.io/*]", "the node controller says a condition by it"),
    Owner("*", "spec.taints[effect=*,key=node.cloudprovider.kubernetes.io/*]", "the cloud controller begins by it"),
    Owner("*", "spec.taints[effect=*,key=node.kubernetes.io/*]", "it says a condition or a cordon once more"),
    Owner("*", "spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]", "a rollout was begun again"),
    Owner(_CLUSTER, "spec.podCIDR*", "the node controller allots it", kind="Node"),
    Owner("*cloud-controller-manager", "spec.providerID", "the cloud says which machine it is", kind="Node"),
    Owner("kubelet", "metadata", "a kubelet labels and annotates its node", kind="Node"),
    Owner("nfd-master*", "metadata.labels*", "node feature discovery labels nodes", kind="Node"),
    Owner("gpu-operator*", "metadata.labels*", "the GPU operator labels nodes", kind="Node"),
    Owner("cainjector*", "webhooks*", "cert-manager renews the bundle"),
)
"""The first row that fits says why."""


def legitimate(by: Sequence[Hand], kind: str, path: str, basis: Basis) -> str | None:
    """Why a difference from what is desired is none: the newest of its holders may write it. None: it may not."""
    if basis is Basis.PLACET and kind not in KINDS and not any(paths.matches(path, p) for p in _PLACED):
        return "what runs is its owner's; placet says how many and where"
    if not by:
        return None
    newest = by[0]
    if basis is not Basis.PLACET and newest.manager == PLACET:
        return "placet holds it by a warrant"
    return next((o.why for o in OWNERS if o.owns(newest, kind, path)), None)


def addition(by: Sequence[Hand], kind: str, path: str, basis: Basis, appliers: frozenset[str]) -> bool:
    """Whether something beside what is desired was put there by hand.

    What nobody holds is a default; what somebody applies is declared elsewhere; labels and annotations are anybody's;
    of what runs and of nodes placet holds a part and no more.
    """
    if basis is Basis.PLACET and kind not in KINDS:
        return False
    if not by or by[0].operation != UPDATE or by[0].manager in appliers or paths.matches(path, "metadata"):
        return False
    return not any(h.operation == APPLY for h in by) and legitimate(by, kind, path, basis) is None
