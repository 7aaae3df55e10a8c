"""Taints of nodes and tolerations of pods, as the estate speaks of them. Pure.

Left out are those under `node.kubernetes.io/`: the cluster's own controllers put them on and take them off, and say by
them again what a node's health and cordon say.
"""

from __future__ import annotations

from estate.errors import BadInput
from estate.hardware import Taint, TaintEffect
from estate.workloads import Toleration
from tools.kubernetes import fields
from tools.kubernetes.fields import Raw

_CONTROLLERS = "node.kubernetes.io/"
_LONGEST_KEY, _LONGEST_VALUE = 317, 63
_EFFECTS = {effect.value: effect for effect in TaintEffect}


def taints(spec: Raw) -> tuple[Taint, ...]:
    """The taints of a node, sorted by their text. Raises BadInput, also for an effect that nobody knows yet."""
    found = []
    for entry in fields.sequence(spec.get("taints"), "spec.taints"):
        raw = fields.mapping(entry, "spec.taints[]")
        key = fields.needed(raw.get("key"), "spec.taints[].key")
        effect = fields.needed(raw.get("effect"), "spec.taints[].effect")
        if key.startswith(_CONTROLLERS):
            continue
        if effect not in _EFFECTS:
            raise BadInput(f"spec.taints[].effect: `{effect[:40]}` is unknown")
        found.append(
            Taint(key=key, value=fields.text(raw.get("value"), "spec.taints[].value"), effect=_EFFECTS[effect])
        )
    return tuple(sorted(found, key=str))


def tolerations(spec: Raw) -> tuple[Toleration, ...]:
    """The taints that a pod puts up with for good, sorted. One that is not understood tolerates nothing."""
    found = set()
    for entry in fields.sequence(spec.get("tolerations"), "spec.tolerations"):
        raw = fields.mapping(entry, "spec.tolerations[]")
        key, value, effect, operator = (
            fields.text(raw.get(name), f"spec.tolerations[].{name}") for name in ("key", "value", "effect", "operator")
        )
        understood = (operator == "Exists" or (operator in ("", "Equal") and key)) and (
            not effect or effect in _EFFECTS
        )
        if understood and not key.startswith(_CONTROLLERS) and raw.get("tolerationSeconds") is None:
            exact = None if operator == "Exists" else value
            found.add(Toleration(key=key, value=exact, effect=_EFFECTS.get(effect)))
    return tuple(sorted(found, key=lambda t: (t.key, t.value or "", t.effect or "", t.value is None)))
