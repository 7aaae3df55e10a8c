"""Modes and freezes: how much Placet may do on its own. No mode turns a forbid into a permit."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from estate.identities import Subject
from estate.ids import InstallationId, SiteId, TenantId
from estate.records import Model, Record, Time


class Mode(StrEnum):
    """Observe gives verdicts and no warrants; approve needs a human for every change."""

    OBSERVE = "observe"
    APPROVE = "approve"
    AUTOMATIC = "automatic"

    @property
    def caution(self) -> int:
        """The more cautious of two modes is the one with the larger number."""
        return {Mode.OBSERVE: 2, Mode.APPROVE: 1, Mode.AUTOMATIC: 0}[self]


class Scope(Model):
    """A site, a tenant, both, or (neither) the whole installation."""

    site: SiteId | None = None
    tenant: TenantId | None = None

    def covers(self, site: SiteId | None, tenant: TenantId | None) -> bool:
        """Whether something at `site` for `tenant` falls under this scope. An unknown place falls under all."""
        site_fits = self.site is None or site is None or self.site == site
        tenant_fits = self.tenant is None or tenant is None or self.tenant == tenant
        return site_fits and tenant_fits


class ModeSetting(Record):
    """A signed setting of the mode for a scope."""

    kind: Literal["placet.mode"] = "placet.mode"
    v: Literal[1] = 1
    installation: InstallationId
    scope: Scope
    mode: Mode
    by: Subject
    at: Time


class Freeze(Record):
    """A signed stop: nothing in its scope is permitted or started while it stands."""

    kind: Literal["placet.freeze"] = "placet.freeze"
    v: Literal[1] = 1
    installation: InstallationId
    scope: Scope
    frozen: bool
    reason: str = ""
    by: Subject
    at: Time
