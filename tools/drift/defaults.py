"""What an API server writes into the items of lists that it keeps as one value, beyond what its OpenAPI says. Pure.

Everywhere else a default needs no table: what nobody holds is nobody's change. In these lists the holder of the list
holds everything, so what was left out and what the server wrote there are compared by this table.

Sources: `pkg/apis/<group>/v1/defaults.go` of Kubernetes 1.36, functions `SetDefaults_<type>`. A dry run would be exact,
and is not used: RBAC knows no right to a dry run alone, and whoever looks for drift must not be able to write. A test
holds the table against the API server's own writing (`tests/drift/test_read_back.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from estate.canonical import Json

type Rule = Json | Callable[[Mapping[str, Json]], Json]


def _target_port(port: Mapping[str, Json]) -> Json:
    return port.get("port")


def _of_container(*sources: str) -> Rule:
    """A limit range's defaults for containers, resource by resource: of these limits the first that states it."""

    def rule(limit: Mapping[str, Json]) -> Json:
        if limit.get("type") != "Container":
            return None
        found: dict[str, Json] = {}
        for source in sources:
            stated = limit.get(source)
            found = {**(stated if isinstance(stated, dict) else {}), **found}
        return found or None

    return rule


DEFAULTS: Final[Mapping[tuple[str, str], Rule]] = {
    # core/v1
    ("LimitRangeItem", "default"): _of_container("max"),
    ("LimitRangeItem", "defaultRequest"): _of_container("default", "min", "max"),
    ("ObjectFieldSelector", "apiVersion"): "v1",
    ("ServiceAccountTokenProjection", "expirationSeconds"): 3600,
    ("ServicePort", "protocol"): "TCP",
    ("ServicePort", "targetPort"): _target_port,
    ("ContainerPort", "protocol"): "TCP",
    ("PersistentVolumeClaimSpec", "volumeMode"): "Filesystem",
    ("PersistentVolumeClaim", "apiVersion"): "v1",
    ("PersistentVolumeClaim", "kind"): "PersistentVolumeClaim",
    ("PersistentVolumeClaim", "status"): {"phase": "Pending"},
    # networking/v1
    ("NetworkPolicyPort", "protocol"): "TCP",
    # autoscaling/v2
    ("HPAScalingRules", "selectPolicy"): "Max",
}
"""By the short name of the type and its field: the value, or how it follows from the other fields."""
