"""Groups of machines as the law knows them: whose machines come, where they stand, and what each of them is at most."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from estate.ids import ClusterId, EntityId, MachineGroupId, RackId, TenantId
from estate.records import Model
from estate.units import MicroUsdPerHour, Watts


class Pool(Model):
    """A group that may be made larger or smaller: what no signed fact says of it, nobody orders."""

    id: MachineGroupId
    cluster: ClusterId
    """Whose nodes its machines become, at the site of that cluster."""
    provider: EntityId
    """Whose machines they are: its owner, operator or a subprocessor of the cluster, so that the law counts it."""
    tenant: TenantId | None = None
    """For whom alone they are; None: the house's, for whoever may run in the cluster."""
    racks: tuple[RackId, ...] = Field(default=(), max_length=64)
    """Where they come to stand. None: at a provider, who feeds and cools them for the price."""
    watts_each: Watts
    """The most that one draws."""
    model: str = Field(default="", max_length=128)
    accelerators_each: int = Field(default=0, ge=0, le=512)
    hourly_each: MicroUsdPerHour | None = None
    """What an hour of one costs by agreement; None: what offers and prices say of its accelerators."""
    least: int = Field(default=0, ge=0, le=10_000)
    most: int = Field(ge=0, le=10_000)
    """Machines that it may have."""

    @model_validator(mode="after")
    def _has_room_between(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"least: `{self.least}` is above `most` ({self.most}); correct one of them")
        if bool(self.model) != bool(self.accelerators_each):
            raise ValueError("model, accelerators_each: say both, or neither where it has no accelerators")
        return self
