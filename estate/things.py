"""References to things, and the names other systems have for them."""

from __future__ import annotations

from enum import StrEnum

from estate.ids import NodeId
from estate.records import Model


class ThingKind(StrEnum):
    """What a reference points at."""

    NODE = "node"
    WORKLOAD = "workload"
    RACK = "rack"
    SITE = "site"
    TENANT = "tenant"
    CLUSTER = "cluster"
    RESIDENT = "resident"
    """The replicas of one workload on one node, written `resident/a-serve@eu-a1`."""
    OBJECT = "object"
    """One namespaced object, written `object/eu-1/v1/ConfigMap/tenant-a/settings`."""
    RESERVATION = "reservation"
    MACHINE_GROUP = "machine-group"
    """Machines that are made alike, written `machine-group/eu-1.fleet.workers.gpu`."""


class Thing(Model):
    """A typed reference, written `node/eu-a1`."""

    kind: ThingKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind.value}/{self.id}"


class AcceleratorRef(Model):
    """One device by its node and DCGM index."""

    node: NodeId
    index: int
