"""Provenance: which source said what, and when. Kept for each layer of a thing, and for each field where it matters.

A layer is a group of fields that one kind of source knows about. Two sources may describe one thing as long as each
field has one that speaks for it; `tools.inventory.merging` is the caller that holds them to it, and names the fields
of whoever only adds to what another one says.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from estate.records import Model, Time, later

SourceName = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Layer(StrEnum):
    """What a group of fields is about."""

    IDENTITY = "identity"
    """Names and aliases."""
    PLACE = "place"
    """Where it stands and what it hangs on."""
    HARDWARE = "hardware"
    """What it is made of."""
    SCHEDULING = "scheduling"
    """What its cluster does with it."""
    HEALTH = "health"
    POWER = "power"
    COOLING = "cooling"
    FABRIC = "fabric"
    SOFTWARE = "software"
    COMMERCE = "commerce"
    """Who owns, made and paid for it."""


class Origin(Model):
    """One layer's source, and when the source saw it."""

    layer: Layer
    source: SourceName
    observed_at: Time | None = None
    """None: a declaration that gives no time; it holds until somebody writes another."""
    fields: tuple[str, ...] = later((), max_length=64)
    """Those of its layer that this source said, where another one said the rest; empty: all that nobody else names."""
