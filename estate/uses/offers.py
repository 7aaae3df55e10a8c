"""What capacity costs, and what clouds would give: prices, quotas, spot notices. Each with its source and expiry."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from estate.ids import NodeId, OfferId, PriceId, SiteId
from estate.itemkinds import ItemKind
from estate.origins import Layer
from estate.records import Model, Time
from estate.references import Chain, Pointer
from estate.units import MicroUsd


class Unit(StrEnum):
    """What a price is for."""

    GPU_HOUR = "gpu-hour"
    KILOWATT_HOUR = "kilowatt-hour"
    EGRESS_GIGABYTE = "egress-gigabyte"
    STORAGE_GIGABYTE_MONTH = "storage-gigabyte-month"


class Price(ItemKind):
    """What one unit costs."""

    kind: Literal["price"] = "price"
    id: PriceId
    unit: Unit
    amount: MicroUsd
    model: str = Field(default="", max_length=128)
    """Of which accelerator; empty: of any."""
    site: SiteId | None = None
    towards: SiteId | None = None
    """Of egress: to which site; None: to anywhere."""
    provider: str = Field(default="", max_length=200)
    stated_by: str = Field(min_length=1, max_length=512)
    """The price list, contract or signal that says so."""
    valid_from: Time | None = None
    valid_until: Time

    layer: ClassVar[Layer] = Layer.COMMERCE
    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("site", "site"), Pointer("towards", "site"))


class SpotNotice(Model):
    """A cloud will take back what it rented."""

    node: NodeId | None = None
    instance: str = Field(default="", max_length=256)
    leaves_at: Time


class Offer(ItemKind):
    """Accelerators of one model that a cloud would rent in one place."""

    kind: Literal["offer"] = "offer"
    id: OfferId
    provider: str = Field(min_length=1, max_length=200)
    place: str = Field(default="", max_length=200)
    """What the provider calls the region or zone."""
    site: SiteId | None = None
    """The site of the law that it is; None: unknown, so that nothing lawful can be placed there."""
    model: str = Field(min_length=1, max_length=128)
    accelerators_each: int = Field(default=1, ge=1, le=512)
    """Of one machine."""
    quota: int | None = Field(default=None, ge=0)
    """Accelerators that may be rented in all."""
    rented: int | None = Field(default=None, ge=0)
    available: int | None = Field(default=None, ge=0)
    """Accelerators that can be had now."""
    hourly: MicroUsd | None = None
    """Of one accelerator."""
    spot: bool = False
    notices: tuple[SpotNotice, ...] = Field(default=(), max_length=1024)
    valid_until: Time

    layer: ClassVar[Layer] = Layer.COMMERCE
    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("site", "site", Chain.PLACE), Pointer("notices.node", "node"))
