"""What pods ask for: devices, models of devices, and what a disruption budget demands for them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from estate.devices import Vendor
from estate.errors import BadInput
from tools.kubernetes import fields
from tools.kubernetes.fields import Raw
from tools.payloads.clusters import amounts, vendors

_PERCENT = re.compile(r"([0-9]{1,4})%")
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Requirement:
    """One expression of a selector."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """As Kubernetes decides: `NotIn` holds where there is no such label. An operator it does not know holds not."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case _:
                return False


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that must all hold; none holds for everything."""

    requirements: tuple[Requirement, ...]

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether all hold for an object of these labels."""
        return all(r.holds(labels) for r in self.requirements)


def selector(value: object) -> Selector | None:
    """A label selector; None when it is missing. Raises BadInput."""
    if value is None:
        return None
    raw = fields.mapping(value, "spec.selector")
    exact = fields.mapping(raw.get("matchLabels"), "spec.selector.matchLabels")
    equal = [Requirement(k, "In", frozenset({fields.text(v, "matchLabels")})) for k, v in sorted(exact.items())]
    expressions = fields.sequence(raw.get("matchExpressions"), "spec.selector.matchExpressions")
    return Selector((*equal, *(requirement(e, "spec.selector.matchExpressions[]") for e in expressions)))


def number_or_percent(value: object, at: str) -> int | str | None:
    """A count or a percentage; None when it is missing. Raises BadInput."""
    if value is None or (isinstance(value, str) and _PERCENT.fullmatch(value)):
        return value
    return fields.integer(value, at, 0)


