"""What the cluster's own scheduler says of pods that wait: its words, for refusals that must say why. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from tools.kubernetes.connecting import Object

_LONGEST = 600


def words(pods: Iterable[Object]) -> str:
    """Each different reason once, as `PodScheduled` has it; empty where the scheduler said nothing."""
    told = (condition for pod in pods for condition in _refusals(pod))
    return "; ".join(dict.fromkeys(told))[:_LONGEST]


def _refusals(pod: Object) -> list[str]:
    if pod["spec"].get("nodeName"):
        return []
    found = (pod.get("status") or {}).get("conditions") or ()
    return [
        str(c.get("message") or c.get("reason") or "")
        for c in found
        if c.get("type") == "PodScheduled" and c.get("status") == "False"
    ]
