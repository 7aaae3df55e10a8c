"""Legal entities: who they are, who controls them, and who can compel them."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from estate.ids import Country, EntityId
from estate.records import Model, later
from estate.units import PerMille


class Control(StrEnum):
    """How one entity decides what another does."""

    MAJORITY = "majority"
    GOLDEN_SHARE = "golden-share"
    BOARD = "board"
    CONTRACT = "contract"


class Holding(Model):
    """A part of an entity that another one holds."""

    holder: EntityId
    capital: PerMille | None = None
    votes: PerMille | None = None
    control: Control | None = None
    """None: unknown. Whoever has control, or more than half of the votes, must stand in `parents`."""

    @property
    def controls(self) -> bool:
        """Whether what is written here is control."""
        return self.control is not None or (self.votes is not None and self.votes > 500)


class Reach(StrEnum):
    """What somebody who compels gets."""

    DATA = "data"
    OPERATION = "operation"
    """To act, to stop, or to refuse service."""


class Compulsion(Model):
    """An authority that can compel an entity, and under which law."""

    country: Country
    statute: str = Field(min_length=1, max_length=200)
    reaches: tuple[Reach, ...] = ()
    """Empty: unknown, which counts as everything."""


class LegalEntity(Model):
    """A legal person. `parents` are every entity that controls it (shares, golden share, contract)."""

    id: EntityId
    name: str
    seat: Country
    parents: tuple[EntityId, ...] = ()
    compelled_by: tuple[Country, ...] = ()
    """Countries beyond the seat whose authorities can compel it."""
    holdings: tuple[Holding, ...] = later((), max_length=1000)
    """Who holds it, as far as is known."""
    ultimate_parent: EntityId | None = later()
    """Who stands at the end of `parents`; None: unknown."""
    compulsions: tuple[Compulsion, ...] = later((), max_length=100)
    """The laws behind `seat` and `compelled_by`, as far as is known. They name no country that these do not."""
