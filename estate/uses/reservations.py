"""What was promised of the future: devices that one tenant has from a time to a time.

Written by `changes.ReserveCapacity` alone, and so by a warrant. Nobody declares one: files and sources that name it are
refused.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from estate.ids import Digest, NodeId, ReservationId, TenantId, WorkloadId
from estate.itemkinds import ItemKind
from estate.origins import Layer
from estate.records import Model, Time, doubled
from estate.references import Chain, Pointer
from estate.units import Watts


class Meanwhile(StrEnum):
    """Who may use the devices until it starts."""

    NOBODY = "nobody"
    ENDING = "ending"
    """Work that says itself that it is done by then (its deadline)."""
    PREEMPTIBLE = "preemptible"
    """That, and work whose contract lets it be moved or stopped for others."""


class Afterwards(StrEnum):
    """What becomes of the holder's work when it ends."""

    STAYS = "stays"
    """It is work like any other."""
    YIELDS = "yields"
    """It was told to be gone: the devices may be reserved from then for others."""


class Seat(Model):
    """Devices of one node, by index."""

    node: NodeId
    accelerators: tuple[int, ...] = Field(min_length=1, max_length=512)

    @model_validator(mode="after")
    def _names_each_device_once(self) -> Self:
        if tuple(sorted(set(self.accelerators))) != self.accelerators:
            raise ValueError(f"accelerators: name each of `{self.node}` once, in ascending order")
        return self


class Terms(Model):
    """Who has what from when to when, and what becomes of it before and after."""

    tenant: TenantId
    workload: WorkloadId | None = None
    """Only this one of theirs; None: any."""
    seats: tuple[Seat, ...] = Field(min_length=1, max_length=256)
    watts_per_accelerator: Watts = Watts(0)
    start: Time
    end: Time
    meanwhile: Meanwhile = Meanwhile.PREEMPTIBLE
    afterwards: Afterwards = Afterwards.STAYS

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"end: `{self.end:%FT%TZ}` is not after the start, `{self.start:%FT%TZ}`")
        return self

    @model_validator(mode="after")
    def _names_each_node_once(self) -> Self:
        if twice := doubled([s.node for s in self.seats]):
            raise ValueError(f"seats: `{twice[0]}` is there twice; name all its accelerators in one")
        return self

    @property
    def devices(self) -> frozenset[tuple[NodeId, int]]:
        """Every device by node and index."""
        return frozenset((s.node, i) for s in self.seats for i in s.accelerators)

    def lines(self) -> tuple[tuple[str, str], ...]:
        """All that it says, for a person who is to approve it."""
        seats = (f"{s.node}: {', '.join(map(str, s.accelerators))}" for s in self.seats)
        return (
            ("tenant", self.tenant),
            ("workload", self.workload or "any of theirs"),
            ("from", f"{self.start:%FT%TZ}"),
            ("to", f"{self.end:%FT%TZ}"),
            ("accelerators", "; ".join(seats)),
            ("watts_per_accelerator", str(self.watts_per_accelerator)),
            ("meanwhile", self.meanwhile.value),
            ("afterwards", self.afterwards.value),
        )

    def meets(self, start: datetime, end: datetime | None) -> bool:
        """Whether a time from `start` to `end` (None: for good) has a moment in common with it."""
        return start < self.end and (end is None or self.start < end)


WORD: Final = "reservation"


class Reservation(ItemKind, Terms):
    """Terms that were granted."""

    kind: Literal["reservation"] = "reservation"
    id: ReservationId
    proposal: Digest | None = None
    """Of the warrant by which it was made, in the ledger; None where it is supposed."""

    layer: ClassVar[Layer] = Layer.COMMERCE
    pointers: ClassVar[tuple[Pointer, ...]] = (
        Pointer("tenant", "tenant"),
        Pointer("workload", "workload", Chain.USE),
        Pointer("seats.node", "node", Chain.USE),
    )

    @classmethod
    def of(cls, name: ReservationId, terms: Terms, proposal: Digest | None = None) -> Self:
        """These terms under that name."""
        return cls(id=name, proposal=proposal, **{f: getattr(terms, f) for f in Terms.model_fields})

    @cached_property
    def terms(self) -> Terms:
        """What was granted, without the name: what a digest is of, and what a change says."""
        return Terms.model_construct(**{f: getattr(self, f) for f in Terms.model_fields})
