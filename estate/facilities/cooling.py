"""How heat leaves a rack: rack → CDU → loop. What a rack offers and a machine needs is theirs to say."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from estate.ids import CduId, LoopId, RowId, SiteId
from estate.itemkinds import ItemKind, State
from estate.origins import Layer
from estate.records import Model
from estate.references import Chain, Pointer
from estate.units import LitresPerHour, MilliCelsius, Watts


class Medium(StrEnum):
    """What carries the heat."""

    WATER = "water"
    GLYCOL = "glycol"
    REFRIGERANT = "refrigerant"
    AIR = "air"


class CoolingPart(ItemKind):
    """What carries heat away: how much it may, how much it does, and whether it works."""

    capacity_watts: Watts
    carried_watts: Watts | None = None
    supply: MilliCelsius | None = None
    returned: MilliCelsius | None = None
    flow: LitresPerHour | None = None
    state: State = State.UNKNOWN

    layer: ClassVar[Layer] = Layer.COOLING
    layers: ClassVar[dict[str, Layer]] = {"state": Layer.HEALTH}


class Loop(CoolingPart):
    """A circuit of the facility, from chillers or dry coolers to what hangs on it."""

    kind: Literal["loop"] = "loop"
    id: LoopId
    site: SiteId
    medium: Medium = Medium.WATER

    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("site", "site", Chain.PLACE),)


class LeakSensor(Model):
    """A rope or spot that feels water. `wet` is None while it says nothing."""

    name: str = Field(min_length=1, max_length=64)
    wet: bool | None = None


class Cdu(CoolingPart):
    """A coolant distribution unit: the loop's water on one side, the machines' coolant on the other."""

    kind: Literal["cdu"] = "cdu"
    id: CduId
    loop: LoopId
    row: RowId | None = None
    leak_sensors: tuple[LeakSensor, ...] = Field(default=(), max_length=256)

    layers: ClassVar[dict[str, Layer]] = {**CoolingPart.layers, "row": Layer.PLACE, "leak_sensors": Layer.HEALTH}
    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("loop", "loop", Chain.COOLING), Pointer("row", "row"))

    @property
    def leaks(self) -> bool:
        """Whether a sensor is wet."""
        return any(s.wet for s in self.leak_sensors)
