"""Kubernetes objects as plain JSON: the few forms that this package writes, each with Placet's own label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from estate.canonical import Json

type Manifest = dict[str, Json]

ADMISSION: Final = "admissionregistration.k8s.io/v1"
_VALIDATING, _MUTATING = "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"
_LABELS: Final[Mapping[str, str]] = {"app.kubernetes.io/name": "placet", "app.kubernetes.io/component": "admission"}


@dataclass(frozen=True, slots=True)
class Rule:
    """Which requests a policy sees."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    operations: tuple[str, ...]
    scope: str = "*"

    def form(self) -> Json:
        """As the API server takes it; every version of the groups."""
        return {
            "apiGroups": [*self.groups],
            "apiVersions": ["*"],
            "operations": [*self.operations],
            "resources": [*self.resources],
            "scope": self.scope,
        }


PODS: Final = (Rule(("",), ("pods",), ("CREATE",), "Namespaced"),)
BINDINGS: Final = (Rule(("",), ("pods/binding", "bindings"), ("CREATE",), "Namespaced"),)


@dataclass(frozen=True, slots=True)
class Check:
    """One CEL expression that must be true, and the CEL expression of what is said where it is not."""

    holds: str
    message: str
    reason: str = "Forbidden"

    def form(self) -> Json:
        """As the API server takes it."""
        return {"expression": self.holds, "messageExpression": self.message, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Watch:
    """What a policy looks at, before it judges or changes anything."""

    rules: tuple[Rule, ...]
    without: tuple[Rule, ...] = ()
    namespaces: tuple[str, ...] = ()
    """By name, which nobody can forge: the API server writes `kubernetes.io/metadata.name` itself."""
    labelled: tuple[tuple[str, str], ...] = ()
    """Only namespaces with these labels."""
    conditions: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    closed: bool = True
    """Whether a fault in evaluating it refuses the request."""

    def form(self) -> Manifest:
        """The part of a policy's `spec` that this is."""
        matched: Manifest = {"resourceRules": [r.form() for r in self.rules]}
        if self.without:
            matched["excludeResourceRules"] = [r.form() for r in self.without]
        if selector := self._selector():
            matched["namespaceSelector"] = selector
        spec: Manifest = {"failurePolicy": "Fail" if self.closed else "Ignore", "matchConstraints": matched}
        if self.conditions:
            spec["matchConditions"] = [{"name": n, "expression": e} for n, e in self.conditions]
        if self.variables:
            spec["variables"] = [{"name": n, "expression": e} for n, e in self.variables]
        return spec

    def _selector(self) -> Manifest:
        selector: Manifest = {}
        if self.labelled:
            selector["matchLabels"] = dict(self.labelled)
        if self.namespaces:
            named: Json = {
                "key": "kubernetes.io/metadata.name",
                "operator": "In",
                "values": [*sorted(self.namespaces)],
            }
            selector["matchExpressions"] = [named]
        return selector


def manifest(
    version: str,
    kind: str,
    name: str,
    *,
    namespace: str | None = None,
    told: Mapping[str, str] | None = None,
    **fields: Json,
) -> Manifest:
    """An object with Placet's labels; `told` are annotations."""
    metadata: Manifest = {"name": name, "labels": {**_LABELS}}
    if namespace is not None:
        metadata["namespace"] = namespace
    if told:
        metadata["annotations"] = {**told}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def validating(name: str, watch: Watch, checks: Sequence[Check], told: Mapping[str, str] | None = None) -> Manifest:
    """A policy that refuses."""
    spec = {**watch.form(), "validations": [c.form() for c in checks]}
    return manifest(ADMISSION, _VALIDATING, name, told=told, spec=spec)


def mutating(name: str, watch: Watch, patches: Iterable[str], told: Mapping[str, str] | None = None) -> Manifest:
    """A policy that patches; each of `patches` is CEL that gives a list of JSONPatch."""
    mutations: list[Json] = [{"patchType": "JSONPatch", "jsonPatch": {"expression": p}} for p in patches]
    spec = {**watch.form(), "reinvocationPolicy": "IfNeeded", "mutations": mutations}
    return manifest(ADMISSION, _MUTATING, name, told=told, spec=spec)


def marked(found: Manifest, labels: Mapping[str, str]) -> Manifest:
    """The object with these labels too."""
    metadata = found["metadata"]
    assert isinstance(metadata, dict)
    held = metadata["labels"]
    assert isinstance(held, dict)
    return {**found, "metadata": {**metadata, "labels": {**held, **labels}}}


def mutates(policy: Manifest) -> bool:
    """Whether a policy patches."""
    return policy["kind"] == _MUTATING


def binding(policy: Manifest, *, enforce: bool = True) -> Manifest:
    """Puts `policy` in force, under the same name. Without `enforce` it warns and refuses nothing."""
    metadata = policy["metadata"]
    assert isinstance(metadata, dict)
    name = str(metadata["name"])
    spec: Manifest = {"policyName": name}
    if not mutates(policy):
        spec["validationActions"] = ["Deny", "Audit"] if enforce else ["Warn", "Audit"]
    return manifest(ADMISSION, f"{policy['kind']}Binding", name, spec=spec)
