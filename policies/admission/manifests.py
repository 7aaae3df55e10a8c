"""Kubernetes objects as plain JSON: the few forms that this package writes, each with Placet's own label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from estate.canonical import Json

type Manifest = dict[str, Json]

ADMISSION: Final = "admissionregistration.k8s.io/v1"
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
    conditions: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    params: bool = False
    """Whether it takes a ConfigMap of parameters."""
    closed: bool = True
    """Whether a fault in evaluating it refuses the request."""

    def form(self) -> Manifest:
        """The part of a policy's `spec` that this is."""
        matched: Manifest = {"resourceRules": [r.form() for r in self.rules]}
        if self.without:
            matched["excludeResourceRules"] = [r.form() for r in self.without]
        spec: Manifest = {"failurePolicy": "Fail" if self.closed else "Ignore", "matchConstraints": matched}
        if self.params:
            spec["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
        if self.conditions:
            spec["matchConditions"] = [{"name": n, "expression": e} for n, e in self.conditions]
        if self.variables:
            spec["variables"] = [{"name": n, "expression": e} for n, e in self.variables]
        return spec


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a policy is in force, and with which parameters."""

    namespaces: tuple[str, ...] = ()
    """By name, which nobody can forge: the API server writes `kubernetes.io/metadata.name` itself."""
    labelled: tuple[tuple[str, str], ...] = ()
    params: str | None = None
    """A ConfigMap in Placet's own namespace."""
    missing: str = "Deny"
    """What happens where the parameters are missing."""


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


def validating(name: str, watch: Watch, checks: Sequence[Check]) -> Manifest:
    """A policy that refuses."""
    spec = {**watch.form(), "validations": [c.form() for c in checks]}
    return manifest(ADMISSION, "ValidatingAdmissionPolicy", name, spec=spec)


def mutating(name: str, watch: Watch, patches: Iterable[str]) -> Manifest:
    """A policy that patches; each of `patches` is CEL that gives a list of JSONPatch."""
    mutations: list[Json] = [{"patchType": "JSONPatch", "jsonPatch": {"expression": p}} for p in patches]
    spec = {**watch.form(), "reinvocationPolicy": "IfNeeded", "mutations": mutations}
    return manifest(ADMISSION, "MutatingAdmissionPolicy", name, spec=spec)


def binding(policy: Manifest, name: str, bound: Bound, home: str, *, enforce: bool = True) -> Manifest:
    """Puts `policy` in force; parameters lie in namespace `home`. Without `enforce` it warns and refuses nothing."""
    kind, named = policy["kind"], policy["metadata"]
    assert isinstance(named, dict)
    spec: Manifest = {"policyName": named["name"]}
    if kind == "ValidatingAdmissionPolicy":
        spec["validationActions"] = ["Deny", "Audit"] if enforce else ["Warn", "Audit"]
    if bound.params is not None:
        spec["paramRef"] = {"name": bound.params, "namespace": home, "parameterNotFoundAction": bound.missing}
    selector = _selector(bound)
    if selector:
        spec["matchResources"] = {"namespaceSelector": selector}
    return manifest(ADMISSION, f"{kind}Binding", name, spec=spec)


def _selector(bound: Bound) -> Manifest:
    selector: Manifest = {}
    if bound.labelled:
        selector["matchLabels"] = dict(bound.labelled)
    if bound.namespaces:
        named: Json = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [*sorted(bound.namespaces)]}
        selector["matchExpressions"] = [named]
    return selector
