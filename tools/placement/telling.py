"""Constraints in the words of whoever holds a contract: no rack, no node, no other tenant. Called for tenants' eyes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tools.placement.masks import Constraint

PLAIN: Final[Mapping[Constraint, str]] = {
    Constraint.AVOID: "a place that was not ruled out",
    Constraint.SITE: "a place in the regions that you named",
    Constraint.CORDON: "a machine that is not in maintenance",
    Constraint.TAINT: "a machine that is not set aside",
    Constraint.FREE: "enough free accelerators on one machine",
    Constraint.POWER: "power for the accelerators",
    Constraint.HEALTH: "a healthy machine",
    Constraint.NVLINK: "free accelerators that are directly connected",
    Constraint.TOGETHER: "a place near its other replicas",
    Constraint.SPREAD: "a place that does not fail with its other replicas",
    Constraint.MODEL: "an accelerator model that your contract accepts",
    Constraint.MEMORY: "accelerators with the memory that your contract asks for",
    Constraint.CLUSTER: "room in the cluster where the rest of it runs",
    Constraint.ISOLATION: "a place that keeps the promised distance from others",
    Constraint.NAMESPACE: "a cluster where the namespace is yours",
    Constraint.ATTACHED: "a place where its storage and networks are yours",
    Constraint.PLACED: "a machine whose place is known",
    Constraint.GEOGRAPHIC: "a place where your data may rest",
    Constraint.LEGAL: "a provider under a law that your contract allows",
    Constraint.OPERATIONAL: "a place run from countries that your contract allows",
    Constraint.KEY: "keys held under a law that your contract allows",
}
"""What was needed and not found."""
