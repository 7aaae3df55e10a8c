"""Clusters as the law knows them: who operates one, who can act on it, who holds its keys, what is certified of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from estate.ids import ClusterId, Country, EntityId, SiteId, Uid
from estate.law.layouts import Layout
from estate.records import Model, Time, doubled, later


class KeyModel(StrEnum):
    """Who has the keys that the cluster's data is encrypted with."""

    PROVIDER = "provider"
    BYOK = "byok"
    """The tenant's own, handed to the provider's key service."""
    HYOK = "hyok"
    """The tenant's own, held outside the provider; it may refuse each use."""
    TENANT_HSM = "tenant-hsm"
    """In a hardware module that the tenant alone commands."""


class Certificate(Model):
    """What an auditor said of a cluster."""

    scheme: str = Field(min_length=1, max_length=100)
    """`C5`, `SecNumCloud`, `ISO 27001`, `EUCS high`, …"""
    issuer: str = Field(default="", max_length=200)
    scope: str = Field(default="", max_length=500)
    valid_until: Time


class Cluster(Model):
    """A control plane: who operates it, who can act on it, who holds its keys."""

    id: ClusterId
    uid: Uid
    site: SiteId
    operator: EntityId
    key_holder: EntityId
    update_authority: EntityId
    stop_authority: EntityId
    subprocessors: tuple[EntityId, ...] = ()
    admins_in: tuple[Country, ...] = ()
    support_in: tuple[Country, ...] = ()
    control_plane_in: tuple[Country, ...] = later(())
    """Where its API server and its store run; empty: at its site. What is named counts as a place where bytes rest."""
    key_model: KeyModel | None = later()
    """None: unknown."""
    certificates: tuple[Certificate, ...] = later((), max_length=100)
    layouts: tuple[Layout, ...] = later((), max_length=256)
    """What its partition manager can be told, and what that comes to."""

    @model_validator(mode="after")
    def _names_each_layout_once(self) -> Self:
        if twice := doubled(x.name for x in self.layouts):
            raise ValueError(f"layouts: `{twice[0]}` is there twice; keep one")
        return self
