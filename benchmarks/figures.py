"""The shape of a benchmark's answer, and how it is printed."""

from __future__ import annotations

import json
import logging
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import structlog


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `goal` says in words what it is held against; `holds` is None where there is no goal."""

    name: str
    value: float
    unit: str
    goal: str = ""
    holds: bool | None = None


def figure(
    name: str, value: float, unit: str, *, at_most: float | None = None, at_least: float | None = None
) -> Figure:
    """A figure, held against a bound where one is given."""
    rounded = float(f"{value:.4g}")
    if at_most is not None:
        return Figure(name, rounded, unit, f"at most {at_most:g} {unit}", value <= at_most)
    if at_least is not None:
        return Figure(name, rounded, unit, f"at least {at_least:g} {unit}", value >= at_least)
    return Figure(name, rounded, unit)


def hushed() -> None:
    """Errors only, on stderr: stdout belongs to the figures."""
    logging.getLogger().setLevel(logging.ERROR)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """The percentile of measured values, interpolated; the only value of a single one."""
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def machine() -> dict[str, Any]:
    """What the figures were measured on, without naming it."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def main(benchmark: str, measure: Callable[[], Sequence[Figure]]) -> list[Figure]:
    """Run a benchmark as a program: `-o json` for machines, a table for people. What was printed is given back."""
    as_json = sys.argv[1:] in (["-o", "json"], ["-ojson"])
    if sys.argv[1:] and not as_json:
        sys.exit(f"usage: python -m benchmarks.{benchmark} [-o json]")
    figures = list(measure())
    if as_json:
        print(json.dumps({"benchmark": benchmark, "machine": machine(), "figures": [asdict(f) for f in figures]}))
        return figures
    width = max(len(f.name) for f in figures)
    for f in figures:
        mark = {None: "", True: "  holds", False: "  DOES NOT HOLD"}[f.holds]
        print(f"{f.name:<{width}}  {f.value:>12,.6g} {f.unit:<10} {f.goal}{mark}")
    return figures
