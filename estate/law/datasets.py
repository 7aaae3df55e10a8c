"""Data and model artifacts with limits of their own: whose, how secret, where they may be, what they were made from.

What something was made from binds it too (`policies.lineages`): until a person signs here that it does not.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from estate.ids import ClusterId, Country, DatasetId, TenantId
from estate.law.residencies import Residency
from estate.records import Model, Time, later


class DataSort(StrEnum):
    """What it is."""

    DATASET = "dataset"
    WEIGHTS = "weights"
    ADAPTER = "adapter"
    EMBEDDINGS = "embeddings"
    LOGS = "logs"
    CHECKPOINT = "checkpoint"
    CACHE = "cache"
    REPLICA = "replica"


class DataClass(StrEnum):
    """How secret it is."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"


class Instrument(StrEnum):
    """On what a transfer of personal data to another country rests."""

    ADEQUACY = "adequacy"
    STANDARD_CLAUSES = "standard-clauses"
    BINDING_RULES = "binding-rules"
    DEROGATION = "derogation"


class Transfer(Model):
    """A transfer instrument in force until it expires. It widens no limit: it is why there is one, until then."""

    instrument: Instrument
    to: tuple[Country, ...] = Field(min_length=1)
    basis: str = Field(min_length=1, max_length=500)
    valid_until: Time


class Declassification(Model):
    """Why what something was made from does not bind it: anonymised, aggregated, released. It ends with the facts."""

    of: tuple[DatasetId, ...] = Field(min_length=1, max_length=1000)
    """Of `derived_from`."""
    basis: str = Field(min_length=1, max_length=500)


class Grant(Model):
    """A tenant that does not own a dataset may use it for a time. Facts without it revoke it."""

    dataset: DatasetId
    to: TenantId
    basis: str = Field(min_length=1, max_length=500)
    valid_until: Time
    clusters: tuple[ClusterId, ...] = Field(default=(), max_length=1000)
    """Where; empty: wherever it may lie."""


class Dataset(Model):
    """Data or weights with limits of its own; a workload that uses it inherits them."""

    id: DatasetId
    tenant: TenantId
    personal: bool
    residency: Residency
    sort: DataSort | None = later()
    data_class: DataClass | None = later()
    """None: unknown, which counts as the most secret."""
    transfers: tuple[Transfer, ...] = later((), max_length=100)
    derived_from: tuple[DatasetId, ...] = later((), max_length=1000)
    """What it was made from: training data of weights, the base of an adapter. All their limits are its own too."""
    declassified: Declassification | None = later()
    """Which of those limits a person lifted."""
