"""Tenants: a tree of organisations, divisions, teams and partners, what they may use, and how far apart they stand."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from estate.ids import ClusterId, EntityId, SiteId, TenantId
from estate.law.residencies import Residency
from estate.records import Model, later
from estate.units import Mebibytes, MilliGpu, Watts


class Isolation(StrEnum):
    """How far a tenant's workloads must stand from any other tenant's."""

    SHARED_NODE = "shared-node"
    DEDICATED_NODE = "dedicated-node"
    DEDICATED_RACK = "dedicated-rack"
    DEDICATED_CLUSTER = "dedicated-cluster"


class Namespace(Model):
    """A Kubernetes namespace that belongs to a tenant."""

    cluster: ClusterId
    name: str


class DisruptionConsent(StrEnum):
    """What it takes to disturb a tenant's running workload."""

    AUTOMATIC = "automatic"
    APPROVAL = "approval"


class TenantLevel(StrEnum):
    """What a tenant is in the tree."""

    ORGANISATION = "organisation"
    DIVISION = "division"
    TEAM = "team"
    PARTNER = "partner"


class Quota(Model):
    """The most that a tenant and all below it may use at once. No limit limits nothing, no scope is everywhere."""

    site: SiteId | None = None
    model: str = Field(default="", max_length=128)
    """Accelerators of this model; empty: of any."""
    accelerators: MilliGpu | None = None
    watts: Watts | None = None
    storage: Mebibytes | None = None

    @property
    def scope(self) -> str:
        """Of what, in words; empty: of everything."""
        return " ".join(p for p in (self.model and f"of {self.model}", self.site and f"at {self.site}") if p)


class Tenant(Model):
    """Somebody whose workloads, data and people must stay apart from everybody else's."""

    id: TenantId
    name: str
    entity: EntityId
    residency: Residency
    isolation: Isolation = Isolation.SHARED_NODE
    apart_from: tuple[TenantId, ...] = ()
    disruption: DisruptionConsent = DisruptionConsent.AUTOMATIC
    namespaces: tuple[Namespace, ...] = ()
    parent: TenantId | None = later()
    level: TenantLevel | None = later()
    quotas: tuple[Quota, ...] = later((), max_length=100)
