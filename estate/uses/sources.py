"""Whose word the estate is: every source and every target of it, whether it speaks, and how much of it nobody knows.

Written by the inventory itself. When it last spoke is not told anew each round; since when it is silent is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from estate.ids import TargetId
from estate.itemkinds import ItemKind
from estate.origins import Layer
from estate.records import Time


class Speech(StrEnum):
    """Whether it speaks."""

    SPEAKS = "speaks"
    SILENT = "silent"
    """It spoke once, and does not now."""
    NEVER = "never"
    """It has not spoken since the inventory began to ask."""


Example = Annotated[str, StringConstraints(max_length=256)]


class SourceState(ItemKind):
    """A source, or one target of it."""

    kind: Literal["source"] = "source"
    id: TargetId
    source: str = Field(max_length=256)
    """As origins and readings name it: `redfish/bmc-1`."""
    speech: Speech
    since: Time | None = None
    """When it began to be silent."""
    heard_at: Time | None = None
    """When it spoke last before that."""
    failure: str = Field(default="", max_length=512)
    unresolved: int = Field(default=0, ge=0)
    """How many things it names that nobody knows: its word about them is a claim and no more."""
    examples: tuple[Example, ...] = Field(default=(), max_length=8)
    """Some of them, each with the reason."""

    layer: ClassVar[Layer] = Layer.SOFTWARE
    layers: ClassVar[dict[str, Layer]] = {"speech": Layer.HEALTH, "failure": Layer.HEALTH}
