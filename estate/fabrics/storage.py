"""Storage that workloads reach over a fabric, and which data lies where. Whose data it is, is law."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from estate.ids import ClusterId, CopyId, DatasetId, FabricId, SiteId, StorageId
from estate.itemkinds import ItemKind, State
from estate.origins import Layer
from estate.records import Time
from estate.references import Chain, Pointer
from estate.units import Mebibytes, MegabytesPerSecond


class StorageSort(StrEnum):
    """What kind of storage it is."""

    BLOCK = "block"
    FILE = "file"
    PARALLEL = "parallel"
    OBJECT = "object"


class Storage(ItemKind):
    """A storage class: what it holds and how fast it is, all users together."""

    kind: Literal["storage"] = "storage"
    id: StorageId
    site: SiteId
    sort: StorageSort
    name: str = Field(default="", max_length=253)
    """What clusters call its class."""
    clusters: tuple[ClusterId, ...] = ()
    fabric: FabricId | None = None
    mebibytes: Mebibytes | None = None
    used: Mebibytes | None = None
    read: MegabytesPerSecond | None = None
    written: MegabytesPerSecond | None = None
    encrypted: bool | None = None
    state: State = State.UNKNOWN

    layer: ClassVar[Layer] = Layer.HARDWARE
    layers: ClassVar[dict[str, Layer]] = {"site": Layer.PLACE, "fabric": Layer.FABRIC, "state": Layer.HEALTH}
    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("site", "site", Chain.PLACE),
        Pointer("clusters", "cluster"),
        Pointer("fabric", "fabric", Chain.NETWORK),
    )


class Copy(ItemKind):
    """One copy of a dataset or of weights."""

    kind: Literal["copy"] = "copy"
    id: CopyId
    dataset: DatasetId
    storage: StorageId
    mebibytes: Mebibytes | None = None
    complete: bool | None = None
    as_of: Time | None = None

    layer: ClassVar[Layer] = Layer.PLACE
    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("dataset", "dataset"),
        Pointer("storage", "storage", Chain.PLACE),
    )
