"""Notices: what an executor tells people of a change, before it begins and when it did not last.

Durable: on the bus for whoever pages people, in the ledger for whoever asks later. A notice holds every tenant's part;
who shows it cuts it (`lines_for`).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Literal

from estate.ids import Digest, ExecutionId, IncidentId, InstallationId, SiteId, TenantId
from estate.records import Model, Record, Time
from estate.words import Role


class Occasion(StrEnum):
    """Why people are told; also the last token of the subject."""

    BEGINS = "begins"
    LAPSED = "lapsed"
    """It was verified, and a later check found that it did not last."""


class NoticeLine(Model):
    """One thing that is told, and the tenants whom it concerns; none: the house alone."""

    text: str
    tenants: tuple[TenantId, ...] = ()


class Notice(Record):
    """Who is told what of one execution."""

    kind: Literal["placet.notice"] = "placet.notice"
    v: Literal[1] = 1
    installation: InstallationId
    incident: IncidentId
    proposal: Digest
    execution: ExecutionId
    site: SiteId
    occasion: Occasion
    roles: tuple[Role, ...]
    tenants: tuple[TenantId, ...] = ()
    """Whose owners are told, where owners are."""
    lines: tuple[NoticeLine, ...]
    at: Time

    def lines_for(self, tenants: Collection[TenantId]) -> tuple[str, ...]:
        """What the owners of these tenants may read."""
        return tuple(line.text for line in self.lines if set(line.tenants) & set(tenants))
