"""Which controller a pod belongs to in the end: pure.

The topmost one, as far as the objects in between are known: Pod → ReplicaSet → Deployment, Pod → Job → CronJob. A
controller of a watched kind counts by the reference alone (its own object may arrive a moment later); one of any other
kind only where a pod names it directly, since nobody would see it change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tools.kubernetes import objects, resources
from tools.kubernetes.fields import Raw
from tools.kubernetes.objects import Owner, Pod, Reference
from tools.kubernetes.resources import BY_KIND, Resource

type Known = Callable[[str], Owner | Pod | None]
"""The object with that uid, where it is known."""

LONGEST = 8
"""Links of a chain; what is longer goes in circles."""


def root(pod: Pod, known: Known) -> Owner:
    """The controller that `pod` belongs to in the end; the pod itself where nothing controls it."""
    return top(objects.bare(pod), known)


def top(at: Owner, known: Known) -> Owner:
    """The end of the chain that begins at this controller; itself where nothing stands above it."""
    start = at.ref
    for _ in range(LONGEST):
        above = _above(at.controller, at.namespace, known, direct=at.ref == start and start.kind == "Pod")
        if above is None:
            return at
        at = above
    return at


def belonging(owner: Raw, pods: Iterable[Raw], between: Iterable[tuple[Resource, Raw]]) -> list[Raw]:
    """Those of the raw pods that belong to a raw controller (with its `kind`).

    `between` are the controllers of its namespace that may stand in between: ReplicaSets for a Deployment, Jobs for a
    CronJob. Raises BadInput where an object cannot be read.
    """
    top = objects.owner(owner, resources.of_object(owner))
    known: dict[str, Owner | Pod] = {o.ref.uid: o for o in (objects.owner(raw, kind) for kind, raw in between)}
    known[top.ref.uid] = top
    parsed = [(raw, objects.pod(raw)) for raw in pods]
    known.update((pod.ref.uid, pod) for _, pod in parsed if pod.ref.uid not in known)
    return [raw for raw, pod in parsed if root(pod, known.get).ref.uid == top.ref.uid]


def _above(controller: Reference | None, namespace: str, known: Known, *, direct: bool) -> Owner | None:
    if controller is None:
        return None
    found = known(controller.uid)
    if found is not None:
        honest = found.namespace == namespace and (found.ref.kind, found.ref.name) == (controller.kind, controller.name)
        return (objects.bare(found) if isinstance(found, Pod) else found) if honest else None
    if direct or (controller.group, controller.kind) in BY_KIND:
        return Owner(controller, namespace)
    return None
