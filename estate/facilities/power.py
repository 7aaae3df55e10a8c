"""How electricity reaches a rack: substation → transformer → UPS → feed → PDU, and the generators behind.

Capacities are what a part may carry for good, in watts; `drawn` is what it carried when it was last read.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from estate.ids import FeedId, GeneratorId, PduId, RackId, SiteId, SubstationId, TransformerId, UpsId
from estate.itemkinds import ItemKind, State
from estate.origins import Layer
from estate.references import Chain, Pointer
from estate.units import PerMille, Seconds, Watts


class Redundancy(StrEnum):
    """How many parts may fail before the load does."""

    N = "n"
    N_PLUS_1 = "n+1"
    TWO_N = "2n"


class PowerPart(ItemKind):
    """What carries electricity: what it may carry, what it does carry, and whether it works."""

    capacity_watts: Watts
    drawn_watts: Watts | None = None
    state: State = State.UNKNOWN

    layer: ClassVar[Layer] = Layer.POWER
    layers: ClassVar[dict[str, Layer]] = {"state": Layer.HEALTH}


class Substation(PowerPart):
    """Where the grid reaches a site."""

    kind: Literal["substation"] = "substation"
    id: SubstationId
    site: SiteId
    operator: str = Field(default="", max_length=200)

    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("site", "site", Chain.PLACE),)


class Transformer(PowerPart):
    """From the substation's voltage to the building's."""

    kind: Literal["transformer"] = "transformer"
    id: TransformerId
    substation: SubstationId

    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("substation", "substation", Chain.POWER),)


class Ups(PowerPart):
    """Batteries that bridge the time until a generator runs."""

    kind: Literal["ups"] = "ups"
    id: UpsId
    transformer: TransformerId
    runtime: Seconds | None = None
    """At full load."""
    charge: PerMille | None = None
    modules: int | None = Field(default=None, ge=1, le=1000)
    redundancy: Redundancy = Redundancy.N

    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("transformer", "transformer", Chain.POWER),)


class Generator(PowerPart):
    """What feeds UPSes when the grid does not."""

    kind: Literal["generator"] = "generator"
    id: GeneratorId
    site: SiteId
    feeds: tuple[UpsId, ...] = ()
    starts_within: Seconds | None = None
    fuel_lasts: Seconds | None = None
    """At full load."""
    redundancy: Redundancy = Redundancy.N

    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("site", "site", Chain.PLACE), Pointer("feeds", "ups"))


class Feed(PowerPart):
    """One of the independent ways in which electricity reaches racks: feed A, feed B."""

    kind: Literal["feed"] = "feed"
    id: FeedId
    ups: UpsId | None = None
    """None: it comes from the transformer, unbuffered."""
    transformer: TransformerId | None = None
    partner: FeedId | None = None
    """The feed that takes its load when it fails; in a 2N pair neither may carry more than half of what both carry."""
    redundancy: Redundancy = Redundancy.N

    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("ups", "ups", Chain.POWER),
        Pointer("transformer", "transformer", Chain.POWER),
        Pointer("partner", "feed"),
    )


class Pdu(PowerPart):
    """What machines are plugged into. `capacity_watts` is its breaker's, `budget_watts` what it may be asked for."""

    kind: Literal["pdu"] = "pdu"
    id: PduId
    feed: FeedId
    rack: RackId | None = None
    budget_watts: Watts | None = None

    layers: ClassVar[dict[str, Layer]] = {**PowerPart.layers, "rack": Layer.PLACE}
    pointers: ClassVar[tuple[Pointer, ...]] = (Pointer("feed", "feed", Chain.POWER), Pointer("rack", "rack"))
