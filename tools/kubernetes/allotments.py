"""How many accelerators a pod holds, and which, as far as that is told by name. Pure but for the claims it is given.

Part of reading a workload: the source's knows all claims and where each device is, a live read's only the claims of a
namespace, which is enough to count.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from tools.kubernetes.claims import Claims, DeviceClass, Wanted
from tools.kubernetes.objects import Ask, Pod
from tools.kubernetes.slices import Name


@dataclass(frozen=True, slots=True)
class Held:
    """What one pod holds."""

    count: int
    named: tuple[int, ...] = ()
    """The indexes on its node of those that are known by name: `count` or fewer."""


@dataclass(slots=True)
class Allotments:
    """Claims, and what else is known of devices by name in one cluster."""

    claims: Claims = field(default_factory=Claims)
    templates: Mapping[tuple[str, str], Wanted] = field(default_factory=dict)
    classes: Mapping[str, DeviceClass] = field(default_factory=dict)
    places: Mapping[str, Mapping[Name, int]] = field(default_factory=dict)
    """By node: the index of each device that is offered there."""
    allotted: Collection[Name] = ()
    """The devices that any claim holds."""

    def held(self, pod: Pod) -> Held:
        """What the pod holds, or asks for by number."""
        if not pod.claims:
            return Held(pod.ask.accelerators)
        space, name = pod.namespace, pod.ref.name
        devices = self.claims.devices(space, name, pod.claims)
        extended = len(self.claims.devices(space, name, (pod.extended,))) if pod.extended else 0
        places = self.places.get(pod.node, {})
        named = sorted({places[d] for d in devices if d in places})
        return Held(len(devices) + max(0, pod.ask.accelerators - extended), tuple(named))

    def wanted(self, ask: Ask, namespace: str) -> int:
        """The accelerators that the templates which a pod names ask for."""
        known = (self.templates.get((namespace, name)) for name in ask.templates)
        return sum(count for w in known if w is not None for name, count in w.of if self._computes(name))

    def named_on(self, node: str) -> Collection[int]:
        """The indexes on that node that somebody holds by name."""
        places = self.places.get(node, {})
        return {index for name, index in places.items() if name in self.allotted}

    def _computes(self, name: str) -> bool:
        known = self.classes.get(name)
        return (known or DeviceClass("", name, (), "")).computes
