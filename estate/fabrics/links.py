"""Fabrics, their switches and links. A fabric is a graph; each link has its own state, capacity and use.

Links between switches and between sites are items of their own. The link of a machine's port stands with the port
(`Node.nics`), and what is inside a machine (PCIe, NVLink) with its devices; `fabrics.graphs` puts them together.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from estate.ids import FabricId, LinkId, NvlinkDomainId, PduId, RackId, RowId, SiteId, SwitchId
from estate.itemkinds import ItemKind, State
from estate.machines import LinkState
from estate.origins import Layer
from estate.records import Model
from estate.references import Chain, Pointer, WrittenRef
from estate.units import MegabitsPerSecond, Milliseconds


class FabricSort(StrEnum):
    """What a fabric is for."""

    RDMA = "rdma"
    """Between accelerators of different machines: leaf, spine, rail."""
    DATA = "data"
    """East-west between machines."""
    EDGE = "edge"
    """North-south, towards users."""
    STORAGE = "storage"
    MANAGEMENT = "management"
    WAN = "wan"
    """Between sites."""
    NVLINK = "nvlink"
    """Between accelerators of one domain."""


class FabricPart(ItemKind):
    """What belongs to the layer of fabrics."""

    layer: ClassVar[Layer] = Layer.FABRIC


class Fabric(FabricPart):
    """A graph of switches and links of one purpose."""

    kind: Literal["fabric"] = "fabric"
    id: FabricId
    sort: FabricSort
    technology: str = Field(default="", max_length=64)
    """`infiniband-ndr`, `roce`, `ethernet`, `nvlink5`, `ici`, …"""
    site: SiteId | None = None
    """None: it spans sites."""
    rails: int | None = Field(default=None, ge=1, le=255)

    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("site", "site", Chain.PLACE),)


class Tier(StrEnum):
    """Where in a fabric a switch is."""

    LEAF = "leaf"
    SPINE = "spine"
    CORE = "core"
    BORDER = "border"


class Switch(FabricPart):
    """A switch or router."""

    kind: Literal["switch"] = "switch"
    id: SwitchId
    fabric: FabricId
    tier: Tier
    rail: int | None = Field(default=None, ge=0, le=255)
    rack: RackId | None = None
    """Where it stands, which is not whom it serves."""
    row: RowId | None = None
    """Whose racks it serves, of a leaf."""
    pdus: tuple[PduId, ...] = ()
    state: State = State.UNKNOWN

    layers: ClassVar[dict[str, Layer]] = {"rack": Layer.PLACE, "pdus": Layer.POWER, "state": Layer.HEALTH}
    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("fabric", "fabric", Chain.NETWORK),
        Pointer("rack", "rack"),
        Pointer("row", "row", Chain.PLACE),
        Pointer("pdus", "pdu", Chain.POWER),
    )


class End(Model):
    """One end of a link: a switch, a site, a machine or a storage, and its port."""

    of: WrittenRef
    port: str = Field(default="", max_length=64)


class Link(FabricPart):
    """A link between two ends. Capacity and use hold for each direction; `used` of the one from the first end."""

    kind: Literal["link"] = "link"
    id: LinkId
    fabric: FabricId
    ends: tuple[End, End]
    capacity: MegabitsPerSecond
    used: MegabitsPerSecond | None = None
    used_back: MegabitsPerSecond | None = None
    latency: Milliseconds | None = None
    state: LinkState = LinkState.UNKNOWN
    errors: int | None = Field(default=None, ge=0)
    """Symbol or frame errors since the counter was reset."""
    provider: str = Field(default="", max_length=200)
    """Of a WAN: whose line it is."""

    layers: ClassVar[dict[str, Layer]] = {"state": Layer.HEALTH, "errors": Layer.HEALTH, "provider": Layer.COMMERCE}
    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("fabric", "fabric", Chain.NETWORK), Pointer("ends.of"))

    @model_validator(mode="after")
    def _has_two_ends(self) -> Link:
        one, other = self.ends
        if one == other:
            raise ValueError(f"ends: link `{self.id}` leads from `{one.of}` back to the same port; name the other end")
        return self


class NvlinkDomain(FabricPart):
    """Accelerators, of one node or of many, that NVLink or its like connects. Its id is what the devices name."""

    kind: Literal["nvlink-domain"] = "nvlink-domain"
    id: NvlinkDomainId
    fabric: FabricId | None = None
    per_accelerator: MegabitsPerSecond | None = None
    """What one device reaches all others with, each direction."""
    size: int | None = Field(default=None, ge=1, le=10_000)
    """How many accelerators belong to it when all are there."""
    state: LinkState = LinkState.UNKNOWN

    layers: ClassVar[dict[str, Layer]] = {"state": Layer.HEALTH}
    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("fabric", "fabric"),)
