"""What one series of an exporter means: which metric, in which unit, of which subject. Rows of it fill the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tools.payloads.facts.mentions import Mention
from tools.payloads.facts.metrics import Form, Metric
from tools.payloads.facts.readings import Floats

type Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a scrape is from, as far as its reader knows."""

    host: str = ""
    cluster: str = ""


type Subject = Callable[[Labels, Target], Mention | None]
"""The thing that a series is of; None when its labels name none."""


@dataclass(frozen=True, slots=True)
class Series:
    """One row: samples of `name` (with the label `where`, if any) times `scale` are `metric`."""

    name: str
    metric: Metric
    subject: Subject
    scale: float = 1.0
    where: tuple[str, str] | None = None
    means: float | None = None
    """The one number that stands for "it is so": the sample is 1 where it is that, else 0."""
    blanks: bool = False
    """DCGM's own numbers for "no value" may stand in it."""

    @property
    def gauge(self) -> bool:
        """A counter may pass any number on its way; a gauge of such a size is none."""
        return self.metric.form is Form.GAUGE


def histogram(name: str, total: Metric, count: Metric, subject: Subject, scale: float = 1.0) -> tuple[Series, Series]:
    """A histogram or summary as its sum and its count. Its buckets are left to Prometheus, which has their history."""
    return Series(f"{name}_sum", total, subject, scale), Series(f"{name}_count", count, subject)


def converting(rows: Sequence[Series]) -> Callable[[Floats], Floats]:
    """How samples of these rows, in their order, become readings."""
    scale = np.array([row.scale for row in rows], np.float64)
    means = np.array([np.nan if row.means is None else row.means for row in rows], np.float64)
    told = ~np.isnan(means)
    if not told.any():
        return lambda numbers: numbers * scale
    return lambda numbers: np.where(told, numbers == means, numbers * scale)


def by_name(*rows: Series) -> Mapping[str, tuple[Series, ...]]:
    """Rows by the name of the sample."""
    return _grouped(rows)


def _grouped(rows: Iterable[Series]) -> dict[str, tuple[Series, ...]]:
    found: dict[str, tuple[Series, ...]] = {}
    for row in rows:
        found[row.name] = (*found.get(row.name, ()), row)
    return found
