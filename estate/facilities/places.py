"""Regions, sites, rows and racks as they are built. Whose a site is, and which nodes a rack holds, is law: not here."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from estate.ids import CduId, Country, PduId, RackId, RegionId, RowId, SiteId, SwitchId
from estate.itemkinds import ItemKind
from estate.origins import Layer
from estate.records import Model, Time
from estate.references import Chain, Pointer
from estate.units import GramsPerKilowattHour, MicroUsd, PerMille, RackUnits, Watts


class Region(ItemKind):
    """Sites that one event of nature, or one grid, may take together."""

    kind: Literal["region"] = "region"
    id: RegionId
    name: str = Field(default="", max_length=200)
    country: Country | None = None

    layer: ClassVar[Layer] = Layer.PLACE


class GridSignal(Model):
    """What the electricity grid says of a site now."""

    carbon: GramsPerKilowattHour | None = None
    price: MicroUsd | None = None
    """Of a kilowatt hour."""
    stress: PerMille | None = None
    """How near the grid is to its limit; at 1000 it asks to draw less."""
    valid_until: Time


class SitePlan(ItemKind):
    """What is built at a site."""

    kind: Literal["site"] = "site"
    id: SiteId
    region: RegionId | None = None
    power_watts: Watts | None = None
    """What its grid connection may draw."""
    grid: GridSignal | None = None

    layer: ClassVar[Layer] = Layer.PLACE
    layers: ClassVar[dict[str, Layer]] = {"power_watts": Layer.POWER, "grid": Layer.POWER}
    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("region", "region", Chain.PLACE),)


class Row(ItemKind):
    """A row of racks in a hall."""

    kind: Literal["row"] = "row"
    id: RowId
    site: SiteId
    hall: str = Field(default="", max_length=64)
    floor: int | None = Field(default=None, ge=-20, le=200)

    layer: ClassVar[Layer] = Layer.PLACE
    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("site", "site", Chain.PLACE),)


class CoolingMethod(StrEnum):
    """How heat leaves a rack."""

    AIR = "air"
    REAR_DOOR = "rear-door"
    DIRECT_TO_CHIP = "direct-to-chip"
    IMMERSION = "immersion"


class Cooling(Model):
    """How much heat leaves, or must leave, in which way."""

    method: CoolingMethod
    watts: Watts


class RackSpace(ItemKind):
    """A rack as it is built: where it stands, what feeds, cools and connects it, and how much room it has."""

    kind: Literal["rack"] = "rack"
    id: RackId
    row: RowId | None = None
    position: int | None = Field(default=None, ge=0, le=10_000)
    """Its place in the row, from one end."""
    units: RackUnits | None = None
    load_kilograms: int | None = Field(default=None, ge=0, le=100_000)
    """What the floor under it carries."""
    pdus: tuple[PduId, ...] = ()
    cdus: tuple[CduId, ...] = ()
    cooling: tuple[Cooling, ...] = ()
    """What it offers."""
    leaves: tuple[SwitchId, ...] = ()
    """The leaf switches that its machines are connected to."""

    layer: ClassVar[Layer] = Layer.PLACE
    layers: ClassVar[dict[str, Layer]] = {
        "pdus": Layer.POWER,
        "cdus": Layer.COOLING,
        "cooling": Layer.COOLING,
        "leaves": Layer.FABRIC,
    }
    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("row", "row", Chain.PLACE),
        Pointer("pdus", "pdu", Chain.POWER),
        Pointer("cdus", "cdu", Chain.COOLING),
        Pointer("leaves", "switch", Chain.NETWORK),
    )
