"""Machines as property: in service, spare, ordered, in burn-in, sent back. And what each lacks before it can work.

A machine in service is also a node, known to be the same by a strong alias (serial, system UUID).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from estate.devices import Vendor
from estate.facilities.places import Cooling
from estate.ids import MachineId, NodeId, PduId, RackId, SiteId
from estate.itemkinds import ItemKind
from estate.origins import Layer
from estate.records import Model, Time
from estate.references import Chain, Pointer
from estate.units import Mebibytes, RackUnits, Watts


class Stage(StrEnum):
    """Where in its life a machine is."""

    ORDERED = "ordered"
    SPARE = "spare"
    BURN_IN = "burn-in"
    IN_SERVICE = "in-service"
    RMA = "rma"
    """Sent back to its maker."""
    RETIRED = "retired"


class Equipment(Model):
    """Equal accelerators in a machine."""

    vendor: Vendor
    model: str = Field(min_length=1, max_length=128)
    count: int = Field(ge=1, le=512)
    memory_mebibytes: Mebibytes | None = None


Lack = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9\-]{0,62}$")]
"""What is missing, as a word: `cables`, `optics`, `firmware`, `rack-space`, `power`, `burn-in`, `spare-gpu`."""


class Machine(ItemKind):
    """One machine."""

    kind: Literal["machine"] = "machine"
    id: MachineId
    product: str = Field(default="", max_length=128)
    stage: Stage
    arrives_at: Time | None = None
    """When it is, or was, expected: of what is ordered or sent back."""
    lacks: tuple[Lack, ...] = ()
    """What keeps it from service; empty on a spare means that it can work at once."""
    site: SiteId | None = None
    rack: RackId | None = None
    lowest_unit: RackUnits | None = None
    height: RackUnits | None = None
    node: NodeId | None = None
    pdus: tuple[PduId, ...] = ()
    rated_watts: Watts | None = None
    cooling: tuple[Cooling, ...] = ()
    """What it needs."""
    accelerators: tuple[Equipment, ...] = ()
    warranty_until: Time | None = None
    end_of_life: Time | None = None

    layers: ClassVar[dict[str, Layer]] = {
        **dict.fromkeys(("site", "rack", "lowest_unit", "height"), Layer.PLACE),
        **dict.fromkeys(("pdus", "rated_watts"), Layer.POWER),
        **dict.fromkeys(("stage", "arrives_at", "lacks", "warranty_until", "end_of_life"), Layer.COMMERCE),
        "cooling": Layer.COOLING,
        "node": Layer.IDENTITY,
    }
    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("site", "site", Chain.PLACE),
        Pointer("rack", "rack", Chain.PLACE),
        Pointer("pdus", "pdu", Chain.POWER),
        Pointer("node", "node"),
    )

    @model_validator(mode="after")
    def _is_where_its_stage_says(self) -> Machine:
        if self.stage is Stage.ORDERED and self.rack is not None:
            raise ValueError(f"rack: `{self.id}` is ordered and cannot stand in `{self.rack}`; correct one of the two")
        if self.node is not None and self.stage is not Stage.IN_SERVICE:
            raise ValueError(f"node: `{self.id}` is {self.stage.value} and cannot be a node; correct one of the two")
        return self
