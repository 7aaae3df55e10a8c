"""The storage and networks that a pod, or the template of one, names: `estate.attachments.Attachment`. Pure.

Called by `objects`. A claim keeps no namespace, because it is looked for in the pod's own; what a template names in
another namespace (a network's definition) keeps it. What cannot be read is a name that no fact knows: its pod is seen,
and is lawful nowhere. Volumes that a kubelet makes anew for each pod are attached to nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pydantic import ValidationError

from estate import canonical
from estate.attachments import CLAIM, DEFINITION, Attachment, AttachmentSort
from estate.errors import BadInput
from tools.kubernetes import fields
from tools.kubernetes.fields import Raw

MOST: Final = 256
"""More than that cannot be told of one workload."""
UNREADABLE: Final = "unreadable"
NETWORKS: Final = "k8s.v1.cni.cncf.io/networks"
_DEFAULT_NETWORK: Final = "v1.multus-cni.io/default-network"
_ALONE: Final = frozenset({"configMap", "downwardAPI", "emptyDir", "gitRepo", "image", "projected", "secret"})
"""Volumes of a pod's own, or of its own namespace."""
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskURI",),
    "azureFile": ("shareName",),
    "cephfs": ("path",),
    "csi": ("driver",),
    "gcePersistentDisk": ("pdName",),
    "glusterfs": ("endpoints", "path"),
    "hostPath": ("path",),
    "iscsi": ("targetPortal", "iqn"),
    "nfs": ("server", "path"),
    "rbd": ("pool", "image"),
}
"""By which fields a volume says which storage it is; of another kind none is known, and the kind alone is told."""
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")


def attachments(about: Raw, spec: Raw, claimed: object = None) -> tuple[Attachment, ...]:
    """Those of a template by its metadata and spec, with the claims that a StatefulSet makes from templates; sorted.

    Raises:
        BadInput: a list or an object is something else.
    """
    volumes = [fields.mapping(v, "spec.volumes[]") for v in fields.sequence(spec.get("volumes"), "spec.volumes")]
    found = {a for v in volumes if (a := _volume(v)) is not None}
    found |= {_storage_class(fields.mapping(c, "volumeClaimTemplates[]")) for c in fields.sequence(claimed, "spec")}
    found |= {_made(AttachmentSort.NETWORK, DEFINITION, n, s) for s, n in _networks(about)}
    if fields.flag(spec.get("hostNetwork"), "spec.hostNetwork"):
        found.add(_made(AttachmentSort.NETWORK, "host-network"))
    if len(found) > MOST:
        return (_made(AttachmentSort.STORAGE, UNREADABLE, f"{len(found)} attachments"),)
    return tuple(sorted(found, key=lambda a: (a.sort, a.kind, a.namespace, a.name)))


def _volume(volume: Raw) -> Attachment | None:
    """What a volume is attached to; None where it is nobody's but the pod's."""
    kind = next((k for k, v in volume.items() if k != "name" and v is not None), "emptyDir")
    if kind in _ALONE:
        return None
    said = fields.mapping(volume[kind], f"spec.volumes[].{kind}")
    match kind:
        case "persistentVolumeClaim":
            return _made(AttachmentSort.STORAGE, CLAIM, _word(said.get("claimName")))
        case "ephemeral":
            return _storage_class(fields.mapping(said.get("volumeClaimTemplate"), "volumeClaimTemplate"))
        case _:
            parts = [_word(said.get(name)).strip("/") for name in _FIELDS.get(kind, ())]
            return _made(AttachmentSort.STORAGE, _CAPITAL.sub("-", kind).lower(), "/".join(parts))


def _storage_class(claim: Raw) -> Attachment:
    """The class from which a claim is made; the cluster's default where it names none."""
    spec = fields.mapping(claim.get("spec"), "volumeClaimTemplate.spec")
    return _made(AttachmentSort.STORAGE, "storage-class", _word(spec.get("storageClassName")) or "default")


def _networks(about: Raw) -> Iterator[tuple[str, str]]:
    """The namespace (empty: its own) and name of each definition that its annotations name."""
    notes = fields.mapping(about.get("annotations"), "metadata.annotations")
    for key in (NETWORKS, _DEFAULT_NETWORK):
        told = notes.get(key)
        if isinstance(told, str) and told.strip():
            yield from _listed(told) if told.lstrip().startswith("[") else _short(told)


def _short(told: str) -> Iterator[tuple[str, str]]:
    """`[namespace/]name[@interface]`, separated by commas."""
    for part in (p.strip() for p in told.split(",")):
        space, _, name = part.partition("@")[0].rpartition("/")
        yield space, name


def _listed(told: str) -> Iterator[tuple[str, str]]:
    """The same as a list of objects in JSON."""
    try:
        listed: Iterable[object] = json.loads(told)
    except ValueError:
        listed = (None,)
    for entry in listed:
        form = entry if isinstance(entry, dict) else {}
        yield _word(form.get("namespace")), _word(form.get("name"))


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _made(sort: AttachmentSort, kind: str, name: str = "", namespace: str = "") -> Attachment:
    try:
        if fault := canonical.text_fault(kind + name + namespace):
            raise BadInput(fault)
        return Attachment(sort=sort, kind=kind, name=name, namespace=namespace)
    except (BadInput, ValidationError):
        return Attachment(sort=sort, kind=UNREADABLE)
