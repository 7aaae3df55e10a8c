"""The names of all constraints, the cheapest to relax first. A new one is a name here and a rule in its family."""

from __future__ import annotations

from enum import StrEnum

from estate.verdicts import Dimension
from tools.placement.columns import Flags


class Constraint(StrEnum):
    """Everything that can refuse a node, the cheapest to relax first."""

    AVOID = "not to be avoided"
    SITE = "at an asked site"
    CORDON = "not cordoned"
    TAINT = "no taint that it does not tolerate"
    RESERVED = "not reserved for others"
    FREE = "free accelerators on one node"
    CPU = "processors of the node"
    HOST_MEMORY = "memory of the node"
    RAILS = "RDMA rails of its own"
    LOCALITY = "one part of the node"
    POWER = "rack power budget"
    DATA = "its data there soon enough"
    STORAGE = "storage throughput"
    DEADLINE = "done by its deadline"
    COST = "cost ceiling"
    QUOTA = "quota of a tenant"
    HEALTH = "healthy node"
    NVLINK = "one NVLink domain"
    TOGETHER = "its replicas together"
    SPREAD = "its replicas apart"
    AVAILABILITY = "availability"
    STAGES = "near its other stages"
    LATENCY = "near its users"
    SUPPLY = "class of power supply"
    MODEL = "accelerator model"
    MEMORY = "accelerator memory"
    LIMIT = "power limit of its accelerators"
    SIZE = "whole, slice or share of an accelerator"
    SOFTWARE = "installed software"
    CLUSTER = "same cluster"
    WRITTEN = "a contract that can be read"
    ISOLATION = "tenant isolation"
    NAMESPACE = "the tenant's namespace"
    ATTACHED = "storage and networks of its own"
    PLACED = "placed by a signed fact"
    GEOGRAPHIC = "geographic sovereignty"
    LEGAL = "legal sovereignty"
    OPERATIONAL = "operational sovereignty"
    KEY = "sovereignty of keys"


AXES = {
    Dimension.GEOGRAPHIC: Constraint.GEOGRAPHIC,
    Dimension.LEGAL: Constraint.LEGAL,
    Dimension.OPERATIONAL: Constraint.OPERATIONAL,
    Dimension.KEY: Constraint.KEY,
}


type Masks = dict[Constraint, Flags]

"""For each constraint the nodes that it refuses."""
