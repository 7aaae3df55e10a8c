"""Which nodes a pod spec lets its pods bind to: `nodeName`, `nodeSelector` and required node affinity. Pure.

Called where somebody must know where pods could land. What it does not understand it takes for allowed, so that no node
is missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from estate.errors import BadInput
from tools.kubernetes import fields, requirements
from tools.kubernetes.requirements import Requirement

_UNDERSTOOD = frozenset({"In", "NotIn", "Exists", "DoesNotExist"})


def admits(spec: Mapping[str, Any], node: Mapping[str, Any]) -> bool:
    """Whether pods of this spec could bind to this raw node, as far as its name and labels say."""
    about = node["metadata"]
    name, labels = about["name"], fields.words(about.get("labels"), "metadata.labels")
    if (named := spec.get("nodeName")) and named != name:
        return False
    if any(labels.get(k) != v for k, v in (spec.get("nodeSelector") or {}).items()):
        return False
    required = _required(spec)
    return required is None or any(_term(t, name, labels) for t in required)


def _required(spec: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else list(required.get("nodeSelectorTerms") or ())


def _term(term: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> bool:
    """All of its expressions; a term without any selects nothing, as Kubernetes has it."""
    by_label, by_field = (term.get(k) or () for k in ("matchExpressions", "matchFields"))
    if not by_label and not by_field:
        return False
    held = (*_held(by_label, labels), *_held(by_field, {"metadata.name": name}))
    return all(held)


def _held(expressions: Any, values: Mapping[str, str]) -> Iterator[bool]:
    for entry in expressions:
        try:
            requirement: Requirement = requirements.requirement(entry, "nodeSelectorTerms[]")
        except BadInput:
            yield True
            continue
        yield requirement.operator not in _UNDERSTOOD or requirement.holds(values)