def scaled(value: int | str, of: int) -> int:
    """That number, or that percentage of `of` rounded up, as the disruption controller computes both bounds."""
    if isinstance(value, int):
        return min(value, _MOST)
    return min(-(-int(value.removesuffix("%")) * of // 100), _MOST)


def accelerators(spec: Raw) -> int:
    """The devices that one pod holds: the sum over its containers, or its hungriest start (init) if that is more."""
    together = sum(_limit(c, "spec.containers[]") for c in fields.sequence(spec.get("containers"), "spec.containers"))
    starting = 0
    for entry in fields.sequence(spec.get("initContainers"), "spec.initContainers"):
        container = fields.mapping(entry, "spec.initContainers[]")
        wanted = _limit(container, "spec.initContainers[]")
        if container.get("restartPolicy") == "Always":  # a sidecar: it stays beside the others
            together += wanted
        else:
            starting = max(starting, wanted)
    return max(together, starting)


def cut(spec: Raw) -> str:
    """The size by whose name the containers ask for devices (`1g.10gb`, `shared`); empty: the usual one, or several."""
    asked = (_limits(c, "containers[]") for c in _containers(spec))
    found = {family.cut(name) for limits in asked for name, family in vendors.counted(limits)}
    return found.pop() if len(found) == 1 else ""


@dataclass(frozen=True, slots=True)
class Room:
    """Processors and memory that a pod requests."""

    millicores: int = 0
    mebibytes: int = 0


def room(spec: Raw) -> Room:
    """What the scheduler counts of one pod: the sum over its containers and sidecars, or its hungriest start beside the
    sidecars that were begun before it, if that is more; and its overhead. What the pod as a whole requests goes before.
    """
    pod = {of: _request(spec, of) for of in _OF}
    beside = fields.mapping(spec.get("overhead"), "spec.overhead")
    found = {of: (_together(spec, of) if pod[of] is None else pod[of] or 0) + _amount(beside, of) for of in _OF}
    return Room(min(found["cpu"], MOST_MILLICORES), -(-min(found["memory"], _MOST_OF["memory"]) // 2**20))


_OF = {"cpu": amounts.milli, "memory": amounts.whole}
"""How the amounts are counted: in thousandths of a processor, in bytes."""
MOST_MILLICORES = 10**9
_MOST_OF = {"cpu": MOST_MILLICORES, "memory": 2**60}


def _together(spec: Raw, of: str) -> int:
    running, starting, sidecars = 0, 0, 0
    for entry in fields.sequence(spec.get("containers"), "spec.containers"):
        running += _request(fields.mapping(entry, "spec.containers[]"), of) or 0
    for entry in fields.sequence(spec.get("initContainers"), "spec.initContainers"):
        container = fields.mapping(entry, "spec.initContainers[]")
        wanted = _request(container, of) or 0
        if container.get("restartPolicy") == "Always":
            sidecars += wanted
            starting = max(starting, sidecars)
        else:
            starting = max(starting, sidecars + wanted)
    return max(running + sidecars, starting)


def _request(of_whom: Raw, of: str) -> int | None:
    """What a container, or a pod, requests; what it is limited to stands in where it says nothing else."""
    resources = fields.mapping(of_whom.get("resources"), "resources")
    for kind in ("requests", "limits"):
        found = fields.mapping(resources.get(kind), f"resources.{kind}")
        if of in found:
            return _amount(found, of)
    return None


def _amount(resources: Raw, of: str) -> int:
    """An amount; one that cannot be read is more than any machine has, so that nobody hides a pod by asking for it."""
    if of not in resources:
        return 0
    try:
        return min(_OF[of](resources[of], f"resources.{of}"), _MOST_OF[of])
    except BadInput:
        return _MOST_OF[of]


def _containers(spec: Raw) -> list[Raw]:
    return [
        fields.mapping(c, f"spec.{kind}[]")
        for kind in ("containers", "initContainers")
        for c in fields.sequence(spec.get(kind), f"spec.{kind}")
    ]


def vendors_of(spec: Raw) -> tuple[Vendor, ...]:
    """Whose devices the containers ask for, sorted. Raises BadInput."""
    found = {family.vendor for c in _containers(spec) for _, family in vendors.counted(_limits(c, "containers[]"))}
    return tuple(sorted(found))


def models(spec: Raw) -> tuple[str, ...]:
    """The models of devices that a pod accepts, by node selector and required node affinity; empty: any."""
    chosen = fields.words(spec.get("nodeSelector"), "spec.nodeSelector")
    by_selector = [frozenset({chosen[label]}) for label in vendors.MODEL_LABELS if label in chosen]
    limits = [*by_selector, *_by_affinity(spec)]
    if not limits:
        return ()
    return tuple(sorted(frozenset.intersection(*limits) or limits[0]))  # a contradiction is no licence for any model


def _by_affinity(spec: Raw) -> list[frozenset[str]]:
    """The models that the terms accept together; no limit where one term (any of them suffices) names none."""
    affinity = fields.mapping(spec.get("affinity"), "spec.affinity")
    of_nodes = fields.mapping(affinity.get("nodeAffinity"), "spec.affinity.nodeAffinity")
    required = fields.mapping(of_nodes.get("requiredDuringSchedulingIgnoredDuringExecution"), "nodeAffinity.required")
    terms = [
        _term(fields.mapping(t, "nodeSelectorTerms[]"))
        for t in fields.sequence(required.get("nodeSelectorTerms"), "nodeSelectorTerms")
    ]
    told = [t for t in terms if t is not None]
    return [frozenset().union(*told)] if told and len(told) == len(terms) else []


def _term(term: Raw) -> frozenset[str] | None:
    expressions = (
        requirement(e, "nodeSelectorTerms[].matchExpressions[]")
        for e in fields.sequence(term.get("matchExpressions"), "matchExpressions")
    )
    named = [r.values for r in expressions if r.key in vendors.MODEL_LABELS and r.operator == "In"]
    return frozenset.intersection(*named) if named else None


def requirement(entry: object, at: str) -> Requirement:
    """One expression of a selector. Raises BadInput."""
    raw = fields.mapping(entry, at)
    values = frozenset(fields.text(v, f"{at}.values[]") for v in fields.sequence(raw.get("values"), f"{at}.values"))
    return Requirement(fields.needed(raw.get("key"), f"{at}.key"), fields.text(raw.get("operator"), at), values)


def _limits(container: object, at: str) -> Raw:
    resources = fields.mapping(fields.mapping(container, at).get("resources"), f"{at}.resources")
    return fields.mapping(resources.get("limits"), f"{at}.resources.limits")


def _limit(container: object, at: str) -> int:
    limits = _limits(container, at)
    return sum(_asked(value) for name, value in limits.items() if vendors.family(name) is not None)


def _asked(value: object) -> int:
    """A quantity; more than any machine has where it cannot be read, so that nobody hides a pod by asking for it."""
    try:
        return fields.count(value, "limits")
    except BadInput:
        return _MOST
