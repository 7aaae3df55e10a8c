"""Where a value stands to two thresholds. Called by sensors; the value at a threshold is not beyond it."""

from __future__ import annotations

from tools.sensors.alarms import Level


def rising(value: float, raise_above: float, clear_below: float) -> Level:
    """Bad above the one, good at or below the other."""
    if value > raise_above:
        return Level.BAD
    return Level.GOOD if value <= clear_below else Level.BETWEEN


def falling(value: float, raise_below: float, clear_above: float) -> Level:
    """Bad below the one, good at or above the other."""
    if value < raise_below:
        return Level.BAD
    return Level.GOOD if value >= clear_above else Level.BETWEEN


def wrong(is_bad: bool) -> Level:
    """Of what is either so or not."""
    return Level.BAD if is_bad else Level.GOOD
