"""A placement as part of a pod template: which nodes, and how evenly. Pure.

`Seats` is the multiset of nodes that a plan wants, by the value of their hostname label. Pods of one owner cannot be
told apart, so a template can say "these nodes, evenly" and no more; what it cannot say is refused before anything is
written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

HOSTNAME = "kubernetes.io/hostname"
_FAVOUR = 100
"""The weight of a preference: the most that Kubernetes takes."""

type Seats = Counter[str]


def uneven(seats: Seats) -> str | None:
    """Why no template can bring this multiset about by itself, or None."""
    most, least = max(seats.values(), default=0), min(seats.values(), default=0)
    if most - least <= 1:
        return None
    wanted = ", ".join(f"{count} on {name}" for name, count in sorted(seats.items()))
    return f"its controller replaces all pods, and a template spreads them evenly; the plan wants {wanted}"


def pinned(nodes: frozenset[str]) -> dict[str, Any]:
    """The pod spec that lets new pods bind to these nodes only."""
    term = {"matchExpressions": [_among(nodes)]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"affinity": {"nodeAffinity": required}}


def spread(seats: Seats, selector: Mapping[str, Any], revision_label: str) -> dict[str, Any]:
    """The pod spec by which all pods of one revision come out as `seats`, which are not `uneven`."""
    spec = pinned(frozenset(seats))
    if len(seats) < 2:
        return spec
    spec["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": HOSTNAME,
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": dict(selector),
            "matchLabelKeys": [revision_label],
        }
    ]
    fuller = frozenset(name for name, count in seats.items() if count == max(seats.values()))
    if fuller != frozenset(seats):
        preference = {"weight": _FAVOUR, "preference": {"matchExpressions": [_among(fuller)]}}
        spec["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] = [preference]
    return spec


def _among(nodes: frozenset[str]) -> dict[str, Any]:
    return {"key": HOSTNAME, "operator": "In", "values": sorted(nodes)}
