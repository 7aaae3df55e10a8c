"""Modes and freezes: how much Placet may do on its own. No mode turns a forbid into a permit."""

from __future__ import annotations

from typing import Literal

from estate.identities import Subject
from estate.ids import InstallationId, SiteId, TenantId
from estate.records import Model, Record, Time
from estate.words import Mode

__all__ = ["Freeze", "Mode", "ModeSetting", "Scope"]


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
