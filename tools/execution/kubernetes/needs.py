"""What a pod template refers to by name, and whether that is there where it shall run.

Called by `copying` before anything is written. Looked at is the metadata alone, so that the data of no Secret ever
travels; who may not see whether a Secret is there says so, and the copy is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from estate.results import Refusal, RefusalCode
from tools.kubernetes import faults
from tools.kubernetes.connecting import Connection, Object
from tools.kubernetes.resources import CONFIG_MAPS, Resource

SECRETS: Final = Resource("", "v1", "secrets", "Secret")
ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount")
CLAIMS: Final = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
PRIORITIES: Final = Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False)
RUNTIMES: Final = Resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False)

_ALONE: Final = frozenset({"emptyDir", "downwardAPI", "serviceAccountToken"})
"""Volume sources that need nothing by name."""
_NAMED: Final[Mapping[str, tuple[Resource, str]]] = {
    "configMap": (CONFIG_MAPS, "name"),
    "secret": (SECRETS, "secretName"),
    "persistentVolumeClaim": (CLAIMS, "claimName"),
}


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that must be there under that name."""

    resource: Resource
    name: str


@dataclass(frozen=True, slots=True)
class Looking:
    """Where it is looked for, and what will be there by then: pairs of kind and name."""

    connection: Connection
    namespace: str
    coming: frozenset[tuple[str, str]] = frozenset()


async def missing(at: Looking, spec: Object, about: str) -> Refusal | None:
    """The refusal that names the first thing which is not there, or cannot be seen to be; None where all is there."""
    if why := next(_unknown(spec), None):
        return _refused(about, why)
    for need in dict.fromkeys(needs(spec)):
        kind = need.resource.kind
        if (kind, need.name) in at.coming:
            continue
        try:
            await at.connection.metadata(need.resource.path(at.namespace, need.name))
        except faults.NotFound:
            return _refused(about, f"it needs {kind} `{need.name}`, which is not there; make it there first")
        except faults.Forbidden:
            why = f"it needs {kind} `{need.name}`, and placet may not see whether that is there"
            return _refused(about, f"{why}; grant its writer `get` on that one name, or make the copy by hand")
    return None


def needs(spec: Object) -> Iterator[Need]:
    """All that a pod spec refers to and does not call optional."""
    for account in (spec.get("serviceAccountName"), spec.get("serviceAccount")):
        if account and account != "default":
            yield Need(ACCOUNTS, account)
    for field, resource in (("priorityClassName", PRIORITIES), ("runtimeClassName", RUNTIMES)):
        if name := spec.get(field):
            yield Need(resource, name)
    yield from (Need(SECRETS, s["name"]) for s in spec.get("imagePullSecrets") or ())
    for volume in spec.get("volumes") or ():
        yield from _of_volume(volume)
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        yield from _of_container(container)


def _of_volume(volume: Mapping[str, Any]) -> Iterator[Need]:
    for kind, source in volume.items():
        if kind in _NAMED and not source.get("optional"):
            resource, field = _NAMED[kind]
            yield Need(resource, source.get(field) or source["name"])
    for part in (volume.get("projected") or {}).get("sources") or ():
        yield from _of_volume(part)


def _of_container(container: Mapping[str, Any]) -> Iterator[Need]:
    whole = container.get("envFrom") or ()
    single = [v.get("valueFrom") or {} for v in container.get("env") or ()]
    for source, secret, config in (
        *((s, "secretRef", "configMapRef") for s in whole),
        *((s, "secretKeyRef", "configMapKeyRef") for s in single),
    ):
        for field, resource in ((secret, SECRETS), (config, CONFIG_MAPS)):
            if (named := source.get(field)) and not named.get("optional"):
                yield Need(resource, named["name"])


def _unknown(spec: Object) -> Iterator[str]:
    """Volumes that may mean another thing elsewhere, or a part of the node."""
    for volume in spec.get("volumes") or ():
        parts = (volume.get("projected") or {}).get("sources") or ()
        kinds = {k for v in (volume, *parts) for k in v} - {"name", "projected"}
        for kind in sorted(kinds - _ALONE - _NAMED.keys()):
            yield f"its volume `{volume['name']}` is a `{kind}`, which means another thing there; leave it out"


def _refused(about: str, why: str) -> Refusal:
    return Refusal(code=RefusalCode.NOT_SUPPORTED, about=about, message=f"`{about}` is not copied: {why}")
