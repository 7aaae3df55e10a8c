"""Manifests: the namespaced Kubernetes objects that Placet applies and deletes, of a closed list of kinds that run
nothing and grant nothing.

Called by `estate.changes` and whoever judges or carries out their changes. A manifest of another kind is refused where
it is read, with the reason: a Secret's data must not even enter a proposal. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import AfterValidator

from estate import canonical
from estate.canonical import Json
from estate.errors import BadInput
from estate.ids import ClusterId, Digest

LARGEST: Final = 32 * 1024
"""Bytes of one manifest in canonical form: a signed step holds it four times, and the bus takes 256 KiB at most."""
OWN: Final = "placet.dev/"
"""The prefix of labels and annotations that only Placet itself writes."""

KINDS: Final[Mapping[str, str]] = {
    "ConfigMap": "v1",
    "LimitRange": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "ResourceQuota": "v1",
    "Service": "v1",
}
"""The closed list: each kind with its `apiVersion`."""

_WORKLOAD = "it runs pods, and those are workloads; use MoveWorkload, CopyWorkload or ScaleWorkload"
_GRANT = "it grants rights, and nothing that Placet applies ever does; have an administrator apply it"
_RULE = "it changes what the cluster accepts; have an administrator apply it"
_REFUSED: Final[Mapping[str, str]] = {
    "Secret": "secret data never enters a proposal; name the Secret in what uses it, and put it there yourself",
    "Namespace": "whose a namespace is stands in signed facts; have an administrator make it",
    "ServiceAccount": _GRANT,
    **dict.fromkeys(("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"), _GRANT),
    **dict.fromkeys(
        ("Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController"),
        _WORKLOAD,
    ),
    **dict.fromkeys(
        (
            "CustomResourceDefinition",
            "ValidatingWebhookConfiguration",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "APIService",
        ),
        _RULE,
    ),
}
_FIELDS: Final = {"ConfigMap": frozenset({"data", "binaryData", "immutable"})}
_SPEC: Final = frozenset({"spec"})
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.\-]{0,251}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")

type Form = dict[str, Json]


def _checked(manifest: Form) -> Form:
    """The manifest without empty labels and annotations. Raises ValueError for what may not be applied."""
    kind = manifest.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(_why_not(str(kind)[:63]))
    if manifest.get("apiVersion") != KINDS[kind]:
        raise ValueError(f"apiVersion: a {kind} is of `{KINDS[kind]}`; write that")
    _check_fields(kind, manifest)
    made = manifest | {"metadata": _metadata(manifest.get("metadata"))}
    _check_content(kind, made)
    return made


Manifest = Annotated[Form, AfterValidator(_checked)]
"""An object as people write it: `apiVersion`, `kind`, `metadata` (name, namespace, labels, annotations), content."""


@dataclass(frozen=True, slots=True)
class Address:
    """Which object: its one text form is the id of a thing of kind `object`."""

    cluster: ClusterId
    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.api_version}/{self.kind}/{self.namespace}/{self.name}"

    @classmethod
    def of(cls, cluster: ClusterId, manifest: Form) -> Address:
        """Where a manifest goes in a cluster."""
        about = manifest["metadata"]
        assert isinstance(about, dict), "a manifest was checked"
        kind = str(manifest["kind"])
        return cls(cluster, KINDS[kind], kind, str(about["namespace"]), str(about["name"]))

    @classmethod
    def parse(cls, text: str) -> Address | None:
        """The address that was written; None where it is none of the closed list."""
        cluster, _, rest = text.partition("/")
        for kind, api_version in KINDS.items():
            head = f"{api_version}/{kind}/"
            namespace, _, name = rest.removeprefix(head).partition("/")
            if rest.startswith(head) and _LABEL.fullmatch(namespace) and _NAME.fullmatch(name):
                return cls(ClusterId(cluster), api_version, kind, namespace, name)
        return None


def form_of(manifest: Form) -> Form:
    """What a manifest states beyond which object it is: what Placet holds of the object once it is applied."""
    about = manifest["metadata"]
    assert isinstance(about, dict), "a manifest was checked"
    told: Form = {k: v for k, v in about.items() if k in ("labels", "annotations")}
    content = {k: v for k, v in manifest.items() if k not in ("apiVersion", "kind", "metadata")}
    return content | ({"metadata": told} if told else {})


def digest_of(manifest: Form) -> Digest:
    """The digest of `form_of`."""
    return canonical.digest_of(form_of(manifest))


def lines(manifest: Form) -> tuple[tuple[str, str], ...]:
    """Every value that a manifest states, by its path: what an approver is shown."""
    return tuple(_lines(form_of(manifest), ""))


def unfit(manifest: Form) -> str | None:
    """Why an object of a permitted kind is still never applied, or None."""
    spec = manifest.get("spec")
    if manifest["kind"] != "Service" or not isinstance(spec, dict):
        return None
    if spec.get("type") == "ExternalName" or "externalName" in spec:
        return "an ExternalName leads to a place that no signed fact knows; have the tenant's workload name it"
    if spec.get("externalIPs"):
        return "with `externalIPs` a namespace takes over others' addresses; use a Service of type LoadBalancer"
    return None


def _why_not(kind: str) -> str:
    why = _REFUSED.get(kind, f"only these are applied: {', '.join(KINDS)}")
    return f"kind: `{kind}` is never applied: {why}"


def _check_fields(kind: str, manifest: Form) -> None:
    known = _FIELDS.get(kind, _SPEC)
    if odd := sorted(manifest.keys() - {"apiVersion", "kind", "metadata"} - known):
        raise ValueError(f"{odd[0][:63]}: a {kind} states only {', '.join(sorted(known))}; leave it out")
    if not manifest.keys() & known:
        raise ValueError(f"it states nothing; write {', '.join(sorted(known))}")


def _metadata(about: Json) -> Form:
    if not isinstance(about, dict):
        raise ValueError("metadata: write `name` and `namespace`")
    if odd := sorted(about.keys() - {"name", "namespace", "labels", "annotations"}):
        raise ValueError(f"metadata.{odd[0][:63]}: only name, namespace, labels and annotations; leave it out")
    for field, form in (("name", _NAME), ("namespace", _LABEL)):
        if not isinstance(found := about.get(field), str) or not form.fullmatch(found):
            raise ValueError(f"metadata.{field}: write a name of lower-case letters, digits and hyphens")
    told = {field: _texts(field, about[field]) for field in ("labels", "annotations") if about.get(field)}
    return {"name": about["name"], "namespace": about["namespace"], **told}


def _texts(field: str, found: Json) -> Form:
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise ValueError(f"metadata.{field}: write text for each; put numbers into quotes")
    if own := sorted(k for k in found if k.startswith(OWN)):
        raise ValueError(f"metadata.{field}.{own[0]}: what begins with `{OWN}` only placet writes; leave it out")
    return found


def _check_content(kind: str, manifest: Form) -> None:
    try:
        size = len(canonical.dumps(manifest))
    except BadInput as error:
        raise ValueError(str(error)) from error
    if size > LARGEST:
        raise ValueError(f"its canonical form has {size} bytes, at most {LARGEST} are applied; split it")
    for path, value in _walk(form_of(manifest), ""):
        if value is None:
            raise ValueError(f"{path}: `null` states nothing; leave it out")
        if isinstance(value, str) and _PRIVATE_KEY.search(value):
            raise ValueError(f"{path}: a private key never enters a proposal; keep it in a Secret")
    if kind == "ConfigMap":
        _check_data(manifest)


def _check_data(manifest: Form) -> None:
    for field in ("data", "binaryData"):
        found = manifest.get(field, {})
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise ValueError(f"{field}: write text for each key; put numbers into quotes")


def _walk(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    """Every leaf by its path; an empty map or list is one."""
    match value:
        case dict() if value:
            for name, below in value.items():
                yield from _walk(below, f"{path}.{name}" if path else name)
        case list() if value:
            for index, below in enumerate(value):
                yield from _walk(below, f"{path}[{index}]")
        case _:
            yield path, value


def _lines(value: Json, path: str) -> Iterator[tuple[str, str]]:
    for at, leaf in sorted(_walk(value, path), key=lambda pair: pair[0]):
        yield at, leaf if isinstance(leaf, str) else canonical.dumps(leaf).decode()


def differences(one: Form, other: Form) -> tuple[str, ...]:
    """The paths at which two forms differ, sorted."""
    first, second = dict(_walk(one, "")), dict(_walk(other, ""))
    return tuple(sorted(p for p in first.keys() | second.keys() if first.get(p) != second.get(p)))
