"""DRA: beside the node, the very devices. A gated pod's claim is replaced by one that only they can fill.

A pod that names a ResourceClaimTemplate gets a claim that any device of its class fills. Specs of claims never change,
so a narrower one is made first, the pod's as Kubernetes marks such claims, and the wide one deleted: the cluster's own
controller finds the other and enters it in the pod's status, and only then the pod is released. The scheduler stays the
one who allots: where somebody was faster, it says so. Where a claim stands by its own name, devices have no names, or
no DRA is served, the pod is sent to its node alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from estate.results import Refusal
from tools.execution.kubernetes import allotting, ending, keys
from tools.execution.kubernetes.enacting.devices import Chosen, chosen
from tools.execution.kubernetes.enacting.places import Place
from tools.execution.kubernetes.enacting.port import Task
from tools.execution.kubernetes.evicting import Unfinished, pod_address
from tools.execution.kubernetes.watching import Since
from tools.execution.kubernetes.writing import Address, Found, Outrun, apply, create, find
from tools.kubernetes import ownership, resources
from tools.kubernetes.connecting import Connection, Object

OF_POD = "resource.kubernetes.io/pod-claim-name"
_SUFFIX = "-placed"


def asks_by_template(pod: Object) -> bool:
    """Whether devices come to the pod by claims that are made for it."""
    return any(c.get("resourceClaimTemplateName") for c in pod["spec"].get("resourceClaims") or ())


async def narrow(task: Task, pod: Object, place: Place) -> Refusal | None:
    """Have every claim that was made for the pod ask for the devices of its place."""
    found = await task.means.reach.node(place.node)
    devices = await chosen(found, place.devices) if found is not None else None
    if found is None or not devices:
        return None
    for asked in pod["spec"].get("resourceClaims") or ():
        if asked.get("resourceClaimTemplateName"):
            refusal = await _narrowed(task, found.connection, pod, str(asked["name"]), devices)
            if refusal is not None:
                return refusal
    return None


async def _narrowed(task: Task, connection: Connection, pod: Object, name: str, devices: Chosen) -> Refusal | None:
    """Make ours, delete the other, and wait until the pod's status names ours."""
    wide = await _entered(task, connection, pod, name, bool)
    if wide.endswith(_SUFFIX):
        return None
    kind = await allotting.claims_served(connection, str(pod["metadata"]["namespace"]))
    old = await find(connection, Address(kind, wide, str(pod["metadata"]["namespace"])))
    if old is None:
        raise Unfinished(f"the claim `{wide}` of {pod_address(pod)} went away while it was narrowed")
    form, address = _form(old, pod, name, devices), Address(kind, f"{wide}{_SUFFIX}", old.address.namespace)
    if await find(connection, address) is None:
        made = await create(connection, address, str(task.key), form, remember=False)
        if isinstance(made, Refusal):
            return made
    if refusal := await _deleted(task, old.address, connection):
        return refusal
    await _entered(task, connection, pod, name, lambda claim: claim == address.name)
    return None


async def _deleted(task: Task, address: Address, connection: Connection) -> Refusal | None:
    async def attempt() -> Found | Refusal | None:
        found = await find(connection, address)
        if found is None or ending.is_ending(found):
            return None
        marked = await apply(found, keys.stamped(found.raw, task.key), ownership.owned(found.raw), remember=False)
        return marked if isinstance(marked, Refusal) else await ending.delete(marked)

    answer = await task.means.patience.insist(attempt, only=Outrun)
    return answer if isinstance(answer, Refusal) else None


def _form(old: Found, pod: Object, name: str, devices: Chosen) -> Mapping[str, Any]:
    """The claim as it was made, for these devices alone, and the pod's."""
    spec = deepcopy(old.raw["spec"])
    for request in (spec.get("devices") or {}).get("requests") or ():
        for asked in [request["exactly"]] if "exactly" in request else request.get("firstAvailable") or ():
            asked["selectors"] = [*(asked.get("selectors") or ()), {"cel": {"expression": devices.expression}}]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    about = {"ownerReferences": [owner | {"controller": True}], "annotations": {OF_POD: name}}
    return {"metadata": about, "spec": spec}


async def _entered(task: Task, connection: Connection, pod: Object, name: str, settled: Any) -> str:
    """The claim that the pod's status names, once it is the one that is waited for."""
    address = pod_address(pod)

    async def look() -> Found | None:
        return await find(connection, address)

    def claim(found: Found | None) -> str:
        told = (found.raw.get("status") or {}).get("resourceClaimStatuses") or () if found is not None else ()
        return next((str(c.get("resourceClaimName") or "") for c in told if c.get("name") == name), "")

    def since(found: Found | None) -> tuple[Since, ...]:
        version = found.version if found is not None else ""
        return (Since.of(connection, resources.PODS, address.namespace, address.name, version),)

    seen = await task.means.limits.deadline(task.means.limits.end).until(look, lambda f: settled(claim(f)), since)
    if not settled(claim(seen)):
        raise Unfinished(f"{address} was not given its claim `{name}` within {task.means.limits.end:g} s; see to it")
    return claim(seen)
