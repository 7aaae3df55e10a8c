"""What we hold of a controller: replicas, and the placement in its pod template. Pure.

Each function takes the configuration that we hold (`ownership.owned`) and gives the one to apply. The placement that
a step displaced is kept in an annotation of the same object, in the same write, so that its undo can put it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tools.execution.kubernetes.keys import KEPT
from tools.execution.port import StepKey

BEFORE = "placet.dev/before"
"""The annotation. Its value: `[[key, placement], …]` as JSON, the newest first."""
_PARTS = ("affinity", "topologySpreadConstraints")

type Placement = Mapping[str, Any]
"""The parts of a pod spec that say where; empty says nothing."""


def placement(held: Mapping[str, Any]) -> Placement:
    """Our placement in what we hold."""
    spec = held.get("spec", {}).get("template", {}).get("spec", {})
    return {part: spec[part] for part in _PARTS if part in spec}


def with_placement(held: Mapping[str, Any], wanted: Placement) -> dict[str, Any]:
    """What we hold, with this placement in the place of ours."""
    changed = deepcopy(dict(held))
    spec = changed.setdefault("spec", {}).setdefault("template", {}).setdefault("spec", {})
    for part in _PARTS:
        spec.pop(part, None)
    spec.update(deepcopy(dict(wanted)))
    return _pruned(changed)


def beside(form: Mapping[str, Any], wanted: Placement) -> dict[str, Any]:
    """A whole controller with this placement beside the affinities that its owner wrote."""
    changed = deepcopy(dict(form))
    spec = changed["spec"]["template"]["spec"]
    spec.update(deepcopy(dict(wanted)) | {"affinity": {**(spec.get("affinity") or {}), **wanted["affinity"]}})
    return changed


def with_replicas(held: Mapping[str, Any], replicas: int) -> dict[str, Any]:
    """What we hold, with so many replicas."""
    changed = deepcopy(dict(held))
    changed.setdefault("spec", {})["replicas"] = replicas
    return changed


def remembering(held: Mapping[str, Any], key: StepKey) -> dict[str, Any]:
    """What we hold, with our placement kept as what stood before this step; kept once, whatever the step writes
    later.
    """
    entries = _entries(held)
    if any(k == str(key) for k, _ in entries):
        return deepcopy(dict(held))
    return _with_entries(held, [(str(key), placement(held)), *entries][:KEPT])


def remembered(held: Mapping[str, Any], key: StepKey) -> Placement | None:
    """The placement that stood before that step; None when it displaced none."""
    return next((p for k, p in _entries(held) if k == str(key)), None)


def forgetting(held: Mapping[str, Any], key: StepKey) -> dict[str, Any]:
    """What we hold, without what stood before that step."""
    return _with_entries(held, [(k, p) for k, p in _entries(held) if k != str(key)])


def _entries(held: Mapping[str, Any]) -> list[tuple[str, Placement]]:
    """None where it cannot be read: the name of a field manager is the client's to choose, so it need not be ours."""
    text = held.get("metadata", {}).get("annotations", {}).get(BEFORE)
    try:
        return [(str(k), dict(p)) for k, p in json.loads(text)] if text else []
    except (ValueError, TypeError, RecursionError):
        return []


def _with_entries(held: Mapping[str, Any], entries: list[tuple[str, Placement]]) -> dict[str, Any]:
    changed = deepcopy(dict(held))
    annotations = changed.setdefault("metadata", {}).setdefault("annotations", {})
    annotations.pop(BEFORE, None)
    if entries:
        annotations[BEFORE] = json.dumps([[k, p] for k, p in entries], sort_keys=True, separators=(",", ":"))
    return changed


def _pruned(changed: dict[str, Any]) -> dict[str, Any]:
    """Without an empty template: applying one would be refused, giving it up is what is meant."""
    template = changed["spec"]["template"]
    if not template["spec"]:
        del template["spec"]
    if not template:
        del changed["spec"]["template"]
    return changed
