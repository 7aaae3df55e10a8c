"""Every series that Placet reads. A new exporter is a module of rows beside this one and a name below."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tools.payloads.telemetry import accelerators, fabrics, nodes, serving
from tools.payloads.telemetry.series import Labels, Series, by_name

SERIES: Mapping[str, tuple[Series, ...]] = MappingProxyType(
    dict(by_name(*accelerators.ROWS, *serving.ROWS, *fabrics.ROWS, *nodes.ROWS))
)
"""Rows by the name of the sample; a name has several where a label tells them apart."""


def row(name: str, labels: Labels) -> Series | None:
    """What a sample means; None when Placet has no use for it."""
    for series in SERIES.get(name, ()):
        if series.where is None or labels.get(series.where[0]) == series.where[1]:
            return series
    return None
