"""Channels: what an authenticated sender may speak of. The credential fixes this; a payload never does."""

from __future__ import annotations

from typing import Protocol, Self

from pydantic import model_validator

from estate.ids import ChannelId, ClusterId, TenantId
from estate.records import Model

FRONT_DOOR = ChannelId("front-door")
"""The one channel on which commands arrive whose signature the console has verified."""

COMMANDS = frozenset({"request", "proposal"})
"""Formats that carry a person's will; accepted from the front door only."""


class ChannelConfig(Model):
    """One channel: the clusters whose names it may use, the tenant it speaks for, the formats it may send."""

    id: ChannelId
    clusters: tuple[ClusterId, ...] = ()
    everywhere: bool = False
    """Of Placet's own inventory: every cluster that the facts know."""
    tenant: TenantId | None = None
    formats: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _leaves_commands_to_the_front_door(self) -> Self:
        if self.id != FRONT_DOOR and (taken := sorted(COMMANDS.intersection(self.formats))):
            raise ValueError(f"formats: `{taken[0]}` is accepted from the channel `{FRONT_DOOR}` only; take it out")
        return self


class Channels(Protocol):
    """The channels of this installation by id (a dict is one)."""

    def get(self, channel: ChannelId, /) -> ChannelConfig | None:
        """The channel, or None when it is not configured."""
