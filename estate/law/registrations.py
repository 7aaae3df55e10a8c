"""Who acts and thinks here by signed fact: agents, models and tools, whose data each may see, and where that goes."""

from __future__ import annotations

from pydantic import Field

from estate.ids import ComponentId, Country, DatasetId, Digest, EntityId, TenantId
from estate.law.datasets import DataClass
from estate.records import Model, Time, later
from estate.uses.running import ComponentSort


class Endpoint(Model):
    """Where prompts go, and who is behind it. Whoever is reached there is reached by all that a prompt holds."""

    country: Country
    operator: EntityId
    subprocessors: tuple[EntityId, ...] = ()
    kept_in: tuple[Country, ...] = Field(default=(), max_length=250)
    """Where prompts and answers come to rest. Empty: unknown, which denies."""


class Registration(Model):
    """One agent, model or tool of one digest."""

    id: ComponentId
    sort: ComponentSort
    content: Digest
    """Of what runs: an image, weights, a package. Of a model behind another's endpoint, of what they say it is."""
    owner: EntityId
    """Who answers for it."""
    provenance: str = Field(min_length=1, max_length=500)
    """Who built it from what, and whose signature says so."""
    tenants: tuple[TenantId, ...] = Field(default=(), max_length=10_000)
    """Whose data it may see. Empty: nobody's."""
    data_classes: tuple[DataClass, ...] = ()
    """What of it. Empty: nothing that has a class."""
    weights: DatasetId | None = None
    """Of a model that runs here: the weights, as the facts know them."""
    endpoint: Endpoint | None = None
    """None: what it sees stays in the process that asks it."""
    images: tuple[Digest, ...] = later((), max_length=100)
    """Of an agent that runs in pods: the images that these may run. Empty: nobody compares them."""
    valid_until: Time | None = later()
    """None: for as long as the facts are."""
