"""Parts of machines and facilities that are not well: a power supply, a fan, a drive, as their BMC says.

Only those that are not well are kept: of a fleet's millions of fans nobody says anything of all others. When
the last trouble of a part is over, the part is gone.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from estate.ids import PartId
from estate.itemkinds import ItemKind, State
from estate.origins import Layer
from estate.references import Chain, Pointer, WrittenRef


class Part(ItemKind):
    """A part that has trouble, and what it hangs on."""

    kind: Literal["part"] = "part"
    id: PartId
    of: WrittenRef
    """The node, the device, the PDU: `node/eu-a1`."""
    name: str = Field(default="", max_length=253)
    """As its sender calls it: `PSU 2`."""
    place: str = Field(default="", max_length=253)
    """Where in the thing its sender has it: `PowerSupplies/1`; empty: the thing as a whole."""
    state: State
    says: str = Field(default="", max_length=512)
    """What its sender says of it, in the sender's words."""
    product: str = Field(default="", max_length=253)
    serial: str = Field(default="", max_length=253)

    layer: ClassVar[Layer] = Layer.HEALTH
    layers: ClassVar[dict[str, Layer]] = {"of": Layer.PLACE, "product": Layer.HARDWARE, "serial": Layer.HARDWARE}
    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("of", chain=Chain.PLACE),)
